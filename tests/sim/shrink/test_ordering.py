"""Ordering: random orders come near to asyncio's own."""

import asyncio

import pytest

from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink import ordering
from kelpie_sim.shrink.line import Hold
from kelpie_sim.shrink.trials import Trials
from kelpie_sim.simulation import World
from tests.sim.shrink import planted


async def torn_read(world: World) -> None:
    """Six writers set one half, then the other; a reader must not see one half only."""
    halves = [0, 0]

    async def write() -> None:
        await planted.steps(1)
        halves[0] = 1
        await planted.steps(1)
        halves[1] = 1

    async def read() -> None:
        await planted.steps(1)
        one = halves[0]
        await planted.steps(1)
        world.check(one == halves[1] or not one, "both halves are read: one was")

    await asyncio.gather(*(write() for _ in range(6)), read())


TORN_READ = Scenario(name="torn-read", run=torn_read)


def trials_of(scenario: Scenario, nth: int = 0) -> Trials:
    """Return the trials of one of a scenario's first failures."""
    return Trials(scenario, planted.failures(scenario, nth + 1)[nth], runs_max=300, seconds_max=60)


@pytest.mark.parametrize("nth", range(1, 6))
def test_deviations_are_dropped(nth):
    """From a random order few deviations are left of a bug that needs one."""
    trials = trials_of(planted.READ_EARLY, nth)
    ordering.fewer_deviations(trials)
    assert trials.best.size.deviations <= 2
    assert trials.runs < 40


@pytest.mark.parametrize("nth", range(5))
def test_one_deviation_replaces_several(nth):
    """Where dropping ends with several, a single task in a rush, or a single step held, is found in their place."""
    trials = trials_of(TORN_READ, nth)
    ordering.fewer_deviations(trials)
    ordering.one_deviation(trials)
    assert 1 == trials.best.size.deviations


def test_parts_of_a_plan_are_dropped():
    """Of many holds those are left that the failure needs."""
    trials = trials_of(planted.READ_EARLY, 1)
    (held,) = [hold for hold in trials.best.line.holds() if trials.reproduces((hold,))][:1]
    useless = tuple(Hold(label, None) for label in trials.best.line.order[-3:])
    ordering.fewer_parts(trials, (*useless, held))
    assert 1 == trials.best.size.deviations


def test_order_that_matters_not_is_left_alone():
    """Without a deviation there is nothing to try."""
    trials = trials_of(planted.BOTH_REFUSED)
    ordering.fewer_deviations(trials)
    ordering.one_deviation(trials)
    assert 1 == trials.runs
