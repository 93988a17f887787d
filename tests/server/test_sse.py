"""Answers that come piece by piece."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from starlette.types import ASGIApp, Message

from kelpie_core.errors import StoreError
from kelpie_core.model.message import Role
from kelpie_core.service.turn_events import MessageStored, RunStarted, TurnEnded, TurnEvent
from kelpie_core.wire.letta_stream import LettaStream, StreamEvent
from kelpie_server.sse import Document, EventStream, begun, frame_of, is_cancelled
from tests.core.wire.letta_samples import message, run
from tests.server.asgi_client import Exchange, events_of
from tests.server.far_sides import CountingEntropy
from tests.server.manual_clock import ManualClock, settle

HI = MessageStored(message=message(Role.ASSISTANT, "hi"))
END = TurnEnded(run=run())


class Turn:
    """A turn's events as a test tells them; knows whether it was closed."""

    def __init__(self, *events: "TurnEvent | BaseException", wait: asyncio.Event | None = None) -> None:
        self.events = events
        self.wait = wait
        self.closed = False

    async def told(self) -> AsyncIterator[TurnEvent]:
        """Yield the events, raise the errors; wait at the end if there is something to wait for."""
        try:
            for event in self.events:
                if isinstance(event, BaseException):
                    raise event
                yield event
            if self.wait is not None:
                await self.wait.wait()
        finally:
            self.closed = True


def started(turn: Turn, clock: ManualClock, *, pings: bool = False) -> Exchange:
    """Return the exchange of a stream of the turn."""
    letta = LettaStream(run=run(), entropy=CountingEntropy(), pings=pings)
    return Exchange(EventStream(letta, turn.told(), clock, 20.0), "POST", "/")


def told(*events: "TurnEvent | BaseException") -> list[tuple[str | None, object]]:
    """Return (event name, message type) of what a stream of these events tells."""

    async def collect() -> bytes:
        exchange = started(Turn(*events), ManualClock())
        assert 200 == (await exchange.start())["status"]
        body = b"".join([piece async for piece in exchange.body()])
        await exchange.task
        return body

    with structlog.testing.capture_logs():
        body = asyncio.run(collect())
    return [(name, data if isinstance(data, str) else data["message_type"]) for name, data in events_of(body)]  # type: ignore[index]


def test_a_frame_is_data():
    """An event is a line of data and an empty line; only an error has a name."""
    assert b'data: {"a":"b\\nc"}\n\n' == frame_of(StreamEvent(data={"a": "b\nc"}))
    assert b'event: error\ndata: {"a":1}\n\n' == frame_of(StreamEvent(data={"a": 1}, name="error"))


def test_a_turn_that_ends_well():
    """The turn is told, then its reason, its usage, and that this is all."""
    assert [
        (None, "assistant_message"),
        (None, "stop_reason"),
        (None, "usage_statistics"),
        (None, "[DONE]"),
    ] == told(HI, END)


@pytest.mark.parametrize("error", [StoreError("disk"), KeyError("ours"), asyncio.CancelledError()])
def test_a_turn_that_breaks(error):
    """Whatever breaks the events, the stream says that the turn failed and ends; nothing looks like an answer."""
    failure = [(None, "stop_reason"), ("error", "error_message"), (None, "[DONE]")]
    assert [(None, "assistant_message"), *failure] == told(HI, error)


def test_a_turn_that_falls_silent():
    """Events that stop without an end are a failure."""
    assert [(None, "stop_reason"), ("error", "error_message"), (None, "[DONE]")] == told()


def test_an_error_after_the_end_is_not_told():
    """What was told as ended stays so."""
    assert [(None, "stop_reason"), (None, "usage_statistics"), (None, "[DONE]")] == told(END, StoreError("late"))


def test_our_own_mistakes_are_not_told():
    """The words of an unexpected error stay in the log."""

    async def collect() -> bytes:
        exchange = started(Turn(KeyError("s3cret")), ManualClock())
        await exchange.start()
        return b"".join([piece async for piece in exchange.body()])

    with structlog.testing.capture_logs() as logs:
        assert b"s3cret" not in asyncio.run(collect())
    assert ["stream_broke"] == [log["event"] for log in logs]


def test_pings_while_nothing_happens():
    """Every interval brings a sign of life, until the end and not after it."""

    async def test() -> list[str]:
        clock, go = ManualClock(), asyncio.Event()
        exchange = started(Turn(HI, wait=go), clock, pings=True)
        for _ in range(2):
            await clock.advance(20)
        await clock.advance(19)
        go.set()
        await exchange.start()
        body = b"".join([piece async for piece in exchange.body()])
        await clock.advance(100)
        assert exchange.sent.empty()
        return [data if isinstance(data, str) else data["message_type"] for _, data in events_of(body)]  # type: ignore[index]

    failure = ["stop_reason", "error_message", "[DONE]"]
    with structlog.testing.capture_logs():
        assert ["ping", "assistant_message", "ping", "ping", *failure] == asyncio.run(test())


def test_no_pings_for_who_wants_none():
    """A stream without pings is silent while nothing happens."""

    async def test() -> int:
        clock = ManualClock()
        exchange = started(Turn(wait=asyncio.Event()), clock)
        await clock.advance(20)
        await exchange.start()
        exchange.gone()
        await exchange.task
        return exchange.sent.qsize()

    assert 0 == asyncio.run(test())


def test_a_client_that_goes_away_ends_the_answer():
    """When the client hangs up, the events are let go at once and nobody is left behind."""

    async def test() -> bool:
        turn, before = Turn(HI, wait=asyncio.Event()), asyncio.all_tasks()
        exchange = started(turn, ManualClock(), pings=True)
        await settle()
        exchange.gone()
        await exchange.task
        assert before == asyncio.all_tasks()
        return turn.closed

    assert asyncio.run(test())


def test_a_cancelled_answer_cancels_its_parts():
    """A server that gives up on an answer leaves nothing of it behind, and the client hears that it stops."""

    async def test() -> bool:
        turn, before = Turn(HI, wait=asyncio.Event()), asyncio.all_tasks()
        exchange = started(turn, ManualClock())
        await settle()
        exchange.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange.task
        assert before == asyncio.all_tasks()
        await exchange.start()
        told = events_of(b"".join([piece async for piece in exchange.body()]))
        assert [None, None, "error", None] == [name for name, _ in told]
        assert "the server is stopping; the turn goes on when it is back" in str(told[2])
        return turn.closed

    assert asyncio.run(test())


def test_a_client_that_does_not_read_holds_nothing():
    """A client that hangs up while a piece waits to be sent lets the events go, though nobody was reading them."""

    async def test() -> list[bool]:
        turns = Turn(HI, HI), Turn(HI, HI)
        rests = [(await begun(turn.told()))[1] for turn in turns]
        letta = LettaStream(run=run(), entropy=CountingEntropy())
        await hung_up(EventStream(letta, rests[0], ManualClock(), 20.0))
        await hung_up(Document(b"[", rests[1], {}))  # type: ignore[arg-type]
        return [turn.closed for turn in turns]

    assert [True, True] == asyncio.run(test())


async def hung_up(answer: ASGIApp) -> None:
    """Send an answer to a client that takes no body and hangs up."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Message:
        await settle(10)
        return {"type": "http.disconnect"}

    await answer({"type": "http"}, receive, send)


async def pieces(*items: "bytes | Exception", wait: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Yield pieces of a document, raise an error in place of one."""
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item
    if wait is not None:
        await wait.wait()


async def document(*items: "bytes | Exception", wait: asyncio.Event | None = None) -> Exchange:
    """Return the exchange of a document of these pieces."""
    first, rest = await begun(pieces(*items, wait=wait))
    return Exchange(Document(first, rest, {"content-type": "application/json"}), "GET", "/")


def test_a_document_comes_whole():
    """The pieces of a document come in order, and the body ends after the last."""

    async def test() -> bytes:
        exchange = await document(b"[1,", b"2]")
        assert [(b"content-type", b"application/json")] == (await exchange.start())["headers"]
        return b"".join([piece async for piece in exchange.body()])

    assert b"[1,2]" == asyncio.run(test())


def test_an_early_failure_is_not_begun():
    """A document that fails before its first piece fails before any status is sent."""

    async def test() -> None:
        await document(StoreError("disk"))

    with pytest.raises(StoreError):
        asyncio.run(test())


def test_a_late_failure_cuts_the_document():
    """A document that fails later raises, so that its body is cut off and no part passes for the whole."""

    async def test() -> None:
        exchange = await document(b"[1,", StoreError("disk"))
        await exchange.start()
        with pytest.raises(StoreError):
            assert [b"[1,"] == [piece async for piece in exchange.body()]

    asyncio.run(test())


def test_a_document_nobody_waits_for_is_given_up():
    """When the client hangs up, the rest is not read."""

    async def test() -> None:
        exchange = await document(b"[1,", wait=asyncio.Event())
        await settle()
        exchange.gone()
        await exchange.task

    asyncio.run(test())


def test_begun_gives_first_and_rest():
    """The first item comes apart from the others."""

    async def test() -> tuple[TurnEvent, list[TurnEvent]]:
        first, rest = await begun(Turn(RunStarted(run=run()), END).told())
        return first, [event async for event in rest]

    assert (RunStarted(run=run()), [END]) == asyncio.run(test())


def test_outside_a_task_nobody_is_cancelled():
    """A callback of the loop has no task to cancel."""

    async def test() -> bool:
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: answer.set_result(is_cancelled()))
        return bool(await answer)

    assert asyncio.run(test()) is False
