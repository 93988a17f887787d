"""How many seeds of a whole stack one CPU-second runs: real uvicorn, Starlette and clients in the world.

small   a server starts, a client makes one thing and asks for it three times, the server shuts down
chaos   three clients with eight requests each, plain ones and streams, while the server loses power, hosts cannot reach
        each other and connections break

Both run at both fidelities (kelpie_sim/world/http.py), and the small one also with letta_client against Kelpie itself.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import letta_client
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.figure import Figure
from benchmarks.timing import medians
from kelpie_core.kelpie import Kelpie
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_sim.agents.cluster import Cluster, holder_of
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.batch import freeze_once
from kelpie_sim.faults import Fault
from kelpie_sim.guards.guarded import batch
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.world.host import Host
from kelpie_sim.world.http import FIDELITIES, Fidelity, HttpService
from kelpie_sim.world.network.faults import NetworkPartition, NetworkReset

# What the production server is run with.
HTTP = "httptools"
REQUESTS = 3
CLIENTS, OPERATIONS_EACH, EVENTS = 3, 8, 5
CRASHES = 2
ALONE = ("small", "alone")
REPETITIONS, ROUND_SECONDS = 5, 0.6
FLOORS = {("small", "tcp"): 150, ("small", "message"): 600, ("chaos", "tcp"): 30, ("chaos", "message"): 60}


# --- the program


async def _make(request: Request) -> Response:
    things: list[object] = request.app.state.things
    things.append(await request.json())
    return JSONResponse({"id": len(things) - 1})


async def _get(request: Request) -> Response:
    return JSONResponse({"thing": request.app.state.things[request.path_params["id"]]})


async def _tell(request: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        for number in range(EVENTS):
            await asyncio.sleep(0.02)
            yield f"data: {number}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _app() -> Starlette:
    app = Starlette(
        routes=[
            Route("/things", _make, methods=["POST"]),
            Route("/things/{id:int}", _get),
            Route("/events", _tell),
        ]
    )
    app.state.things = []
    return app


# --- small


async def _small(world: World, fidelity: Fidelity) -> None:
    service = HttpService(world.network, world.host("server"), _app, fidelity=fidelity, http=HTTP)
    service.boot()
    await service.ready()

    async def client() -> None:
        async with service.client() as http:
            made = (await http.post("/things", json={"name": "Ada"})).json()["id"]
            for _ in range(REQUESTS):
                found = await http.get(f"/things/{made}")
                world.check(found.json() == {"thing": {"name": "Ada"}}, "small: a thing does not read back")

    await world.host("client").start(client)
    await service.stop()


async def _letta(world: World, fidelity: Fidelity) -> None:
    cluster, host = Cluster(world, servers=0), world.host("server")
    service = HttpService(world.network, host, partial(_kelpie_app, cluster, host), fidelity=fidelity, http=HTTP)
    service.boot()
    await service.ready()

    async def client() -> None:
        async with letta_client.AsyncLetta(
            base_url=service.base_url, api_key="none", http_client=service.client()
        ) as letta:
            agent = await letta.agents.create(name="Ada", model="kelpie/echo")
            for number in range(REQUESTS):
                asked = f"say {number}"
                answer = await letta.agents.messages.create(agent.id, messages=[{"role": "user", "content": asked}])
                world.check(len(answer.messages) > 0, "letta: no answer")

    await world.host("client").start(client)
    await service.stop()


def _kelpie_app(cluster: Cluster, host: Host) -> Starlette:
    return create_app(Kelpie(cluster.ports_of(host), holder=holder_of(host)), Config())


# --- chaos


async def _chaos(world: World, fidelity: Fidelity) -> None:
    host = world.host("server")
    service = HttpService(world.network, host, _app, fidelity=fidelity, http=HTTP)
    service.boot()
    await service.ready()
    clients = [world.host(f"client-{n}").start(partial(_client, world, service, n)) for n in range(CLIENTS)]
    nemesis = asyncio.ensure_future(_nemesis(world, host))
    await asyncio.gather(*clients)
    await nemesis


async def _client(world: World, service: HttpService, number: int) -> None:
    stream = world.streams.stream(f"client/{number}")
    async with service.client(timeout=2.0) as http:
        for _ in range(OPERATIONS_EACH):
            try:
                await (_listen(http) if stream.chance(0.3) else _post(http, number))
            except httpx.TransportError as error:
                world.trace.record("op failed", number, type(error).__name__)
            await asyncio.sleep(stream.between(0, 300) / 1_000)


async def _post(http: httpx.AsyncClient, number: int) -> None:
    (await http.post("/things", json={"by": number})).raise_for_status()


async def _listen(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/events") as answer:
        async for _ in answer.aiter_lines():
            pass


async def _nemesis(world: World, host: Host) -> None:
    stream = world.streams.stream("nemesis")
    for _ in range(CRASHES):
        await asyncio.sleep(stream.between(200, 2_000) / 1_000)
        host.crash()
        await asyncio.sleep(stream.between(100, 1_500) / 1_000)
        host.restart()


def _harm(swarm: Swarm) -> tuple[Fault, ...]:
    return (
        NetworkPartition(on="send", probability=0.01, duration_ms=1_500, one_way=swarm.flag("one way")),
        NetworkReset(on="send", probability=0.02),
    )


# --- measuring


def scenario(name: str, fidelity: Fidelity) -> Scenario:
    """Return one of the programs at a fidelity."""
    if name == "chaos":
        return Scenario(name=f"chaos-{fidelity}", run=partial(_chaos, fidelity=fidelity), faults=_harm)
    program = _small if name == "small" else _letta
    return Scenario(name=f"{name}-{fidelity}", run=partial(program, fidelity=fidelity), operations=OPERATIONS)


def seeds_per_second(one: Scenario, first_seed: int) -> float:
    """Run seeds for a while and return how many a CPU-second takes. Raise AssertionError when one fails."""
    begun, seed = time.process_time(), first_seed
    with batch():
        while time.process_time() - begun < ROUND_SECONDS:
            outcome = simulate(one, seed)
            assert outcome.finding is None, f"{one.name} {seed}: {outcome.finding.message}"
            seed += 1
    return (seed - first_seed) / (time.process_time() - begun)


def programs_per_second() -> float:
    """Run the small program on asyncio's own loop, without network and server; return how many a CPU-second takes."""
    begun, done = time.process_time(), 0
    while time.process_time() - begun < ROUND_SECONDS:
        asyncio.run(_alone())
        done += 1
    return done / (time.process_time() - begun)


async def _alone() -> None:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://server", trust_env=False) as http:
        made = (await http.post("/things", json={"name": "Ada"})).json()["id"]
        for _ in range(REQUESTS):
            (await http.get(f"/things/{made}")).raise_for_status()


def _rate(one: Scenario, seeds: Iterator[int]) -> float:
    return seeds_per_second(one, next(seeds))


def figures() -> Iterator[Figure]:
    """Yield the figures: medians of some rounds, which all programs take in turn."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL + 1))
    keys = [(name, fidelity) for name in ("small", "chaos", "letta") for fidelity in FIDELITIES]
    programs = {key: scenario(*key) for key in keys}
    for one in programs.values():
        simulate(one, 0)
    freeze_once()
    seeds = itertools.count(1, 1_000)
    measured = {key: partial(_rate, one, seeds) for key, one in programs.items()}
    rates = medians({**measured, ALONE: programs_per_second}, REPETITIONS)
    alone = rates.pop(ALONE)
    for (name, fidelity), rate in rates.items():
        stack = "AsyncLetta, Kelpie" if name == "letta" else "httpx, Starlette"
        server = "uvicorn over TCP" if fidelity == "tcp" else "message level"
        yield Figure(
            name=f"{name}: {stack}, {server}",
            value=rate,
            unit="seeds/CPU-s",
            floor=FLOORS.get((name, fidelity)),
            against=f"asyncio and httpx.ASGITransport, no server, no world: {alone:,.0f}" if name == "small" else "",
        )
