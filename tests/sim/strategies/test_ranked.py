"""The lowest rank runs first, and its place in the line goes on the tape."""

import pytest

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM, RandomPick
from kelpie_sim.strategies.ranked import Ranked
from kelpie_sim.tape import Tape
from tests.sim.handles import Crowd, order


class ByTable(Ranked):
    """Ranks from a table, in the order in which handles come."""

    def __init__(self, streams, ranks):
        super().__init__(streams.stream(SCHEDULE_STREAM))
        self.ranks = iter(ranks)

    def _rank(self, handle):
        return next(self.ranks)


def ranked(ranks, tape=None):
    """Return streams, a strategy with such ranks, and its handles, all ready."""
    streams, crowd = Streams(1, tape), Crowd(len(ranks))
    strategy = ByTable(streams, ranks)
    crowd.join(strategy, range(len(ranks)))
    return streams, strategy, crowd


def test_lowest_runs_first_and_equals_keep_their_order():
    """By rank, and by age among equals."""
    _, strategy, crowd = ranked([5, 1, 5, 0, 1])
    assert [3, 1, 4, 0, 2] == crowd.leave(strategy)


def test_places_on_tape_are_those_in_the_line():
    """The record is where in the line each stood, the overtaken having moved."""
    streams, strategy, crowd = ranked([5, 1, 5, 0, 1])
    crowd.leave(strategy)
    # 0 1 2 3 4, then 3 runs: 1 2 0 4, then 1 runs: 2 0 4, then 4 runs: 0 2.
    assert [(5, 3), (4, 0), (3, 2), (2, 0)] == streams.tape.choices(SCHEDULE_STREAM)


@pytest.mark.parametrize("count", [2, 7, 300])
def test_a_follower_of_the_tape_does_the_same(count):
    """Any ranks, with handles that come while others leave: who only follows the tape hands out the same order."""
    ranks = [(number * 7919) % 1009 for number in range(count)]
    streams = Streams(1)
    one = order(ByTable(streams, ranks), count)
    again = Streams(1, Tape.replaying(streams.tape))
    assert one == order(RandomPick(again.stream(SCHEDULE_STREAM)), count)


def test_a_long_record_is_whole():
    """What is recorded in bulk is all there, and most of it in arrays, which are smaller than lists."""
    streams = Streams(1)
    order(ByTable(streams, [number % 17 for number in range(5_000)]), 5_000)
    in_lists = len(streams.tape.channel(SCHEDULE_STREAM).new_choices)
    assert (4_999, True) == (len(streams.tape.choices(SCHEDULE_STREAM)), in_lists < 2_500)


def test_prefix_of_a_tape_goes_before_ranks():
    """The tape says who runs as long as it has a choice, then the ranks do, of those who are left."""
    _, strategy, crowd = ranked([5, 1, 5, 0, 1], Tape.continuing(Tape.of({SCHEDULE_STREAM: [(5, 1), (4, 2)]})))
    # 1 runs by the tape: 0 2 3 4, then 3 does, and the rest by rank.
    assert [1, 3, 4, 0, 2] == crowd.leave(strategy)


def test_lowest_may_be_moved():
    """Another rank for whoever would run lets others go first."""
    _, strategy, crowd = ranked([1, 2, 3])
    assert crowd.handles[0] is strategy._lowest()
    strategy._move_lowest(9)
    assert [1, 2, 0] == crowd.leave(strategy)


def test_taking_from_nobody_is_an_error():
    """Nobody ready is a mistake of the loop."""
    with pytest.raises(IndexError):
        ranked([])[1].take()


def test_ranks_are_the_subclass_s():
    """By itself it knows no ranks."""
    strategy, crowd = Ranked(Streams(1).stream(SCHEDULE_STREAM)), Crowd(1)
    with pytest.raises(NotImplementedError):
        crowd.join(strategy, [0])
