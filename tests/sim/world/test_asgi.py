"""An application by messages: what it sees, what becomes of its errors, and its lifespan."""

import asyncio

import attrs
import pytest

from kelpie_sim.world.asgi import STARTUP_FAILURE, WINDOW_BYTES, Ending, Exchange, Lifespan
from tests.sim.programs import World

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def body(data=b"", more=False):
    """Return a piece of an answer."""
    return {"type": "http.response.body", "body": data, "more_body": more}


@attrs.define
class Way:
    """A way that takes a second in each direction, and notes what went along; it may break."""

    went: list[tuple[str, int]] = attrs.field(factory=list)
    broken: bool = False

    async def forth(self, what, size_bytes):
        """Take something to the server."""
        await self._go(what, size_bytes)

    async def back(self, what, size_bytes):
        """Take something to the client."""
        await self._go(what, size_bytes)

    async def _go(self, what, size_bytes):
        self.went.append((what, size_bytes))
        await asyncio.sleep(1)
        if self.broken:
            raise ConnectionResetError


async def exchanged(app, way=None, method="GET"):
    """Run an application on one request; return the exchange once both sides are done."""
    exchange = Exchange(way or Way(), {"type": "http", "method": method, "path": "/x"})
    await exchange.ask(b"hi", more=False)
    running = asyncio.ensure_future(exchange.run(app))
    await exchange.head(60)
    chunks = []
    while chunk := await exchange.chunk(60):
        chunks.append(chunk)
    await running
    return exchange, chunks


def ran(program, **options):
    """Run a program in a world, and return its result."""
    return World(**options).run(program)


def test_request_and_answer():
    """The application gets the request, and the client what it answers."""

    async def app(scope, receive, send):
        asked = await receive()
        await send(START)
        await send(body(asked["body"] + b" there"))
        return None

    exchange, chunks = ran(exchanged(app))
    assert (200, [(b"a", b"b")], Ending.COMPLETE, [b"hi there"]) == (
        exchange.status, exchange.headers, exchange.ending, chunks
    )  # fmt: skip


def test_answer_of_one_step_is_one_message():
    """Head, body and end that are sent at once travel as one."""
    way = Way()

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"1", more=True))
        await send(body(b"2"))

    _, chunks = ran(exchanged(app, way))
    assert [b"1", b"2"] == chunks
    assert ["GET /x", "http 200 complete"] == [what for what, _ in way.went]


def test_head_does_not_wait_for_the_body():
    """A head whose body is late comes alone, and pieces come in the order in which they were sent."""

    async def app(scope, receive, send):
        await send(START)
        for number in range(5):
            await asyncio.sleep(0.3)
            await send(body(b"%d" % number, more=True))
        await send(body())

    async def main():
        exchange = Exchange(Way(), {"method": "GET", "path": "/x"})
        running = asyncio.ensure_future(exchange.run(app))
        await exchange.head(60)
        at_s, chunks = asyncio.get_running_loop().time(), []
        while chunk := await exchange.chunk(60):
            chunks.append(chunk)
        await running
        return at_s, b"".join(chunks)

    assert (1.0, b"01234") == ran(main())


def test_head_request_has_no_body():
    """What an application answers to HEAD travels without its body."""

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"unwanted"))

    exchange, chunks = ran(exchanged(app, method="HEAD"))
    assert (200, []) == (exchange.status, chunks)


@pytest.mark.parametrize("answers", [False, None])
def test_error_before_the_answer_is_a_500(answers):
    """An application that raises, or returns, before it has answered makes a 500."""

    async def app(scope, receive, send):
        if answers is False:
            raise ValueError("planned")

    exchange, chunks = ran(exchanged(app))
    assert (500, Ending.COMPLETE, [b"Internal Server Error"]) == (exchange.status, exchange.ending, chunks)


@pytest.mark.parametrize("raises", [True, False])
def test_error_in_the_answer_cuts_it(raises):
    """An application that raises, or returns, in the middle of its answer leaves a body without an end."""

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"beginning", more=True))
        if raises:
            raise ValueError("planned")

    exchange, chunks = ran(exchanged(app))
    assert (200, Ending.CUT, [b"beginning"]) == (exchange.status, exchange.ending, chunks)


def test_result_that_is_not_none_cuts():
    """An application must return None: for anything else the connection is closed, as uvicorn does."""

    async def app(scope, receive, send):
        return "something"

    exchange, _ = ran(exchanged(app))
    assert (0, Ending.CUT) == (exchange.status, exchange.ending)


def test_messages_out_of_turn_are_refused():
    """A body before the head, a second head, and anything after the end are errors of the application."""
    errors = []

    async def app(scope, receive, send):
        for messages in ([body()], [START, START], [body(), body()]):
            try:
                for message in messages:
                    await send(message)
            except RuntimeError as error:
                errors.append(str(error))

    ran(exchanged(app))
    assert [
        "Expected ASGI message 'http.response.start', but got 'http.response.body'.",
        "Expected ASGI message 'http.response.body', but got 'http.response.start'.",
        "Unexpected ASGI message 'http.response.body' sent, after response already completed.",
    ] == errors


def test_who_was_answered_is_gone():
    """After its answer an application that asks on is told that its client is gone."""
    seen = []

    async def app(scope, receive, send):
        seen.append((await receive())["type"])
        await send(START)
        await send(body())
        seen.append((await receive())["type"])

    ran(exchanged(app))
    assert ["http.request", "http.disconnect"] == seen


def test_client_that_leaves_is_noticed_when_the_news_arrives():
    """An application that waits for more learns a second later that its client has left, and may send to nobody."""
    seen: list[object] = []

    async def app(scope, receive, send):
        await receive()
        await send(START)
        await send(body(b"1", more=True))
        seen.append((await receive())["type"])
        seen.append(asyncio.get_running_loop().time())
        await send(body(b"2"))

    async def main():
        exchange = Exchange(Way(), {"method": "GET", "path": "/x"})
        await exchange.ask(b"", more=False)
        running = asyncio.ensure_future(exchange.run(app))
        assert b"1" == await exchange.chunk(60)
        exchange.leave()
        exchange.leave()
        await running

    ran(main())
    assert ["http.disconnect", 3.0] == seen


def test_way_that_breaks_ends_both_sides():
    """When an answer does not get through, the client's connection is reset, and the server's client gone."""
    seen: list[object] = []

    async def app(scope, receive, send):
        await receive()
        way.broken = True
        await send(START)
        await send(body(b"lost", more=True))
        seen.append((await receive())["type"])

    way = Way()
    exchange, chunks = ran(exchanged(app, way))
    assert (Ending.RESET, [], ["http.disconnect"]) == (exchange.ending, chunks, seen)


def test_sender_waits_for_a_client_that_does_not_read():
    """An answer that nobody reads stops after a buffer's worth, and goes on as it is read."""
    sent = []

    async def app(scope, receive, send):
        await send(START)
        for number in range(10):
            await send(body(bytes(WINDOW_BYTES // 2), more=True))
            sent.append(number)
        await send(body())

    async def main():
        exchange = Exchange(Way(), {"method": "GET", "path": "/x"})
        running = asyncio.ensure_future(exchange.run(app))
        await asyncio.sleep(100)
        before = len(sent)
        while await exchange.chunk(60):
            pass
        await running
        return before, len(sent)

    assert (3, 10) == ran(main())


def test_patience_ends():
    """Who waits longer than it likes for a head or for a piece gets a TimeoutError."""

    async def app(scope, receive, send):
        await send(START)
        await asyncio.sleep(100)

    async def main():
        exchange = Exchange(Way(), {"method": "GET", "path": "/x"})
        running = asyncio.ensure_future(exchange.run(app))
        with pytest.raises(TimeoutError):
            await exchange.head(0.5)
        await exchange.head(None)
        with pytest.raises(TimeoutError):
            await exchange.chunk(5)
        running.cancel()

    ran(main())


def test_cancelled_sender_loses_nothing():
    """What an application has sent arrives, even if its task is cancelled in the same step."""

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"sent"))

    async def main():
        exchange = Exchange(Way(), {"method": "GET", "path": "/x"})
        running = asyncio.ensure_future(exchange.run(app))
        await asyncio.sleep(0.5)
        running.cancel()
        return await exchange.chunk(60)

    assert b"sent" == ran(main())


# --- lifespan


def lifespan_app(*, starts=True, stops=True):
    """Return an application that has a lifespan."""

    async def app(scope, receive, send):
        scope["state"]["made"] = True
        assert "lifespan.startup" == (await receive())["type"]
        await send({"type": "lifespan.startup.complete" if starts else "lifespan.startup.failed"})
        assert "lifespan.shutdown" == (await receive())["type"]
        await send({"type": "lifespan.shutdown.complete" if stops else "lifespan.shutdown.failed"})

    return app


@pytest.mark.parametrize("stops", [True, False])
def test_lifespan_starts_up_and_shuts_down(stops):
    """An application starts up, leaves its state, and shuts down; a failure to shut down is its own affair."""

    async def main():
        lifespan = Lifespan(lifespan_app(stops=stops))
        await lifespan.startup()
        await lifespan.shutdown()
        return lifespan.state

    assert {"made": True} == ran(main())


def test_failed_startup_ends_the_process():
    """An application that does not start up ends its server's process, with the exit code of uvicorn."""
    world = World()
    host = world.host("server")

    async def serve():
        await Lifespan(lifespan_app(starts=False)).startup()

    async def main():
        host.start(serve)
        await asyncio.sleep(1)
        return host.alive, host.exit_code

    assert (False, STARTUP_FAILURE) == world.run(main())


def test_application_without_lifespan_serves():
    """An application that knows no lifespan, and says so by raising, is served all the same."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"

    async def main():
        lifespan = Lifespan(app)
        await lifespan.startup()
        await lifespan.shutdown()
        return type(lifespan.refusal)

    assert AssertionError is ran(main())
