"""What a real stack does when the world goes wrong: backpressure, partitions, resets, crashes, clients that leave."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from socket import AF_INET

import httpx
import pytest
from starlette.applications import Starlette

from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.world.http import HttpService
from kelpie_sim.world.network import Fixed, Law
from kelpie_sim.world.network.faults import NetworkReset
from tests.stack.apps import CHUNK, make_app
from tests.stack.programs import SERVERS, numbers, service_of

TCP_SERVERS = ("h11", "httptools")
SEEDS = (1, 2, 3)
Trial = Callable[["Bench"], Coroutine[object, object, None]]


class Bench:
    """A service with its application, and a place to note what was seen."""

    def __init__(self, world: World, server: str) -> None:
        self.world = world
        self.seen: list[object] = []
        self.app = make_app()
        self.service: HttpService = service_of(world, server, self._made)

    def _made(self) -> Starlette:
        self.app = make_app()
        return self.app

    async def asked(self, client: httpx.AsyncClient, path: str) -> None:
        """Ask, and note the answer or the error, and how long it took."""
        begun = self.world.loop.time()
        try:
            noted: object = (await client.get(path)).status_code
        except httpx.TransportError as error:
            noted = type(error).__name__
        self.seen.append((noted, round(self.world.loop.time() - begun, 1)))


def run(trial: Trial, server: str, seed: int, *faults: Fault) -> list[object]:
    """Run a trial on a client's host and return what it noted; nothing else may go wrong."""
    benches: list[Bench] = []

    async def scenario(world: World) -> None:
        bench = Bench(world, server)
        benches.append(bench)
        bench.service.boot()
        await bench.service.ready()
        await world.host("client").start(partial(trial, bench))

    outcome: Outcome = simulate(Scenario(name="trouble", run=scenario, faults=lambda swarm: faults), seed)
    assert None is outcome.finding
    return benches[0].seen


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_slow_reader_holds_the_server_back(server: str, seed: int) -> None:
    """A server sends 3 MB to a client that does not read, and stops after a few buffers full."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client, client.stream("GET", "/big?n=48"):
            await asyncio.sleep(4)
            bench.seen.append(bench.app.state.sent * len(CHUNK))

    (sent_bytes,) = run(trial, server, seed)
    assert sent_bytes <= 6 * len(CHUNK)  # type: ignore[operator]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_way_partition_hides_work_that_was_done(server: str, seed: int) -> None:
    """When only the way back is cut, the server does the work, and the client times out while it reads."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            await bench.asked(client, "/slow?seconds=0")
            bench.world.network.partition("server", "client", one_way=True)
            await bench.asked(client, "/slow?seconds=0")
            bench.seen.append(bench.app.state.asked)

    assert [(200, 0.0), ("ReadTimeout", 5.0), 2] == run(trial, server, seed)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_partition_times_out_reading_then_connecting(server: str, seed: int) -> None:
    """Cut off, a request on an open connection times out in the middle, and the next one cannot connect."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            await bench.asked(client, "/slow?seconds=0")
            bench.world.network.partition("server", "client")
            await bench.asked(client, "/slow?seconds=0")
            await bench.asked(client, "/slow?seconds=0")
            bench.world.network.heal()
            await bench.asked(client, "/slow?seconds=0")

    first, second, third, fourth = run(trial, server, seed)
    assert [(200, 0.0), (200, 0.0)] == [first, fourth]
    assert [("ReadTimeout", 5.0), ("ConnectTimeout", 5.0)] == [second, third]


@pytest.mark.parametrize("server", SERVERS)
def test_what_does_not_fit_into_buffers_times_out_writing(server: str) -> None:
    """Cut off, a request that is longer than all buffers times out while it is written, a shorter one while read."""

    async def trial(bench: Bench) -> None:
        timeout = httpx.Timeout(5.0, read=3.0)
        async with bench.service.client() as client:
            for size_bytes in (60_000, 200_000):
                await client.get("/slow?seconds=0")
                bench.world.network.partition("server", "client")
                try:
                    await client.post("/echo", content=b"x" * size_bytes, timeout=timeout)
                except httpx.TransportError as error:
                    bench.seen.append(type(error).__name__)
                bench.world.network.heal()

    assert ["ReadTimeout", "WriteTimeout"] == run(trial, server, 1)


@pytest.mark.parametrize("server", SERVERS)
def test_request_of_a_client_that_gave_up_arrives(server: str) -> None:
    """What was written before the client gave up is worked on all the same, once it gets through."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client(timeout=2.0) as client:
            await bench.asked(client, "/slow?seconds=0")
            bench.world.network.clog("server", "client", seconds=3)
            await bench.asked(client, "/slow?seconds=0")
            await asyncio.sleep(5)
            bench.seen.append(bench.app.state.asked)

    assert [(200, 0.0), ("ReadTimeout", 2.0), 2] == run(trial, server, 1)


@pytest.mark.parametrize("server", SERVERS)
def test_patience_counts_from_the_request(server: str) -> None:
    """However long a request is under way, who waits for its answer waits as long as its read timeout says."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            await bench.asked(client, "/slow?seconds=0")
            bench.world.network.clog("server", "client", seconds=4)
            await bench.asked(client, "/slow?seconds=4")

    assert [(200, 0.0), ("ReadTimeout", 5.0)] == run(trial, server, 1)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_reset_in_the_middle_of_a_stream(server: str, seed: int) -> None:
    """A connection that is reset while events come raises ReadError, and the next request connects anew."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            try:
                await numbers(client, "/events", 100)
            except httpx.ReadError:
                bench.seen.append("ReadError")
            await bench.asked(client, "/slow?seconds=0")
            await asyncio.sleep(1)
            bench.seen.append(bench.app.state.open)

    reset = NetworkReset(on="send", hosts=("server",), after=5, max_triggers=1)
    assert ["ReadError", (200, 0.0), 0] == run(trial, server, seed, reset)


@pytest.mark.parametrize("server", TCP_SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_crash_and_reboot_is_found_by_retransmission(server: str, seed: int) -> None:
    """A server that loses power says nothing; once it is up again, it resets what the client still sends."""

    async def trial(bench: Bench) -> None:
        host = bench.service.host
        async with bench.service.client() as client:
            await bench.asked(client, "/slow?seconds=0")
            host.crash()
            bench.world.loop.call_later(3, host.restart)
            begun = bench.world.loop.time()
            try:
                await client.get("/slow?seconds=0")
            except httpx.ReadError:
                bench.seen.append(3 <= bench.world.loop.time() - begun < 5)
            await bench.asked(client, "/slow?seconds=0")

    assert [(200, 0.0), True, (200, 0.0)] == run(trial, server, seed)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_server_that_dies_in_a_stream(server: str, seed: int) -> None:
    """Who listens to a server that lost power hears nothing, until its patience is at an end."""

    async def trial(bench: Bench) -> None:
        host = bench.service.host
        async with bench.service.client() as client:
            bench.world.loop.call_later(0.5, host.crash)
            try:
                await numbers(client, "/sse", 1_000)
            except httpx.ReadTimeout:
                bench.seen.append(round(bench.world.loop.time(), 1))
            host.restart()
            await bench.service.ready()
            await bench.asked(client, "/slow?seconds=0")

    (gave_up_s, after) = run(trial, server, seed)
    assert 5.5 == pytest.approx(gave_up_s, abs=0.2)
    assert (200, 0.0) == after


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("path", ["/events?n=1000", "/sse?n=1000", "/big?n=1000"])
def test_client_that_leaves_ends_the_stream(server: str, path: str) -> None:
    """A client that goes away in the middle of a stream leaves nothing running on the server."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            async with client.stream("GET", path) as answer:
                async for _ in answer.aiter_raw():
                    bench.seen.append(bench.app.state.open)
                    break
            await asyncio.sleep(1)
            bench.seen.append(bench.app.state.open)

    assert [1, 0] == run(trial, server, 1)


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_listens(server: str) -> None:
    """A host whose server has shut down refuses at once."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            await bench.service.stop()
            await bench.asked(client, "/slow?seconds=0")

    assert [("ConnectError", 0.0)] == run(trial, server, 1)


@pytest.mark.parametrize("server", TCP_SERVERS)
def test_unknown_host(server: str) -> None:
    """A name that nobody has does not resolve, and that is a ConnectError."""

    async def trial(bench: Bench) -> None:
        async with httpx.AsyncClient() as client:
            await bench.asked(client, "http://nowhere:8000/")

    assert [("ConnectError", 0.0)] == run(trial, server, 1)


@pytest.mark.parametrize("server", TCP_SERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_keep_alive_race(server: str, seed: int) -> None:
    """A client that asks while the server closes the idle connection, unheard so far, is disconnected."""

    async def trial(bench: Bench) -> None:
        bench.world.network.obey(Law(latency=Fixed(500_000_000)))
        bench.world.network.resolve_to(AF_INET)  # No time goes by with an address at which nobody listens.
        limits = httpx.Limits(keepalive_expiry=60)
        async with httpx.AsyncClient(base_url=bench.service.base_url, limits=limits) as client:
            await bench.asked(client, "/slow?seconds=0")
            # The server keeps it for 5 s, counted from half a second ago.
            await asyncio.sleep(4.8)
            await bench.asked(client, "/slow?seconds=0")

    assert [(200, 2.0), ("RemoteProtocolError", 0.2)] == run(trial, server, seed)


@pytest.mark.parametrize("server", SERVERS)
def test_shutdown_waits_for_what_is_under_way(server: str) -> None:
    """A server that is asked to stop answers what it has begun, takes nothing new, and shuts its application down."""

    async def trial(bench: Bench) -> None:
        async with bench.service.client() as client:
            asked = asyncio.ensure_future(bench.asked(client, "/slow?seconds=2"))
            await asyncio.sleep(0.5)
            stopping = asyncio.ensure_future(bench.service.stop())
            await asyncio.sleep(0.5)
            await bench.asked(client, "/slow?seconds=0")
            await asyncio.gather(asked, stopping)
            bench.seen.append(bench.app.state.up)

    assert [("ConnectError", 0.0), (200, 2.0), False] == run(trial, server, 1)
