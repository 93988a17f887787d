"""Messages without bytes: the laws and faults of TCP, without its parts."""

import asyncio
import errno

import pytest

from kelpie_sim.world.network import Law
from kelpie_sim.world.network.faults import (
    NetworkClog,
    NetworkConnectFail,
    NetworkDelay,
    NetworkPacketLoss,
    NetworkPartition,
    NetworkReset,
)
from tests.sim.world.network.wires import STEADY, World


def travelled(world, trouble=None, **options):
    """Return when a message that leaves at 1 s arrives, or what its sender is told and when."""

    async def main():
        world.host("b").start(asyncio.Event().wait)
        await asyncio.sleep(1)
        if trouble is not None:
            trouble()
        try:
            await world.network.travel("a", "b", "request", 100, **options)
        except OSError as error:
            return error.errno, round(world.loop.time(), 2)
        return round(world.loop.time(), 2)

    return world.run(main())


def test_latency_and_bandwidth():
    """A message takes the latency of its link, and as long as its size needs."""
    assert 1.01 == travelled(World())
    assert 2.01 == travelled(World(law=Law(latency=STEADY.latency, bytes_per_second=100)))


def test_trace():
    """A message is on the trace as any packet."""
    world = World(keep=True)
    travelled(world)
    lines = [line.split(": ")[1] for line in world.trace.lines() if ": net " in line]
    assert ["net send 1 'a' 'b' 'request' 100 b''", "net deliver 1"] == lines


def test_partition():
    """A message over a cut link arrives after the heal; one that never gets through is given up."""
    world = World()

    def cut_for_a_second():
        world.network.partition("a", "b")
        world.loop.call_later(1, world.network.heal)

    assert 2.41 == travelled(world, cut_for_a_second)
    world = World()
    assert (errno.ETIMEDOUT, 463.21) == travelled(world, lambda: world.network.partition("a", "b"))


def test_host_that_is_down_or_another():
    """A dead receiver is waited for; one that lives again has forgotten its connections, and knows new ones."""
    world = World()
    assert (errno.ETIMEDOUT, 463.21) == travelled(world, world.host("b").crash)
    world = World()
    assert (errno.ECONNRESET, 1.01) == travelled(world, world.host("b").restart, incarnation=1)
    world = World()
    assert 1.01 == travelled(world, world.host("b").restart, incarnation=2)


def test_law_of_loss():
    """A lost message is sent again."""
    assert 1.21 == travelled(World(law=Law(latency=STEADY.latency, loss=1.0)))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (NetworkDelay(on="send", delay_ms=500), 1.51),
        (NetworkPacketLoss(on="send"), 1.21),
        (NetworkClog(on="send", duration_ms=700), 1.7),
        (NetworkPartition(on="send", duration_ms=300), 1.61),
        (NetworkReset(on="send"), (errno.ECONNRESET, 1.0)),
        (NetworkReset(on="deliver"), (errno.ECONNRESET, 1.01)),
    ],
)
def test_faults(fault, expected):
    """Each fault that acts on messages shows in when one arrives, or in what its sender is told."""
    world = World(fault)
    assert (expected, {fault.kind: 1}) == (travelled(world), world.fired())


def reached(world, name="b"):
    """Return what answers a connection without bytes, and when."""

    async def main():
        world.host("b").start(asyncio.Event().wait)
        world.host("down")
        world.host("ended").start(asyncio.Event().wait)
        world.hosts["ended"].exit(SystemExit(1))
        try:
            return await world.network.reach("a", name), round(world.loop.time(), 2)
        except OSError as error:
            return error.errno, round(world.loop.time(), 2)

    return world.run(main())


def test_reach():
    """A host that is up answers with its incarnation; a dead one is silent, an ended process refuses."""
    assert [(1, 0.02), (errno.ETIMEDOUT, 127.0), (errno.ECONNREFUSED, 0.02), (errno.EHOSTUNREACH, 0.0)] == [
        reached(World(), name) for name in ("b", "down", "ended", "10.7.7.7")
    ]


def test_reach_with_faults():
    """The faults of `connect` act here too."""
    world = World(NetworkConnectFail())
    assert ((errno.ECONNREFUSED, 0.0), {"NetworkConnectFail": 1}) == (reached(world), world.fired())
