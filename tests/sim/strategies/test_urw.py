"""URW: a walk weighted by the steps to go."""

import asyncio
import collections

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.strategies.estimate import Counting
from kelpie_sim.strategies.urw import Urw, waiting_time
from kelpie_sim.trace import Trace


async def uneven(steps=12):
    """Return how many of the long task's steps came before the short one's."""
    long_steps, short_at = 0, -1

    async def long():
        nonlocal long_steps
        for _ in range(steps):
            await asyncio.sleep(0)
            long_steps += 1

    async def short():
        nonlocal short_at
        await asyncio.sleep(0)
        short_at = long_steps

    await asyncio.gather(short(), long())
    return short_at


def simulated(main, strategy, streams):
    """Run a program under a strategy."""
    return run(SimLoop(strategy, Trace()), streams, main)


def places(seeds, estimated):
    """Return, per place of the short task's step, in how many seeds it was there."""
    counting = Counting()
    simulated(uneven(), counting, Streams(0))
    estimate = counting.estimate() if estimated else None
    counts: collections.Counter[int] = collections.Counter()
    for seed in range(seeds):
        streams = Streams(seed)
        counts[simulated(uneven(), Urw(streams.stream(SCHEDULE_STREAM), estimate), streams)] += 1
    return counts


def test_every_place_is_about_as_likely():
    """With an estimate, the short task's step is as likely late as early; a plain walk's odds halve at each place."""
    counts = places(1_300, True)
    assert (set(range(13)), True) == (set(counts), all(30 < counts[place] < 330 for place in range(13)))


def test_steps_to_go_are_used_up():
    """A child's steps are its own once it is born: at the end nobody has any to go, parents neither."""

    async def main():
        for _ in range(3):
            await asyncio.gather(uneven(4), uneven(2))

    counting, streams = Counting(), Streams(1)
    simulated(main(), counting, Streams(0))
    strategy = Urw(streams.stream(SCHEDULE_STREAM), counting.estimate())
    simulated(main(), strategy, streams)
    assert (19, 0) == (len(strategy._to_go), max(strategy._to_go.values()))


def test_guessed_weights_reach_the_last_place():
    """Without an estimate some seeds guess weights under which the short task is last; a plain walk has 1 in 4,096."""
    assert 20 < places(400, False)[12] < 120


def test_waiting_times_are_exponential():
    """Half are over by the unit, three quarters by two, as waiting times without memory are."""
    unit = 1 << 16
    words = range(0, 1 << 30, 99_991)
    for halvings in (1, 2, 3):
        over = sum(waiting_time(word) <= halvings * unit for word in words) / len(words)
        assert abs(over - (1 - 0.5**halvings)) < 0.001
    assert (30 * unit, 0) == (waiting_time(0), waiting_time((1 << 30) - 1) >> 8)
