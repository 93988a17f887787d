"""Pipes: one direction of a connection, below the transports."""

import asyncio
import errno
from contextvars import Context

import pytest

from kelpie_sim.world.network.pipes import EOF, Pipe, retry_ns
from tests.sim.world.network.wires import MS, World


class End:
    """An end of a pipe that writes down what becomes of it."""

    def __init__(self, loop):
        self.loop = loop
        self.alive = True
        self.context = Context()
        self.seen = []

    def receive(self, data):
        """Something has come."""
        self.seen.append((self.loop.time_ns // MS, data))

    def window_opened(self):
        """The receiver has taken something."""
        self.seen.append((self.loop.time_ns // MS, "room"))

    def connection_broke(self, error):
        """The connection is broken."""
        self.seen.append((self.loop.time_ns // MS, error.errno))


class Everything:
    """A stream that draws the most there is."""

    def below(self, bound):
        """Return the last choice."""
        return bound - 1


def with_pipe(act, seconds=1_000, **options):
    """Return what both ends of a pipe see after `act`; the latency is 10 ms."""
    world = World(**options)
    sender, receiver = End(world.loop), End(world.loop)

    async def main():
        medium = world.network._medium
        world.host("b").start(asyncio.Event().wait)
        pipe = Pipe(medium, medium.link("a", "b"), sender, receiver, receiver.context, "tcp")
        act(pipe, world)
        await medium.until(seconds * 1_000 * MS)
        return pipe.in_flight

    in_flight = world.run(main())
    return sender.seen, receiver.seen, in_flight


def test_arrives_in_order_and_whole():
    """What is put in comes out after the latency; what is there is read at once, up to the end of the stream."""

    def act(pipe, world):
        for data in (b"a", b"b", EOF):
            pipe.put(data)
        assert 2 == pipe.in_flight

    assert ([], [(10, b"ab"), (10, EOF)], 0) == with_pipe(act)


def test_late_packet_holds_back_the_rest():
    """A packet that is late makes those behind it late; it says whether it is later than it would have been."""

    def act(pipe, world):
        assert [True, False, False] == [
            pipe.put_late(b"a", 50 * MS),
            pipe.put_late(b"b", 20 * MS),
            pipe.put_late(b"c", 0),
        ]
        pipe.part(5 * MS)
        pipe.put(b"d")

    assert ([], [(60, b"abc"), (65, b"d")], 0) == with_pipe(act)


def test_receiver_that_does_not_read():
    """What arrives meanwhile stays in the pipe, and comes when the receiver goes on."""

    def act(pipe, world):
        pipe.stop()
        pipe.put(b"a")
        world.loop.call_later(1, go_on, pipe)

    def go_on(pipe):
        seen.append(pipe.has_arrived())
        pipe.go_on()

    seen: list[bool] = []
    assert ([], [(1_000, b"a")], 0) == with_pipe(act)
    assert [True] == seen


def arrivals(world, pipe, *at_s):
    """Return a list that tells for each instant whether something has arrived by then."""
    seen = []
    for second in at_s:
        world.loop.call_later(second, lambda: seen.append(pipe.has_arrived()))
    return seen


@pytest.mark.parametrize(
    ("trouble", "end", "seen", "came_ms"),
    [
        (lambda network: network.partition("a", "b"), "heal", [False, False, True], 2_000),
        (lambda network: network.hold("a", "b"), "release", [False, True, True], 2_000),
        (lambda network: network.clog("a", "b", seconds=1), "heal", [False, True, True], 2_000),
    ],
)
def test_what_is_stuck_has_not_arrived(trouble, end, seen, came_ms):
    """What is lost or held up on its way is not there to read before it got through, whether anybody reads or not."""
    found = []

    def act(pipe, world):
        trouble(world.network)
        pipe.stop()
        pipe.put(EOF)
        found.append(arrivals(world, pipe, 0.5, 1.1, 1.5))
        world.loop.call_later(1, getattr(world.network, end))
        world.loop.call_later(2, pipe.go_on)

    assert ([], [(came_ms, EOF)], 0) == with_pipe(act)
    assert [seen] == found


def test_what_has_arrived_stays():
    """What is in the buffer of a socket that does not read is no longer hit by a cut, nor by the end of its sender."""
    found = []

    def act(pipe, world):
        pipe.stop()
        pipe.put(b"a")
        pipe.part(5 * MS)
        pipe.put(b"b")
        world.loop.call_later(0.012, world.network.partition, "a", "b")
        world.loop.call_later(0.013, pipe.cut_short, Everything())
        found.append(arrivals(world, pipe, 0.5))
        world.loop.call_later(1, pipe.go_on)

    assert ([], [(1_000, b"a")], 0) == with_pipe(act)
    assert [[True]] == found


def test_unread_bytes_at_a_closed_socket():
    """A socket that is closed on a cut link with bytes unread answers them with a reset once it can."""

    def act(pipe, world):
        pipe.stop()
        pipe.put(b"a")
        world.loop.call_later(1, closed, pipe, world)

    def closed(pipe, world):
        world.network.partition("a", "b")
        pipe.close()
        world.loop.call_later(0.1, world.network.heal)

    assert ([(1_210, errno.ECONNRESET)], [], 0) == with_pipe(act)


def test_window():
    """A sender that waits for room hears of it one latency after the receiver has read."""

    def act(pipe, world):
        pipe.put(b"a")
        pipe.starved = True

    assert ([(20, "room")], [(10, b"a")], 0) == with_pipe(act)


def test_window_over_a_cut_way_back():
    """The word that there is room is sent again until it gets through."""

    def act(pipe, world):
        pipe.put(b"a")
        pipe.starved = True
        world.network.partition("b", "a", one_way=True)
        world.loop.call_later(1, world.network.heal)

    assert [(1_420, "room")] == with_pipe(act)[0]


def test_window_over_a_way_back_that_stays_cut():
    """A sender that never hears that there is room gives up in the end; for a dead one nobody tries."""

    def act(pipe, world):
        pipe.put(b"a")
        pipe.starved = True
        world.network.partition("b", "a", one_way=True)

    def dead(pipe, world):
        pipe.put(b"a")
        pipe.starved = True
        pipe.sender.alive = False

    assert [(462_220, errno.ETIMEDOUT)] == with_pipe(act)[0]
    assert [] == with_pipe(dead)[0]


def test_backoff_begins_anew():
    """After a packet that got through, the next loss is again found out after 0.2 s."""

    def act(pipe, world):
        world.network.partition("a", "b")
        pipe.put(b"a")
        world.loop.call_later(1, world.network.heal)
        world.loop.call_later(2, again, pipe, world)

    def again(pipe, world):
        world.network.partition("a", "b")
        pipe.put(b"b")
        world.loop.call_later(0.1, world.network.heal)

    assert [(1_410, b"a"), (2_210, b"b")] == with_pipe(act)[1]


def test_cut_link():
    """A packet over a cut link is sent again after 0.2, 0.4, 0.8 ... seconds."""

    def act(pipe, world):
        world.network.partition("a", "b")
        pipe.put(b"a")
        world.loop.call_later(1, world.network.heal)

    assert ([], [(1_410, b"a")], 0) == with_pipe(act)


def test_giving_up():
    """After fifteen tries the sender's connection breaks; nothing is left in flight."""

    def act(pipe, world):
        world.network.partition("a", "b")
        pipe.put(b"a")

    assert ([(462_210, errno.ETIMEDOUT)], [], 0) == with_pipe(act)


def test_sender_that_is_gone_sends_nothing_again():
    """What a dead sender had under way over a cut link is lost."""

    def act(pipe, world):
        world.network.partition("a", "b")
        pipe.put(b"a")
        pipe.sender.alive = False
        world.loop.call_later(0.1, world.network.heal)

    assert ([], [], 0) == with_pipe(act)


def test_closed_receiver_answers_with_a_reset():
    """Bytes for a closed socket break the sender's connection after a round trip; the end of a stream does not."""

    def act(pipe, world):
        pipe.close()
        pipe.put(EOF)
        pipe.put(b"a")

    assert ([(20, errno.ECONNRESET)], [], 0) == with_pipe(act)


def test_reset_that_is_lost_comes_again():
    """A reset is lost on a cut way back; the next try asks for another."""

    def act(pipe, world):
        pipe.close()
        world.network.partition("b", "a", one_way=True)
        pipe.put(b"a")
        world.loop.call_later(0.5, world.network.heal)

    assert [(640, errno.ECONNRESET)] == with_pipe(act)[0]


def test_orphan():
    """A receiver without power is silent; when its machine is up again, it answers with a reset."""

    def act(pipe, world):
        world.hosts["b"].crash()
        pipe.orphan()
        pipe.put(b"a")
        world.loop.call_later(1, world.hosts["b"].restart)

    assert ([(1_420, errno.ECONNRESET)], [], 0) == with_pipe(act)


def test_reset_goes_past_the_queue():
    """A reset reaches a receiver that does not read; on a cut link it is lost for good."""

    def act(pipe, world):
        pipe.stop()
        pipe.put(b"a")
        pipe.reset()

    def cut(pipe, world):
        world.network.partition("a", "b")
        pipe.reset()

    assert [(10, errno.ECONNRESET)] == with_pipe(act)[1]
    assert [] == with_pipe(cut)[1]


def test_nothing_follows_a_reset():
    """What is written after a reset is dropped, also when that itself is lost: a stream never has a hole."""

    def act(pipe, world):
        pipe.put(b"a")
        pipe.reset()
        pipe.put(b"b")
        assert (False, 1) == (pipe.put_late(b"c", MS), pipe.in_flight)

    def cut(pipe, world):
        world.network.partition("a", "b")
        pipe.reset()
        pipe.put(b"b")
        world.network.heal()

    assert ([], [(10, b"a"), (10, errno.ECONNRESET)], 0) == with_pipe(act)
    assert ([], [(10, errno.ECONNRESET)], 0) == with_pipe(cut)


def test_reset_waits_out_a_hold():
    """A reset over a held link arrives when that is released."""

    def act(pipe, world):
        world.network.hold("a", "b")
        pipe.reset()
        world.loop.call_later(5, world.network.release)

    assert [(5_000, errno.ECONNRESET)] == with_pipe(act)[1]


def test_closed_receiver_whose_host_then_loses_power():
    """Bytes for a socket that was closed before its host died are sent again, until the machine is up and resets."""

    def act(pipe, world):
        pipe.close()
        world.hosts["b"].crash()
        pipe.put(b"a")
        world.loop.call_later(1, world.hosts["b"].restart)

    assert [(1_420, errno.ECONNRESET)] == with_pipe(act)[0]


def test_what_is_put_after_a_loss_takes_its_own_time():
    """When all that was under way is dropped, a later packet does not arrive in its place."""

    def act(pipe, world):
        pipe.put(b"a")
        world.loop.call_later(0.005, again, pipe)

    def again(pipe):
        pipe.drop_all("test")
        pipe.put(b"b")

    assert [(15, b"b")] == with_pipe(act)[1]


@pytest.mark.parametrize("seed", range(8))
def test_cut_short(seed):
    """Of what a sender had under way when it died, a prefix arrives, and in flight is what really is."""

    def act(pipe, world):
        for data in (b"abc", b"def", EOF):
            pipe.put(data)
        pipe.cut_short(world.streams.stream("test"))

    _, seen, in_flight = with_pipe(act, seed=seed)
    came = b"".join(data for _, data in seen)
    assert (True, 0) == (b"abcdef".startswith(came), in_flight)


def test_backoff():
    """Waits double from 0.2 s to a minute."""
    assert [200 * MS, 400 * MS, 51_200 * MS, 60_000 * MS] == [retry_ns(attempt) for attempt in (0, 1, 8, 9)]
