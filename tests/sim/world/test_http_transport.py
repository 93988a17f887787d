"""Requests by messages: ways that are kept open and break, and the errors of httpx."""

import asyncio

import httpx
import httpx2
import pytest

from kelpie_sim.faults import Fault
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.http import HttpService
from kelpie_sim.world.network.faults import NetworkConnectFail, NetworkReset

libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


async def app(scope, receive, send):
    """Answer with what was asked, in two pieces; /slow takes ten seconds."""
    assert scope["type"] == "http"
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        data, more = data + message["body"], message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(10)
    head = b"%s %s?%s " % (scope["method"].encode(), scope["raw_path"], scope["query_string"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-client", scope["client"][0].encode())]})
    await send({"type": "http.response.body", "body": head, "more_body": True})
    await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": data})


def asked(program, library, *faults: Fault, served=app):
    """Run a program with a client on a host, and return its result and the network's records."""
    results = []

    async def scenario(world):
        service = HttpService(world.network, world.host("server"), lambda: served, fidelity="message")
        service.boot()
        await service.ready()

        async def work():
            async with service.client() if library is httpx else service.client2() as client:
                results.append(await program(world, service, client))

        await world.host("client").start(work)

    outcome = simulate(Scenario(name="http", run=scenario, faults=lambda swarm: faults), 1)
    assert None is outcome.finding
    return results[0]


@libraries
def test_request_reaches_the_application_as_it_was_sent(library):
    """Method, path, query, body and the client's host get there, and the answer back."""

    async def program(world, service, client):
        answer = await client.post("/a%20b", params={"q": "1"}, content=b"body")
        return answer.status_code, answer.text, answer.headers["x-client"]

    assert (200, "POST /a%20b?q=1 body", "client") == asked(program, library)


@libraries
def test_request_in_pieces(library):
    """A body that comes piece by piece arrives whole."""

    async def pieces():
        for piece in (b"one ", b"two"):
            await asyncio.sleep(1)
            yield piece

    async def program(world, service, client):
        return (await client.put("/", content=pieces())).text

    assert "PUT /? one two" == asked(program, library)


@libraries
def test_other_services_are_not_reached(library):
    """A client of one service cannot ask another, or another port."""

    async def program(world, service, client):
        for url in ("http://other:8000/", "http://server:8001/", "http://server/"):
            with pytest.raises(library.ConnectError):
                await client.get(url)

    asked(program, library)


@libraries
def test_answer_that_is_late_times_out(library):
    """A head, or a piece, that does not come in time raises ReadTimeout."""

    async def program(world, service, client):
        with pytest.raises(library.ReadTimeout):
            await client.get("/slow")
        begun_s = world.loop.time()
        with pytest.raises(library.ReadTimeout):
            await client.get("/", timeout=library.Timeout(5, read=0.05))
        return world.loop.time() - begun_s < 0.1

    assert asked(program, library)


@libraries
def test_host_that_is_down_is_not_reached(library):
    """Connecting to a host without power takes as long as the client's patience."""

    async def program(world, service, client):
        service.host.crash()
        with pytest.raises(library.ConnectTimeout):
            await client.get("/", timeout=3)
        return round(world.loop.time(), 1)

    assert 3.0 == asked(program, library)


@libraries
def test_way_is_kept_open_and_opened_anew(library):
    """A way is opened by a handshake, kept while it is used, and opened anew after a pause."""
    reached = []

    async def program(world, service, client):
        reach = service.network.reach

        async def counted(*hosts):
            reached.append(round(world.loop.time()))
            return await reach(*hosts)

        service.network.reach = counted
        for pause in (1, 4, 6):
            await client.get("/")
            await asyncio.sleep(pause)
        await client.get("/")

    asked(program, library)
    assert [0, 11] == reached


@libraries
def test_way_to_an_earlier_life_breaks(library):
    """A request over a way whose server was rebooted is reset; the next one opens a new way."""

    async def program(world, service, client):
        await client.get("/")
        service.host.restart()
        await service.ready()
        with pytest.raises(library.ReadError):
            await client.get("/")
        return (await client.get("/")).status_code

    assert 200 == asked(program, library)


@libraries
def test_faults_of_the_network_strike(library):
    """A refused connection and a reset show as they would over TCP."""

    async def program(world, service, client):
        errors = []
        for _ in range(3):
            try:
                errors.append((await client.get("/")).status_code)
            except library.TransportError as error:
                errors.append(type(error))
        return errors

    refuse = NetworkConnectFail(on="connect", max_triggers=1)
    reset = NetworkReset(on="deliver", hosts=("client",), max_triggers=1)
    assert [library.ConnectError, library.ReadError, 200] == asked(program, library, refuse, reset)


@libraries
def test_upload_breaks_with_its_server(library):
    """Who still sends when the server loses power and comes back, is reset."""

    async def pieces():
        for _ in range(100):
            await asyncio.sleep(1)
            yield b"piece"

    async def program(world, service, client):
        world.loop.call_later(2.5, service.host.restart)
        with pytest.raises(library.ReadError):
            await client.put("/", content=pieces())
        return 2 < world.loop.time() < 5

    assert asked(program, library)


@libraries
def test_upload_that_gets_nowhere_times_out(library):
    """Pieces that do not get through raise WriteTimeout."""

    async def pieces():
        yield b"one"
        await asyncio.sleep(1)
        yield b"two"

    async def program(world, service, client):
        world.loop.call_later(0.5, world.network.partition, "client", "server")
        with pytest.raises(library.WriteTimeout):
            await client.put("/", content=pieces())
        return round(world.loop.time())

    assert 6 == asked(program, library)


@libraries
def test_client_that_leaves_early_is_forgotten(library):
    """A request whose task is cancelled leaves nothing on the server once the news has arrived."""

    async def program(world, service, client):
        task = asyncio.ensure_future(client.get("/slow"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(20)
        return len(service._exchanges)

    assert 0 == asked(program, library)


@libraries
@pytest.mark.parametrize(("cut_seconds", "expected"), [(3, ["/", "/late", "gone"]), (1_000, ["/"])])
def test_request_of_a_client_that_gave_up(library, cut_seconds, expected):
    """It arrives once the way is free, and only then that the client has gone; if it never does, nobody misses it."""
    seen = []

    async def watching(scope, receive, send):
        assert scope["type"] == "http"
        seen.append(scope["path"])
        await receive()
        if scope["path"] == "/late":
            assert "http.disconnect" == (await receive())["type"]
            seen.append("gone")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def program(world, service, client):
        await client.get("/")
        world.network.partition("client", "server")
        world.loop.call_later(cut_seconds, world.network.heal)
        with pytest.raises(library.ReadTimeout):
            await client.get("/late", timeout=1)
        await asyncio.sleep(2_000)
        return seen

    assert expected == asked(program, library, served=watching)
