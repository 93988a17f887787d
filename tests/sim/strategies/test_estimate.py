"""Counting one run, for strategies that plan."""

import asyncio

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies.estimate import Counting, Estimate
from kelpie_sim.trace import Trace


def counted(main):
    """Return the estimate of a program."""
    counting = Counting()
    run(SimLoop(counting, Trace()), Streams(1), main)
    return counting.estimate()


async def spin(count):
    """Take so many steps, and one to end."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_steps_are_counted_by_task():
    """Each task's steps count once, its end included, and a parent's whole holds those of its children."""

    async def main():
        await asyncio.gather(spin(3), spin(7))

    estimate = counted(main())
    (top,) = (key for key, steps in estimate.whole.items() if steps > estimate.own[key])
    children = sorted(steps for key, steps in estimate.own.items() if key != top)
    # A step per turn, the last one, and the callback that tells of the end.
    assert ([5, 9], estimate.own[top] + 14) == (children, estimate.whole[top])


def test_whole_reaches_grandchildren():
    """Who starts a task that starts others has all of their steps ahead."""

    async def child():
        await asyncio.gather(spin(5))

    async def main():
        await asyncio.gather(child())

    estimate = counted(main())
    assert (3, sum(estimate.own.values())) == (len(estimate.own), max(estimate.whole.values()))


def test_picks_among_one_do_not_count():
    """Only where several are ready is there a pick."""
    assert 0 == counted(spin(10)).picks


def test_picks_are_counted():
    """Two tasks side by side are picked from at each step but the last ones."""

    async def main():
        await asyncio.gather(spin(10), spin(10))

    assert 19 < counted(main()).picks < 26


def test_empty_estimate_is_of_nothing():
    """Before anything ran there is nothing to count."""
    assert Estimate(picks=0, own={}, whole={}) == Counting().estimate()
