"""The programs under a nemesis, with clients whose history a checker judges."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Protocol

from kelpie_sim import nemesis
from kelpie_sim.check.linearizability import require_linearizable
from kelpie_sim.check.models import mutex
from kelpie_sim.check.models import register as register_model
from kelpie_sim.check.serializability import require_serializable
from kelpie_sim.nemesis import Nemesis, Options
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World
from kelpie_sim.world.network.laws import MS, Law, Uniform
from tests.sim.check.programs import lock, register, store
from tests.sim.check.programs.wire import Unreachable

NODES = ("n1", "n2", "n3")
CLIENTS = ("c1", "c2", "c3")
HARM = Options(kinds=(*nemesis.POWER, *nemesis.CUTS, *nemesis.CLOGS), phase_seconds=6, lasts_ms=(500, 3_000))

Boot = Callable[[str], Coroutine[object, object, None]]
Clients = Callable[[World, str, Stream], Coroutine[object, object, None]]


async def _rounds(world: World, nodes: tuple[str, ...], boot: Boot, client: Clients) -> None:
    """Run nodes and clients under harm, heal, and wait until the clients are done."""
    for name in nodes:
        world.host(name).start(partial(boot, name))
    demon = Nemesis(world, nodes, HARM, bystanders=CLIENTS)
    demon.start()
    tasks = [
        world.host(name).start(partial(client, world, name, world.streams.stream(f"workload/{name}")))
        for name in CLIENTS
    ]
    await world.sleep(8)
    await demon.heal_and_settle(
        lambda: all(task.done() for task in tasks), within_seconds=120, core=None if len(nodes) > 1 else 1
    )
    for task in tasks:
        task.result()


async def _pause(draw: Stream) -> None:
    # Mostly in quick succession, so that clients meet; now and then long enough to see the harm come and go.
    await asyncio.sleep((draw.between(200, 1_500) if draw.chance(0.2) else draw.between(1, 10)) / 1_000)


class Register(Protocol):
    """A register that several may reach, or may not."""

    async def read(self) -> object: ...
    async def write(self, value: str) -> object: ...


async def use(world: World, register: Register, process: str, value: str, *, reads: bool) -> None:
    """Read the register, or write the value, and record what came of it."""
    if reads:
        op = world.history.invoke(process, "read")
        try:
            op.ok(value=await register.read())
        except Unreachable as error:
            op.fail(error)
    else:
        op = world.history.invoke(process, "write", value=value)
        try:
            await register.write(value)
            op.ok()
        except Unreachable as error:
            op.info(error)


def register_run(way: str) -> Callable[[World], Awaitable[None]]:
    """Return a run of the register."""

    async def client(world: World, name: str, draw: Stream) -> None:
        access = register.Client(name, NODES, way)
        for number in range(16):
            await _pause(draw)
            await use(world, access, f"{name}/{number}", f"{name}.{number}", reads=draw.chance(0.7))

    async def run(world: World) -> None:
        # So slow, and so unevenly, that one client can see what another does not yet.
        world.network.obey(Law(latency=Uniform(1 * MS, 200 * MS)))
        disks: dict[str, register.Disk] = {name: {} for name in NODES}
        await _rounds(world, NODES, lambda name: register.node(disks[name]), client)
        require_linearizable(world.history.operations(), register_model())

    return run


def store_run(way: str) -> Callable[[World], Awaitable[None]]:
    """Return a run of the store."""

    async def client(world: World, name: str, draw: Stream) -> None:
        for number in range(8):
            await _pause(draw)
            base = 1_000 * (CLIENTS.index(name) + 1) + 10 * number
            steps: list[list[object]] = [
                ["read", "xy"[draw.below(2)]] if draw.chance(0.4) else ["append", "xy"[draw.below(2)], base + step]
                for step in range(3)
            ]
            op = world.history.invoke(f"{name}/{number}", "transaction", steps=steps)
            try:
                op.ok(steps=await store.transact("n1", steps))
            except store.Aborted as error:
                op.fail(error)
            except Unreachable as error:
                op.info(error)

    async def run(world: World) -> None:
        disk: store.Disk = {}
        await _rounds(world, NODES[:1], lambda name: store.node(disk, way), client)
        require_serializable(world.history.operations(), "list", strict=True)

    return run


def lock_run(way: str) -> Callable[[World], Awaitable[None]]:
    """Return a run of the lock."""

    async def client(world: World, name: str, draw: Stream) -> None:
        access = lock.Client(name, NODES, way)
        for _ in range(5):
            await _pause(draw)
            op = world.history.invoke(name, "acquire")
            if not await access.acquire():
                op.fail("refused")
                continue
            op.ok()
            await _pause(draw)
            async with world.history.operation(name, "release"):
                await access.release()

    async def run(world: World) -> None:
        disks: dict[str, lock.Disk] = {name: {} for name in NODES}
        await _rounds(world, NODES, lambda name: lock.node(disks[name]), client)
        require_linearizable(world.history.operations(), mutex())

    return run


def _scenario(name: str, run: Callable[[World], Awaitable[None]]) -> Scenario:
    return Scenario(name=name, run=run, seeds=50, step_limit=200_000)


RIGHT = (
    _scenario("register", register_run("")),
    _scenario("store", store_run("")),
    _scenario("lock", lock_run("")),
)
WRONG = (
    _scenario("register-stale", register_run("stale")),
    _scenario("register-hasty", register_run("hasty")),
    _scenario("store-racy", store_run("racy")),
    _scenario("store-dirty", store_run("dirty")),
    _scenario("lock-hopeful", lock_run("hopeful")),
    _scenario("lock-stubborn", lock_run("stubborn")),
)
SCENARIOS = (*RIGHT, *WRONG)
