"""POS: a priority per step."""

import collections

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.strategies.pos import Pos
from tests.sim.handles import Crowd


def first(seed, count):
    """Return which of so many handles runs first."""
    strategy, crowd = Pos(Streams(seed).stream(SCHEDULE_STREAM)), Crowd(count)
    crowd.join(strategy, range(count))
    return crowd.next(strategy)


def test_each_has_the_same_chance_at_first():
    """Steps that become ready together are equally likely to go first."""
    counts = collections.Counter(first(seed, 4) for seed in range(1_000))
    assert ([0, 1, 2, 3], True) == (sorted(counts), all(200 < count < 300 for count in counts.values()))


def test_who_waits_keeps_a_priority():
    """A step that lost against one newcomer is likelier to lose against the next: that is what a plain walk lacks."""
    lost_again = lost = 0
    for seed in range(2_000):
        strategy, crowd = Pos(Streams(seed).stream(SCHEDULE_STREAM)), Crowd(3)
        crowd.join(strategy, (0, 1))
        if crowd.next(strategy) == 1:
            lost += 1
            crowd.join(strategy, (2,))
            lost_again += crowd.next(strategy) == 2
    assert 0.6 < lost_again / lost < 0.73


def test_runner_up_draws_again():
    """Among three, the second best of the first pick is not always the next: every other time it draws anew."""
    changed = 0
    for seed in range(500):
        strategy, crowd = Pos(Streams(seed).stream(SCHEDULE_STREAM)), Crowd(3)
        crowd.join(strategy, range(3))
        by_rank = [entry & 0xFFFF for entry in sorted(strategy._heap)]
        crowd.next(strategy)
        changed += crowd.next(strategy) != by_rank[1] - 1
    assert 50 < changed < 250
