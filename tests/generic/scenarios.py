"""The programs under faults, each with its law, and with one way after another in which it may be wrong.

Every kind of fault that the engine's own ports have strikes in one of them. Their rates are drawn by the seed, so that
most runs have few kinds, and each kind is sometimes frequent.
"""

import asyncio
import json
from collections.abc import Iterator
from functools import partial

import attrs

from kelpie_sim import nemesis
from kelpie_sim.check.linearizability import require_linearizable
from kelpie_sim.check.models import register as register_model
from kelpie_sim.faults import Fault
from kelpie_sim.nemesis import Nemesis, Options
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World
from kelpie_sim.world.disk import faults as disk
from kelpie_sim.world.gateway import (
    Gateway,
    HttpAnswerLost,
    HttpRateLimited,
    HttpResponseTooLarge,
    HttpServerError,
    HttpTimeout,
)
from kelpie_sim.world.http import HttpService
from kelpie_sim.world.machine import (
    ClockDrift,
    ClockJump,
    ClockSkew,
    CpuStarvation,
    DescriptorExhaustion,
    HostCrash,
    HostPause,
    OutOfMemory,
)
from kelpie_sim.world.network import faults as net
from kelpie_sim.world.network.laws import MS, Law, Uniform
from tests.generic import leases, log, maelstrom, payments, replicas, sums
from tests.generic.common import OFTEN, SELDOM, STEPWISE, Chances, Run, keep_up, run_out
from tests.sim.check.programs.scenarios import use
from tests.sim.check.programs.wire import Document, Unreachable, call

# --- a log on a disk

LOG_CLIENTS = ("c1", "c2")
APPENDS = 6


def log_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what an honest disk and its machine do, and the network between."""
    chances = Chances(swarm)
    yield from chances.all((disk.DiskReadFail, disk.DiskWriteFail, disk.DiskShortRead, disk.DiskShortWrite), SELDOM)
    yield chances.of(disk.DiskSpaceFull, (0.0, 0.02, 0.1))
    yield chances.of(disk.DiskSyncFail, (0.0, 0.0, 0.02, 0.1))
    yield chances.of(disk.DiskTornWrite, (0.5, 0.9))
    yield chances.of(disk.DiskLatency, OFTEN, latency_ms=300)
    yield chances.of(disk.DiskStuck, SELDOM, stuck_ms=3_000)
    for when in ("before", "during", "after"):
        yield chances.of(disk.DiskCrash, (0.0, 0.0, 0.01, 0.05), when=when)
    yield chances.of(HostCrash, STEPWISE, hosts=("log",))
    yield chances.of(DescriptorExhaustion, SELDOM)
    yield from chances.all(
        (net.NetworkReset, net.NetworkPartialDelivery, net.NetworkDrip, net.NetworkConnectionExhaustion)
    )


def lying_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what a disk does that lies: what it says is safe is not, and what it gives is something else."""
    chances = Chances(swarm)
    yield from chances.all(
        (disk.DiskLostSync, disk.DiskLostWrite, disk.DiskMisdirectedWrite, disk.DiskMisdirectedRead), (0.0, 0.02, 0.1)
    )
    yield chances.of(disk.DiskCorruption, (0.0, 0.05, 0.2), place="read")
    yield chances.of(disk.DiskCorruption, (0.0, 0.01, 0.05), place="medium")
    yield chances.of(disk.DiskReadFail, SELDOM, lasting=True)
    yield chances.of(disk.DiskCrash, SELDOM, when="during")


def text_of(name: str) -> str:
    """Return what is appended under a name: longer than a sector, and unlike any other."""
    return f"{name}." * 150


async def appending(client: str, places: dict[str, int]) -> None:
    """Append records one after the other, each until it has a place."""
    for number in range(APPENDS):
        name = f"{client}/{number}"
        answer = await asked({"do": "append", "name": name, "text": text_of(name)})
        while "place" not in answer:
            await asyncio.sleep(0.3)
            answer = await asked({"do": "append", "name": name, "text": text_of(name)})
        places[name] = answer["place"]
        await asyncio.sleep(0.2)


async def asked(document: Document) -> Document:
    """Return what the log answers, nothing if nobody does."""
    try:
        return await call("log", document)
    except Unreachable:
        return {}


async def records(world: World) -> dict[int, str]:
    """Read the log: what is at each place that can be read."""
    while "count" not in (answer := await asked({"do": "count"})):
        await world.sleep(0.3)
    found = {place: await asked({"do": "read", "place": place}) for place in range(answer["count"])}
    return {place: answer["record"] for place, answer in found.items() if "record" in answer}


def log_run(way: str, *, lies: bool) -> Run:
    """Return a run of the log: what is acknowledged is there, whole and once; or, on a disk that lies, what is given
    out is what was appended."""

    async def run(world: World) -> None:
        server = world.host("log")
        world.disk(server)
        keep_up(world, server)
        server.start(partial(log.main, way))
        places: dict[str, int] = {}
        reader = asyncio.ensure_future(reading(world, lies))
        await run_out(world, [world.host(name).start(partial(appending, name, places)) for name in LOG_CLIENTS])
        reader.cancel()
        # What is not safe by now never will be.
        server.restart()
        found = await records(world)
        if lies:
            check_unspoilt(world, found)
        else:
            check_kept(world, places, found)

    return run


async def reading(world: World, lies: bool) -> None:
    """Read the log again and again."""
    while lies:
        await world.sleep(1.0)
        check_unspoilt(world, await records(world))


def check_unspoilt(world: World, found: dict[int, str]) -> None:
    """Check that each record is what was appended."""
    appended = {f"{name}={text_of(name)}" for client in LOG_CLIENTS for name in names_of(client)}
    for place, record in sorted(found.items()):
        world.check(record in appended, f"a record is what was appended: {place} begins with {record[:20]!r}")


def names_of(client: str) -> list[str]:
    """Return the names of the appends of a client."""
    return [f"{client}/{number}" for number in range(APPENDS)]


def check_kept(world: World, places: dict[str, int], found: dict[int, str]) -> None:
    """Check that each acknowledged record is at its place, and that there is nothing else."""
    expected = {place: f"{name}={text_of(name)}" for name, place in places.items()}
    wrong = [place for place in sorted(expected.keys() | found) if expected.get(place) != found.get(place)]
    once = len(expected) == len(places)
    world.check(once and not wrong, f"what is acknowledged is there, once: {sorted(places.items())}, wrong at {wrong}")


# --- sums over UDP

SENDERS = ("s1", "s2")


def sums_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what becomes of datagrams, and machines that stand still."""
    chances = Chances(swarm)
    yield from chances.all((net.NetworkMessageDuplicate, net.NetworkMessageReorder, net.NetworkPacketCorruption))
    yield from chances.all((net.NetworkPacketLoss, net.NetworkDelay, net.NetworkJitter))
    yield chances.of(net.NetworkPartition, SELDOM, duration_ms=2_000)
    yield chances.of(net.NetworkClog, SELDOM, duration_ms=2_000)
    yield chances.of(HostPause, STEPWISE, pause_ms=1_500)


def sums_run(way: str) -> Run:
    """Return a run of the sums: in the end each is what its sender added."""

    async def run(world: World) -> None:
        keeper = sums.Keeper(way)
        world.host("keeper").start(partial(sums.keep, keeper))
        draw = world.streams.stream("workload")
        amounts = {name: [draw.between(10_000, 99_999) for _ in range(20)] for name in SENDERS}
        await run_out(world, [world.host(name).start(partial(sums.add, name, amounts[name], way)) for name in SENDERS])
        expected = {name: sum(added) for name, added in amounts.items()}
        world.check(expected == keeper.sums, f"each amount is added once: {expected} and {keeper.sums}")

    return run


# --- transfers over HTTP

PAYERS = ("p1", "p2")
TRANSFERS = 4


def payments_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what gateways, resolvers and connections do."""
    chances = Chances(swarm)
    yield from chances.all((HttpServerError, HttpRateLimited, HttpTimeout, HttpAnswerLost, HttpResponseTooLarge))
    yield chances.of(net.DnsFail)
    yield chances.of(net.DnsSlow, delay_ms=3_000)
    yield chances.of(net.NetworkConnectFail)
    yield chances.of(net.NetworkConnectTimeout)
    yield from chances.all((net.NetworkReset, net.NetworkPacketLoss, net.NetworkDelay, net.NetworkPartition), SELDOM)
    yield chances.of(HostCrash, STEPWISE, hosts=("bank",))


def payments_run(way: str) -> Run:
    """Return a run of the transfers: each that was asked for is made once."""

    async def run(world: World) -> None:
        books, bank = payments.Books(), world.host("bank")
        service = HttpService(
            world.network,
            bank,
            lambda: Gateway(payments.make_app(books, way), world.faults, bank),
            fidelity="tcp" if world.swarm.flag("tcp") else "message",
        )
        service.boot()
        await run_out(world, [world.host(name).start(partial(paying, service, name)) for name in PAYERS])
        expected = sorted(f"{name}/{number}" for name in PAYERS for number in range(TRANSFERS))
        world.check(expected == sorted(books.made), f"each transfer is made once: {books.made}")

    return run


async def paying(service: HttpService, name: str) -> None:
    """Make some transfers."""
    async with service.client(timeout=2.0) as client:
        for number in range(TRANSFERS):
            await payments.pay(client, f"{name}/{number}", name, number)
            await asyncio.sleep(1.0)


# --- a lease by wrong clocks

WORKERS = ("w1", "w2", "w3")


def leases_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what machines and their clocks do."""
    chances = Chances(swarm)
    machines = ("office", *WORKERS)
    yield from chances.all((ClockSkew, ClockDrift), (0.0, 0.5), hosts=machines)
    yield chances.of(ClockJump, STEPWISE, hosts=machines, jump_ms_max=10_000)
    yield chances.of(HostPause, (0.0, 0.002, 0.01), hosts=machines, pause_ms=5_000)
    yield chances.of(HostCrash, STEPWISE, hosts=machines)
    yield chances.of(CpuStarvation, STEPWISE, hosts=machines, step_us=200_000)
    yield chances.of(OutOfMemory, STEPWISE, hosts=machines, kill=True)
    yield chances.of(OutOfMemory, hosts=WORKERS)
    yield chances.of(DescriptorExhaustion, (0.0, 0.02, 0.1))


def leases_run(way: str) -> Run:
    """Return a run of the lease: no change of the number is lost, and in the end each worker gets its turn."""

    async def run(world: World) -> None:
        world.disk(world.host("office"))
        kept, done = leases.Store(way), list[str]()
        world.host("office").start(partial(leases.office, way))
        world.host("store").start(partial(leases.store, kept))
        for name in WORKERS:
            world.host(name).start(partial(leases.work, name, done))
        await world.sleep(30)
        world.heal()
        done.clear()
        await world.settle(lambda: set(done) == set(WORKERS), within_seconds=300, what="each worker gets its turn")
        written = [number for _, number in kept.changes]
        world.check(written == list(range(1, len(written) + 1)), f"no change is lost: {kept.changes}")

    return run


# --- a register on three disks

NODES = ("n1", "n2", "n3")
REGISTER_CLIENTS = ("c1", "c2")
HARM = Options(phase_seconds=6, harms_max=8, lasts_ms=(500, 2_000))


def replicas_run(way: str) -> Run:
    """Return a run of the register under a nemesis: it is linearizable, and settles when a core is healed."""

    async def run(world: World) -> None:
        if world.swarm.flag("uneven"):
            world.network.obey(Law(latency=Uniform(1 * MS, 100 * MS)))
        for name in NODES:
            install(world, name)
            others = tuple(other for other in NODES if other != name)
            world.host(name).start(partial(replicas.node, others, way))
        # A few kinds of harm per run, so that they meet more often; and often the loss of a disk.
        rates = {**dict.fromkeys((*nemesis.KINDS, *nemesis.GRAVE), 0.3), nemesis.REFORMAT: 0.8}
        kinds = tuple(kind for kind, rate in rates.items() if world.swarm.flag(kind, rate))
        demon = Nemesis(world, NODES, attrs.evolve(HARM, kinds=kinds), bystanders=REGISTER_CLIENTS)
        demon.start()
        tasks = [
            world.host(name).start(partial(using, world, name, world.streams.stream(f"workload/{name}")))
            for name in REGISTER_CLIENTS
        ]
        await world.sleep(9)
        # Who has lost its disk needs all others to learn from.
        core = len(NODES) if nemesis.REFORMAT in demon.done else None
        await demon.heal_and_settle(lambda: all(task.done() for task in tasks), within_seconds=120, core=core)
        for task in tasks:
            task.result()
        require_linearizable(world.history.operations(), register_model())

    return run


def install(world: World, name: str) -> None:
    """Put what a new node needs on its disk."""
    file = world.disk(world.host(name)).open(replicas.PATH, create=True)
    file.write_at(0, json.dumps(replicas.NOTHING).encode())
    file.sync()


async def using(world: World, name: str, draw: Stream) -> None:
    """Read and write the register, some times."""
    access = replicas.Client(name, NODES)
    for number in range(16):
        await asyncio.sleep(draw.between(1, 800 if draw.chance(0.5) else 20) / 1_000)
        await use(world, access, f"{name}/{number}", f"{name}.{number}", reads=draw.chance(0.5))


def replicas_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what the nemesis leaves out: power that fails in the middle of a write."""
    yield Chances(swarm).of(disk.DiskCrash, SELDOM, hosts=NODES, when="during")


# --- the scenarios


def log_scenario(way: str = "") -> Scenario:
    """Return the log on an honest disk."""
    return Scenario(
        name=f"log{way and '-'}{way}",
        run=log_run(way, lies=False),
        faults=lambda swarm: tuple(log_faults(swarm)),
        sometimes=(
            "an unfinished record was cut off",
            "a record was right at another try",
            "a write took a part",
            "an append was repeated",
            "a sync failed",
            "there was no room",
        ),
        seeds=80,
        doc="an append-only log on a disk that fails, tears, fills up and is slow: what is acknowledged is kept",
    )


def lies_scenario(way: str = "") -> Scenario:
    """Return the log on a disk that lies."""
    return Scenario(
        name=f"lies{way and '-'}{way}",
        run=log_run(way, lies=True),
        faults=lambda swarm: tuple(lying_faults(swarm)),
        sometimes=("damage was noticed", "a record was right at another try"),
        seeds=80,
        doc="the same log on a disk that loses, misdirects and corrupts: what is given out is what was appended",
    )


def sums_scenario(way: str = "") -> Scenario:
    """Return the sums."""
    return Scenario(
        name=f"sums{way and '-'}{way}",
        run=sums_run(way),
        faults=lambda swarm: tuple(sums_faults(swarm)),
        sometimes=(
            "a damaged datagram was dropped",
            "a datagram came again",
            "a datagram came early",
            "datagrams were sent again",
        ),
        seeds=80,
        doc="sums over UDP that loses, doubles, reorders and damages: each amount is added once",
    )


def payments_scenario(way: str = "") -> Scenario:
    """Return the transfers."""
    return Scenario(
        name=f"payments{way and '-'}{way}",
        run=payments_run(way),
        faults=lambda swarm: tuple(payments_faults(swarm)),
        sometimes=(
            "a transfer was asked for again",
            "a request was lost",
            "nobody answered in time",
            "the service was busy",
            "the gateway failed",
            "an answer was too large",
        ),
        seeds=80,
        doc="transfers over HTTP through a gateway that fails: each is made once",
    )


def leases_scenario(way: str = "") -> Scenario:
    """Return the lease."""
    return Scenario(
        name=f"leases{way and '-'}{way}",
        run=leases_run(way),
        faults=lambda swarm: tuple(leases_faults(swarm)),
        sometimes=(
            "the fence kept a late worker out",
            "a lease ran out at work",
            "there was no memory for a task",
            "the office could not open its file",
        ),
        seeds=80,
        doc="a lease by clocks that are wrong, on machines that stand still: no change is lost",
    )


def replicas_scenario(way: str = "") -> Scenario:
    """Return the register."""
    return Scenario(
        name=f"replicas{way and '-'}{way}",
        run=replicas_run(way),
        faults=lambda swarm: tuple(replicas_faults(swarm)),
        sometimes=("a node learnt from the others",),
        seeds=60,
        doc="a register on three disks, one of which may be lost: linearizable, and it settles",
    )


SCENARIOS = (
    log_scenario(),
    lies_scenario(),
    sums_scenario(),
    payments_scenario(),
    leases_scenario(),
    replicas_scenario(),
    *maelstrom.SCENARIOS,
)
