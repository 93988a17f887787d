"""Passes: each makes its own kind of thing smaller, and leaves the failure."""

import pytest

from kelpie_sim.faults import MUTED_STREAM
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink import passes
from kelpie_sim.shrink.trials import Trials
from kelpie_sim.simulation import World
from tests.sim.shrink import planted

NEEDED = (13, 40)


async def two_marks(world: World) -> None:
    """Fail when two of many choices are above 4, whatever the others are."""
    stream = world.streams.stream("marks")
    marks = [stream.below(10) for _ in range(64)]
    world.check(not all(marks[index] > 4 for index in NEEDED), "two marks are not high at once: they were")


TWO_MARKS = Scenario(name="two-marks", run=two_marks)


def trials_of(scenario: Scenario) -> Trials:
    """Return the trials of a scenario's first failure."""
    (outcome,) = planted.failures(scenario, 1)
    return Trials(scenario, outcome, runs_max=300, seconds_max=60)


def test_tail_is_cut_by_halving():
    """All that comes after the last choice that matters is 0, found in a few runs."""
    trials = trials_of(TWO_MARKS)
    passes.cut_tail(trials, "marks")
    assert NEEDED[-1] == trials.best.choices.of("marks")[-1][0]
    assert trials.runs < 10


def test_blocks_are_dropped():
    """Only the choices that matter are left, and found in fewer runs than there are choices."""
    trials = trials_of(TWO_MARKS)
    passes.drop_blocks(trials, "marks")
    assert NEEDED == tuple(index for index, _ in trials.best.choices.of("marks"))
    assert trials.runs < 40


def test_blocks_are_cut_out():
    """Where a 0 would end all, choices are cut out instead, and what comes after moves up."""

    async def until_0(world: World) -> None:
        stream, before = world.streams.stream("marks"), 0
        while mark := stream.below(10):
            world.check(before < 8 or mark < 8, "no two high marks come in a row: they did")
            before = mark

    outcomes = planted.failures(Scenario(name="until-0", run=until_0), 20)
    longest = max(outcomes, key=lambda outcome: len(outcome.tape))
    trials = Trials(Scenario(name="until-0", run=until_0), longest, runs_max=300, seconds_max=60)
    passes.drop_blocks(trials, "marks")
    assert trials.first is trials.best
    passes.cut_blocks(trials, "marks")
    assert [0, 1] == [index for index, _ in trials.best.choices.of("marks")]


def test_choices_are_lowered_to_the_border():
    """Each choice comes down to the least that still fails."""
    trials = trials_of(TWO_MARKS)
    passes.drop_blocks(trials, "marks")
    passes.lower_choices(trials, "marks")
    assert tuple((index, 5) for index in NEEDED) == trials.best.choices.of("marks")


def test_pass_without_progress_costs_no_run():
    """Run again on what it has left, a pass tries nothing new."""
    trials = trials_of(TWO_MARKS)
    passes.drop_blocks(trials, "marks")
    passes.drop_blocks(trials, "marks")
    before = trials.runs
    passes.drop_blocks(trials, "marks")
    assert before == trials.runs


@pytest.mark.parametrize("scenario", [planted.READ_LOST, planted.BOTH_REFUSED], ids=lambda scenario: scenario.name)
def test_faults_that_do_no_harm_are_muted(scenario):
    """The faults that the failure needs are left, the other is muted by its index."""
    trials = trials_of(scenario)
    passes.mute_faults(trials, 2)
    assert ((0, 1),) == trials.best.choices.of(MUTED_STREAM)


def test_streams_are_put_to_0_whole():
    """A stream that the failure does not need is gone in one run; the order is none of its business."""
    trials = trials_of(planted.READ_LOST)
    passes.plain_streams(trials)
    assert "fault/0/LetterLate" not in trials.best.choices.names
    assert trials.first.choices.of("schedule") == trials.best.choices.of("schedule")


def test_calm_tries_the_plainest_first():
    """What fails without any deviation is found at once."""
    trials = trials_of(planted.BOTH_REFUSED)
    passes.calm(trials)
    assert 0 == len(trials.best.choices)
