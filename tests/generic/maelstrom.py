"""Programs after Maelstrom's workloads, under faults, each with its law and with one way in which it may be wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import cast

from kelpie_sim.check.serializability import require_serializable
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World
from kelpie_sim.world.disk import faults as disk
from kelpie_sim.world.machine import ClockJump, HostCrash, HostPause
from kelpie_sim.world.network import faults as net
from kelpie_sim.world.network.laws import MS, Law, Uniform
from tests.generic import broadcast, counters, ids, topics
from tests.generic.common import OFTEN, SELDOM, STEPWISE, Chances, Run, keep_up, run_out
from tests.sim.check.programs.wire import Document, Unreachable, call

NODES = ("n1", "n2", "n3")
LINE = ("n1", "n2", "n3", "n4")
CLIENTS = ("c1", "c2")
REQUESTS = 15
Asking = Callable[[str, Stream], Awaitable[None]]


def network_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what networks do, and nodes that stand still; nobody forgets anything."""
    chances = Chances(swarm)
    yield from chances.all((net.NetworkReset, net.NetworkPacketLoss, net.NetworkJitter, net.NetworkConnectFail))
    yield chances.of(net.NetworkDelay, OFTEN, delay_ms=1_500)
    yield chances.of(net.NetworkPartition, SELDOM, duration_ms=2_000)
    yield chances.of(net.NetworkClog, SELDOM, duration_ms=2_000)
    yield chances.of(HostPause, STEPWISE, hosts=LINE, pause_ms=1_500)


async def clients_run(world: World, ask: Asking) -> None:
    """Let each client ask some times under faults, then heal."""
    if world.swarm.flag("uneven"):
        world.network.obey(Law(latency=Uniform(1 * MS, 100 * MS)))

    async def client(name: str) -> None:
        draw = world.streams.stream(f"workload/{name}")
        for number in range(REQUESTS):
            await asyncio.sleep(draw.between(1, 500 if draw.chance(0.3) else 20) / 1_000)
            await ask(f"{name}/{number}", draw)

    await run_out(world, [world.host(name).start(partial(client, name)) for name in CLIENTS])


async def recorded(world: World, process: str, node: str, document: Document) -> Document | None:
    """Ask a node and record it; None if nobody knows whether it was heard."""
    op = world.history.invoke(process, document["do"], **{key: document[key] for key in document if key != "do"})
    try:
        answer = await call(node, document)
    except Unreachable as error:
        op.info(error)
        return None
    op.ok(**answer)
    return answer


# --- unique ids


def ids_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what makes a node begin again, and clocks that jump."""
    chances = Chances(swarm)
    yield chances.of(HostCrash, (0.002, 0.01), hosts=NODES, restart_ms=200)
    yield chances.of(disk.DiskCrash, (0.0, 0.05), when="during")
    yield chances.of(disk.DiskSyncFail, SELDOM)
    yield chances.of(ClockJump, STEPWISE, hosts=NODES, jump_ms_max=5_000)
    yield chances.of(net.NetworkDelay)


def ids_run(way: str) -> Run:
    """Return a run of the ids: none is given out twice."""

    async def run(world: World) -> None:
        for name in NODES:
            host = world.host(name)
            world.disk(host)
            keep_up(world, host, 0.2)
            host.start(partial(ids.node, name, way))

        async def ask(process: str, draw: Stream) -> None:
            await recorded(world, process, draw.pick(NODES), {"do": "generate"})

        await clients_run(world, ask)
        given = [str(op.result["id"]) for op in world.history.of("generate", "ok")]
        twice = sorted({each for each in given if given.count(each) > 1})
        world.check(not twice, f"each id is given out once: {twice}")

    return run


# --- a counter


def counters_faults(swarm: Swarm) -> Iterator[Fault]:
    """Return what networks do, to datagrams too."""
    yield from network_faults(swarm)
    yield from Chances(swarm).all((net.NetworkMessageDuplicate, net.NetworkMessageReorder))


def counters_run(way: str) -> Run:
    """Return a run of the counter: in the end each node counts each amount once."""

    async def run(world: World) -> None:
        for name in NODES:
            others = tuple(other for other in NODES if other != name)
            world.host(name).start(partial(counters.node, counters.Counter(name, way), others))

        async def ask(process: str, draw: Stream) -> None:
            amount = draw.between(1, 999) * draw.pick((1, -1))
            await recorded(world, process, draw.pick(NODES), {"do": "add", "amount": amount})

        await clients_run(world, ask)
        await world.sleep(20 * counters.TELL_SECONDS)
        values = [(await call(name, {"do": "read"}))["value"] for name in NODES]
        agreed = len(set(values)) == 1 and values[0] in possible_sums(world)
        world.check(agreed, f"each amount is counted once by each node: {values}")

    return run


def possible_sums(world: World) -> set[int]:
    """Return what the amounts may come to: those of which nobody knows count or do not."""
    sums = {0}
    for op in world.history.of("add"):
        amount = op.arguments["amount"]
        assert isinstance(amount, int), "amounts are whole numbers"
        added = {known + amount for known in sums}
        sums = added if op.outcome == "ok" else sums | added
    return sums


# --- a broadcast


def broadcast_run(way: str) -> Run:
    """Return a run of the broadcast: what was acknowledged gets everywhere, and nothing else."""

    async def run(world: World) -> None:
        nodes = []
        for place, name in enumerate(LINE):
            neighbours = LINE[max(place - 1, 0) : place] + LINE[place + 1 : place + 2]
            nodes.append(broadcast.Node(name, neighbours, way))
            world.host(name).start(nodes[-1].main)
        numbers = iter(range(REQUESTS * len(CLIENTS)))

        async def ask(process: str, draw: Stream) -> None:
            await recorded(world, process, draw.pick(LINE), {"do": "tell", "messages": [next(numbers)]})

        await clients_run(world, ask)
        acknowledged = {
            message for op in world.history.of("tell", "ok") for message in cast(list[int], op.arguments["messages"])
        }
        invented = {message for node in nodes for message in node.heard} - set(range(REQUESTS * len(CLIENTS)))
        world.check(not invented, f"no message is made up: {sorted(invented)}")
        await world.settle(
            lambda: all(acknowledged <= node.heard.keys() for node in nodes),
            within_seconds=60,
            what="what was acknowledged is everywhere",
        )

    return run


# --- logs by key


def topics_run(way: str) -> Run:
    """Return a run of the logs: readers agree on the order of each."""

    async def run(world: World) -> None:
        leader, *followers = NODES
        world.host(leader).start(topics.Leader(tuple(followers)).main)
        for name in followers:
            world.host(name).start(topics.Follower(way).main)

        async def ask(process: str, draw: Stream) -> None:
            key, sends = draw.pick(("k1", "k2")), draw.chance(0.5)
            node = leader if sends else draw.pick(NODES)
            document = {"do": "send", "key": key, "record": process} if sends else {"do": "read", "key": key}
            op = world.history.invoke(process, "transaction", steps=(asked_step(document),))
            try:
                answer = await call(node, document)
            except Unreachable as error:
                op.info(error)
            else:
                op.ok(steps=((*asked_step(document), *([] if sends else [tuple(answer["records"])])),))

        await clients_run(world, ask)
        require_serializable(world.history.operations(), "list")

    return run


def asked_step(document: Document) -> tuple[str, ...]:
    """Return what the checker calls a request."""
    if document["do"] == "send":
        return "append", document["key"], document["record"]
    return "read", document["key"]


# --- the scenarios


def ids_scenario(way: str = "") -> Scenario:
    """Return the ids."""
    return Scenario(
        name=f"ids{way and '-'}{way}",
        run=ids_run(way),
        faults=lambda swarm: tuple(ids_faults(swarm)),
        seeds=80,
        doc="ids that nobody has to be asked for, on nodes that begin again: each is given out once",
    )


def counters_scenario(way: str = "") -> Scenario:
    """Return the counter."""
    return Scenario(
        name=f"counters{way and '-'}{way}",
        run=counters_run(way),
        faults=lambda swarm: tuple(counters_faults(swarm)),
        sometimes=("what was told was old",),
        seeds=80,
        doc="a counter that goes up and down on several nodes, told by gossip: each amount counts once",
    )


def broadcast_scenario(way: str = "") -> Scenario:
    """Return the broadcast."""
    return Scenario(
        name=f"broadcast{way and '-'}{way}",
        run=broadcast_run(way),
        faults=lambda swarm: tuple(network_faults(swarm)),
        sometimes=("a message was heard again", "a neighbour was told again"),
        seeds=80,
        doc="messages along a line of nodes: what was acknowledged gets everywhere",
    )


def topics_scenario(way: str = "") -> Scenario:
    """Return the logs by key."""
    return Scenario(
        name=f"topics{way and '-'}{way}",
        run=topics_run(way),
        faults=lambda swarm: tuple(network_faults(swarm)),
        sometimes=("a record came early", "a follower was told again"),
        seeds=80,
        doc="logs by key on a leader and its followers: readers agree on the order of each",
    )


SCENARIOS = (ids_scenario(), counters_scenario(), broadcast_scenario(), topics_scenario())
