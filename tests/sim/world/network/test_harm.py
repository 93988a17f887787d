"""The faults of the network bite: each shows in what arrives and when, and counts as fired only then."""

import asyncio
import errno
from typing import Any

import pytest

from kelpie_sim.world.network.faults import (
    NetworkClog,
    NetworkDelay,
    NetworkDrip,
    NetworkJitter,
    NetworkPacketLoss,
    NetworkPartialDelivery,
    NetworkPartition,
    NetworkReset,
)
from tests.sim.world.network.wires import Recorder, World, collecting


class Timed(Recorder):
    """A protocol that writes down when things come."""

    def data_received(self, data):
        """Bytes have come."""
        self.calls.append((round(asyncio.get_running_loop().time(), 3), data))


def written(world, *pieces, seconds=30.0):
    """Return what a server sees of bytes that are written from the second 1 on, and the error of the client."""
    ends: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(ends, Timed))
        transport, client = await world.on("client", world.loop.create_connection(Recorder, "server", 80))
        await asyncio.sleep(1 - world.loop.time())
        for piece in pieces:
            transport.write(piece)
        await asyncio.sleep(seconds)
        return client.lost.result() if client.lost.done() else "open"

    error = world.run(main())
    return [call for call in ends[0].calls if call != "made"], error


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (NetworkDelay(on="send", delay_ms=500, max_triggers=1), [(1.51, b"abcd")]),
        (NetworkPacketLoss(on="send", max_triggers=1), [(1.21, b"abcd")]),
        (NetworkClog(on="send", duration_ms=700, max_triggers=1), [(1.7, b"abcd")]),
        (NetworkPartition(on="send", duration_ms=300, max_triggers=1), [(1.61, b"abcd")]),
        (NetworkPartition(on="send", duration_ms=300, one_way=True, max_triggers=1), [(1.61, b"abcd")]),
        (NetworkDrip(chunk_bytes=1, gap_ms=100), [(1.01, b"a"), (1.11, b"b"), (1.21, b"c"), (1.31, b"d")]),
        (NetworkDrip(chunk_bytes=3, gap_ms=100), [(1.01, b"ab"), (1.11, b"cd")]),
    ],
)
def test_late_and_in_pieces(fault, expected):
    """What a fault delays, loses or cuts arrives all the same, later or in pieces."""
    world = World(fault)
    assert ((expected, "open"), {fault.kind: 1}) == (written(world, b"abcd"), world.fired())


def test_what_follows_stays_behind():
    """A delay holds back what is written later on the same connection."""
    world = World(NetworkDelay(on="send", delay_ms=500, max_triggers=1))
    assert ([(1.51, b"abcd")], "open") == written(world, b"ab", b"cd")


def test_delay_behind_a_greater_one_changes_nothing():
    """A fault that makes nothing later than it is anyway has not fired."""
    first = NetworkDelay(on="send", delay_ms=500, max_triggers=1)
    second = NetworkPacketLoss(on="send", after=1, max_triggers=1)
    world = World(first, second)
    written(world, b"ab", b"cd")
    assert {"NetworkDelay": 1, "NetworkPacketLoss": 0} == world.fired()


def test_partial_delivery():
    """A write arrives in two pieces with a gap between them; one byte cannot be cut."""
    world = World(NetworkPartialDelivery(gap_ms=200))
    (first_at, first), (second_at, second) = written(world, b"abcd", b"e")[0]
    assert (1.01, 1.21, b"abcde", {"NetworkPartialDelivery": 1}) == (first_at, second_at, first + second, world.fired())


def test_drip_of_a_short_write():
    """A write that fits into one piece is not changed, and the fault has not fired."""
    world = World(NetworkDrip(chunk_bytes=4))
    assert (([(1.01, b"abcd")], "open"), {"NetworkDrip": 0}) == (written(world, b"abcd"), world.fired())


def test_jitter():
    """Jitter delays by a drawn time, each packet anew."""
    world = World(NetworkJitter(on="send", jitter_ms_max=300))
    (at, data), *rest = written(world, b"a")[0]
    assert (b"a", [], True) == (data, rest, 1.01 <= at <= 1.31)


def test_reset_at_send():
    """A reset at `send` loses the bytes and breaks both ends."""
    world = World(NetworkReset(on="send", max_triggers=1))
    seen, error = written(world, b"abcd")
    assert (["lost"], errno.ECONNRESET, {"NetworkReset": 1}) == (seen, error.errno, world.fired())


def test_nothing_of_a_stream_follows_a_reset():
    """What is written in the same step as the bytes that a reset took is lost with them, and so is the end."""
    world = World(NetworkReset(on="send", max_triggers=1))
    ends: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(ends, Recorder))
        transport, client = await world.on("client", world.loop.create_connection(Recorder, "server", 80))
        await asyncio.sleep(1)
        transport.write(b"lost")
        transport.write(b"not in the middle")
        transport.write_eof()
        return (await client.lost).errno, (await ends[0].lost).errno

    assert (errno.ECONNRESET, errno.ECONNRESET) == world.run(main())
    assert ["made", "lost"] == ends[0].calls


def test_reset_at_deliver():
    """A reset at `deliver` loses the bytes that were about to arrive, and breaks both ends."""
    world = World(NetworkReset(on="deliver", hosts=("server",), after=1, max_triggers=1))
    ends: list[Any] = []

    async def main():
        world.serve_protocol("server", collecting(ends, Timed))
        transport, client = await world.on("client", world.loop.create_connection(Recorder, "server", 80))
        for piece in (b"one", b"two"):
            transport.write(piece)
            await asyncio.sleep(1)
        return (await client.lost).errno, (await ends[0].lost).errno

    assert (errno.ECONNRESET, errno.ECONNRESET) == world.run(main())
    assert [(0.03, b"one")] == ends[0].calls[1:-1]


@pytest.mark.parametrize("fault", [NetworkPartition(on="send"), NetworkClog(on="send")])
def test_loopback_cannot_be_cut(fault):
    """A host cannot be cut off from itself, and no fault counts as fired for it."""
    world = World(fault)

    async def main():
        ends: list[Any] = []
        world.serve_protocol("server", collecting(ends, Recorder))
        transport, _ = await world.on("server", world.loop.create_connection(Recorder, "localhost", 80))
        transport.write(b"x")
        await asyncio.sleep(1)
        return ends[0].received

    assert (b"x", {fault.kind: 0}) == (world.run(main()), world.fired())


def test_filters_on_hosts_and_subjects():
    """A fault can be limited to who sends and to whom."""
    world = World(
        NetworkReset(on="send", hosts=("server",)),
        NetworkReset(on="send", subjects=("client",)),
    )
    assert ([(1.01, b"abcd")], "open") == written(world, b"abcd")
    assert {"NetworkReset": 0} == world.fired()


def test_same_faults_same_digest():
    """A run with faults that draw is the same each time."""

    def digest(seed):
        world = World(NetworkJitter(probability=0.5), NetworkPartialDelivery(probability=0.5), seed=seed)
        written(world, b"abcd", b"efgh", b"ijkl")
        return world.trace.digest()

    assert (digest(1), True) == (digest(1), digest(1) != digest(2))
