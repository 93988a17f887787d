"""The line, first come first served and at random."""

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM, Fifo, RandomPick
from kelpie_sim.tape import Tape
from tests.sim.handles import Crowd, order


def test_fifo_keeps_the_order_and_draws_nothing():
    """First come, first served."""
    assert ("fifo", list(range(50))) == (Fifo.name, order(Fifo()))


def test_random_order_is_the_seeds():
    """The same seed gives the same order, another one another; each handle runs once."""
    one, again, other = (order(RandomPick(Streams(seed).stream(SCHEDULE_STREAM))) for seed in (1, 1, 2))
    assert (one, True, list(range(50))) == (again, one != other, sorted(one))


def test_random_draws_go_on_the_tape():
    """Each pick among several is a choice of the stream; a pick among one draws nothing."""
    streams = Streams(1)
    order(RandomPick(streams.stream(SCHEDULE_STREAM)), 3)
    assert [3, 2] == [bound for bound, _ in streams.tape.choices(SCHEDULE_STREAM)]


def test_random_along_zeros_is_first_come_first_served():
    """An all-zero tape is asyncio's own order, whatever comes while others leave."""
    streams = Streams(1, Tape.replaying(Tape()))
    assert list(range(50)) == order(RandomPick(streams.stream(SCHEDULE_STREAM)))


def test_one_deviation_moves_two():
    """Who is taken out of turn swaps places with the first in line, and nobody else moves."""
    tape = Tape.replaying(Tape.of({SCHEDULE_STREAM: [(5, 3)]}), strict=False)
    strategy, crowd = RandomPick(Streams(1, tape).stream(SCHEDULE_STREAM)), Crowd(5)
    crowd.join(strategy, range(5))
    assert [3, 1, 2, 0, 4] == crowd.leave(strategy)
