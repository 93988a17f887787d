"""PCT: strict priorities, few changes, and no program that spins for ever."""

import asyncio
import itertools

import pytest

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.strategies.pct import GUESS_MAX_BITS, GUESS_MIN_BITS, PATIENCE_PICKS, Pct, guessed_picks
from kelpie_sim.trace import Trace


def simulated(main, seed, depth, picks):
    """Run a program under PCT, and return what it returns."""
    streams = Streams(seed)
    return run(SimLoop(Pct(streams.stream(SCHEDULE_STREAM), depth, picks), Trace()), streams, main)


async def turns(tasks=4, rounds=10):
    """Return who took each step."""
    seen: list[int] = []

    async def work(number):
        for _ in range(rounds):
            seen.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(tasks)))
    return seen


def switches(seen):
    """Return how often another task went on."""
    return sum(one != other for one, other in itertools.pairwise(seen))


def test_depth_one_never_switches():
    """Without changes each task runs as far as it gets, in an order that the seed draws."""
    runs = [simulated(turns(), seed, 1, 100) for seed in range(30)]
    assert ({3}, True) == ({switches(seen) for seen in runs}, len({tuple(seen) for seen in runs}) > 10)


def test_each_change_switches_once():
    """A task that is lowered goes on later: two changes are two switches more, or fewer if they meet an end."""
    counts = [switches(simulated(turns(), seed, 3, 40)) for seed in range(60)]
    assert (3, 5) == (min(counts), max(counts))


def test_half_of_all_seeds_starve_a_task():
    """Of two tasks, about half of the seeds run one to its end before the other starts: the bound of the paper."""
    runs = [simulated(turns(2, 20), seed, 1, 100) for seed in range(200)]
    assert 70 < sum(seen[0] == 0 for seen in runs) < 130


@pytest.mark.parametrize("seed", range(8))
def test_who_spins_is_lowered(seed):
    """A task that waits for another by spinning lets it run in the end, whatever their priorities."""

    async def main():
        done, spun = False, 0

        async def work():
            nonlocal done
            for _ in range(5):
                await asyncio.sleep(0)
            done = True

        async def spin():
            nonlocal spun
            while not done:
                spun += 1
                await asyncio.sleep(0)

        await asyncio.gather(spin(), spin(), work())
        return spun

    assert simulated(main(), seed, 1, 100) <= 3 * PATIENCE_PICKS


def test_lowered_stays_low():
    """Whoever is lowered keeps the rank for its later steps."""
    streams = Streams(1)
    strategy = Pct(streams.stream(SCHEDULE_STREAM), 1, 100)

    async def main():
        tasks = [asyncio.ensure_future(turns(1)) for _ in range(2)]
        strategy._lower(1 << 30)
        await asyncio.gather(*tasks)

    run(SimLoop(strategy, Trace()), streams, main())
    assert [1 << 30] == [rank for rank in strategy._ranks.values() if rank >= 1 << 30]


def test_guesses_cover_short_and_long():
    """Without an estimate the horizon is any power of two in a range."""
    guesses = {guessed_picks(word) for word in range(1_000)}
    assert {1 << bits for bits in range(GUESS_MIN_BITS, GUESS_MAX_BITS + 1)} == guesses


def test_name_has_the_depth():
    """A report can tell which PCT it was."""
    assert "pct:3" == Pct(Streams(1).stream(SCHEDULE_STREAM), 3, 0).name
