"""The line, first come first served and at random."""

import pytest

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM, Fifo, RandomPick, picks_of
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


@pytest.mark.parametrize("tape", [None, Tape.of({SCHEDULE_STREAM: [(5, 3), (4, 2), (3, 0), (2, 1)]})])
def test_picks_are_what_take_gives(tape):
    """The loop's picks come in the order in which `take` gives them, on the same tape; an empty line yields None."""
    by_take, by_picks = (Streams(7, tape and Tape.replaying(tape)) for _ in range(2))
    taking, picking = (RandomPick(streams.stream(SCHEDULE_STREAM)) for streams in (by_take, by_picks))
    crowd = Crowd(5)
    crowd.join(taking, range(5))
    crowd.join(picking, range(5))
    picks = picks_of(picking)
    picked = [next(picks) for _ in range(6)]
    assert ([crowd.handles[number] for number in crowd.leave(taking)], None) == (picked[:5], picked[5])
    assert (by_take.tape, 4) == (by_picks.tape, len(by_picks.tape))


def test_picks_of_any_strategy_end_in_none():
    """Each strategy has picks, one that knows of none too; they go on when somebody is ready again."""
    strategy, crowd = Fifo(), Crowd(2)
    picks = picks_of(strategy)
    first = next(picks)
    crowd.join(strategy, range(2))
    assert (None, crowd.handles, None) == (first, [next(picks), next(picks)], next(picks))
