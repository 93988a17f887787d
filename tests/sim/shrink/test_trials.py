"""Trials: what is kept, what is remembered, and when it ends."""

import attrs
import pytest

from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.choices import Choices
from kelpie_sim.shrink.trials import Size, Spent, Trials
from kelpie_sim.simulation import World
from tests.sim.shrink import planted


def trials_of(scenario: Scenario, runs_max: int = 100, nth: int = 0) -> Trials:
    """Return the trials of one of a scenario's first failures."""
    outcome = planted.failures(scenario, nth + 1)[nth]
    return Trials(scenario, outcome, runs_max=runs_max, seconds_max=60)


def test_first_trial_is_the_failure_itself():
    """The failure is run again, along its tape, and is the best run there is so far."""
    trials = trials_of(planted.READ_EARLY)
    (outcome,) = planted.failures(planted.READ_EARLY, 1)
    assert outcome == trials.best.outcome
    assert trials.first is trials.best
    assert (1, 99) == (trials.runs, trials.left)


def test_smaller_run_of_the_same_failure_is_kept():
    """Choices that make the failure smaller are kept, as the run really drew them."""
    trials = trials_of(planted.READ_LOST)
    assert trials.keeps(trials.best.choices.without("fault/0/LetterLate")) is True
    assert "fault/0/LetterLate" not in trials.best.choices.names
    assert trials.best.size < trials.first.size


def test_run_without_the_failure_is_dropped():
    """A run that passes leaves the best one as it was."""
    trials = trials_of(planted.READ_LOST)
    assert trials.keeps(Choices()) is False
    assert trials.first is trials.best


def test_other_failure_is_dropped():
    """A smaller run that fails for another reason is no smaller run of this failure."""

    async def two_bugs(world: World) -> None:
        load = world.streams.stream("load").below(100)
        world.check(load < 50, "the load is carried: it was not")
        world.check(load > 10, "the load is worth it: it was not")

    scenario = Scenario(name="two-bugs", run=two_bugs)
    outcome = next(one for one in planted.failures(scenario, 50) if "carried" in planted.finding_of(one).signature)
    trials = Trials(scenario, outcome, runs_max=10, seconds_max=60)
    assert trials.keeps(trials.best.choices.without("load")) is False
    assert trials.keeps(trials.best.choices.replaced("load", [(0, 50)])) is True


def test_nothing_is_run_twice():
    """Choices that were tried, or that a run came to by itself, cost no further run."""
    trials = trials_of(planted.READ_LOST)
    assert [False] * 3 == [trials.keeps(Choices()), trials.keeps(Choices()), trials.keeps(trials.best.choices)]
    assert 2 == trials.runs


def test_spent_runs_end_it():
    """Without runs left, the next new choices end the search."""
    trials = trials_of(planted.READ_EARLY, runs_max=1)
    assert trials.keeps(trials.best.choices) is False
    with pytest.raises(Spent):
        trials.keeps(Choices())
    assert (1, 0) == (trials.runs, trials.left)


def test_plan_is_tried_in_place_of_the_order():
    """The holds of a failing run, as a plan, fail again."""
    trials = trials_of(planted.READ_EARLY, nth=1)
    assert trials.reproduces(trials.best.line.holds()) is True
    assert trials.reproduces(()) is False


def test_size_counts_what_a_person_would():
    """Deviations and faults first, then overtakings, other choices, steps, and how large the choices are."""
    trials = trials_of(planted.READ_LOST)
    best, size = trials.best, trials.best.size
    fired = sum(report.fired for report in best.outcome.faults)
    assert (size.deviations + fired, fired) == (size.harm, size.faults)
    assert len(best.choices.of("schedule")) == size.overtakings == len(best.line.overtakings)
    assert len(best.choices) - size.overtakings == size.choices
    assert (best.outcome.steps, best.choices.total()) == (size.steps, size.total)
    assert size < attrs.evolve(size, harm=size.harm + 1, steps=0)
    assert size < attrs.evolve(size, overtakings=size.overtakings + 1, choices=0)
    assert ["harm", "overtakings", "choices", "steps", "total"] == [field.name for field in attrs.fields(Size)][:5]


def test_endless_edit_ends_soon():
    """An edit that lets the program spin is stopped after a few times the steps of the failure."""
    steps_seen: list[int] = []

    async def spin(world: World) -> None:
        stop = world.streams.stream("load").below(2)
        try:
            await planted.steps(100_000 * (1 - stop))
        finally:
            steps_seen.append(world.loop.steps)
        world.check(not stop, "nobody stops: somebody did")

    scenario = Scenario(name="spin", run=spin)
    trials = trials_of(scenario)
    assert trials.keeps(Choices()) is False
    assert 1_000 < steps_seen[-1] < 2_000


def test_run_that_is_no_smaller_is_dropped():
    """The same failure at greater length is no progress."""
    trials = trials_of(planted.READ_LOST)
    assert trials.keeps(trials.best.choices.without("fault/0/LetterLate")) is True
    best = trials.best
    assert trials.keeps(trials.first.choices.replaced("other", [(0, 1)])) is False
    assert best is trials.best
