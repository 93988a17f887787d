"""Shrinking: planted bugs come down to the failure that is known to be their smallest, and that replays anywhere."""

import json
import subprocess
import sys

import attrs
import pytest

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.shrink.shrinker import shrink
from kelpie_sim.shrink.trials import Progress
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.sim.shrink import planted
from tests.sim.toy import QUIET

REPLAY = """
import json, sys
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.sim.shrink import planted
scenario = next(each for each in planted.SCENARIOS if each.name == sys.argv[1])
outcome = simulate(scenario, 987654321, tape=Tape.replaying(sys.stdin.buffer.read()))
print(json.dumps([planted.finding_of(outcome).signature, outcome.digest]))
"""


@pytest.mark.parametrize(
    ("scenario", "deviations", "faults", "choices"),
    [
        (planted.READ_EARLY, 1, 0, 0),
        (planted.READ_LOST, 1, 1, 2),  # the rate that makes letters get lost, and the letter that is
        (planted.BOTH_REFUSED, 0, 1, 0),
        (planted.HEAVY_LOAD, 0, 0, 2),  # three pieces, one of 500
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_known_minimum_is_reached(scenario, deviations, faults, choices):
    """Each failing seed shrinks to the smallest failure there is, within 300 runs, and fails as it did."""
    for outcome in planted.failures(scenario, 5):
        shrunk = shrink(scenario, outcome)
        assert (deviations, faults, choices) == (shrunk.after.deviations, shrunk.after.faults, shrunk.after.choices)
        assert planted.finding_of(shrunk.outcome).signature == planted.finding_of(outcome).signature
        assert shrunk.runs <= 300
        assert shrunk.after <= shrunk.before


def test_workload_is_as_small_as_it_can_be():
    """Sizes and values come down to the border of the bug."""
    (outcome,) = planted.failures(planted.HEAVY_LOAD, 1)
    tape = Tape.from_json(shrink(planted.HEAVY_LOAD, outcome).outcome.tape)
    (_, count), *weights = tape.choices("workload")
    assert (3, [0, 0, 500]) == (count, sorted(weight for _, weight in weights))


@pytest.mark.parametrize("scenario", planted.SCENARIOS, ids=lambda scenario: scenario.name)
def test_result_replays_from_its_tape_alone(scenario):
    """A fresh process that gets only the tape, under another seed, finds the same failure by the same run."""
    (outcome,) = planted.failures(scenario, 1)
    small = shrink(scenario, outcome).outcome
    command = [sys.executable, "-c", REPLAY, scenario.name]
    done = subprocess.run(command, input=small.tape, capture_output=True, check=True, timeout=60)
    assert [planted.finding_of(small).signature, small.digest] == json.loads(done.stdout)


def test_same_failure_shrinks_to_the_same_run():
    """Nothing in the search is left to chance."""
    (outcome,) = planted.failures(planted.READ_LOST, 1)
    first, second = (shrink(planted.READ_LOST, outcome) for _ in range(2))
    assert (first.runs, first.outcome) == (second.runs, second.outcome)


def test_muted_fault_is_gone():
    """A sure fault that did no harm is muted: the report does not know it, and it need not fire."""
    (outcome,) = planted.failures(planted.BOTH_REFUSED, 1)
    shrunk = shrink(planted.BOTH_REFUSED, outcome)
    assert ["LetterLost", "CountRefused"] == [report.kind for report in outcome.faults]
    assert ["CountRefused"] == [report.kind for report in shrunk.outcome.faults]


@pytest.mark.parametrize("runs_max", [1, 2, 7])
def test_budget_is_kept(runs_max):
    """No more runs are made than allowed, and what is returned fails all the same."""
    (outcome,) = planted.failures(planted.READ_LOST, 1)
    shrunk = shrink(planted.READ_LOST, outcome, runs_max=runs_max)
    assert runs_max == shrunk.runs
    assert planted.finding_of(shrunk.outcome).signature == planted.finding_of(outcome).signature


def test_time_ends_the_search():
    """Without time there is but the run of the failure itself."""
    (outcome,) = planted.failures(planted.READ_EARLY, 1)
    shrunk = shrink(planted.READ_EARLY, outcome, seconds_max=0.0)
    assert 1 == shrunk.runs
    assert shrunk.before == shrunk.after


def test_progress_is_told():
    """Each run after the first is told, with the size of the best one."""
    seen: list[Progress] = []
    (outcome,) = planted.failures(planted.READ_EARLY, 1)
    shrunk = shrink(planted.READ_EARLY, outcome, progress=seen.append)
    assert list(range(2, shrunk.runs + 1)) == [at.runs for at in seen]
    assert shrunk.after == seen[-1].size


def test_run_that_passed_is_refused():
    """There is nothing to shrink in a run that went well."""
    with pytest.raises(ValueError, match="seed 1 of quiet did not fail: there is nothing to shrink"):
        shrink(QUIET, simulate(QUIET, 1, keep_trace=True))


def test_failure_that_does_not_come_again_is_non_determinism():
    """When the tape leads to another finding, or to none, the program or the version is not the one that failed."""
    (outcome,) = planted.failures(planted.READ_EARLY, 1)
    other = attrs.evolve(outcome, finding=attrs.evolve(planted.finding_of(outcome), signature="another"))
    with pytest.raises(NonDeterminism, match="does not fail with another again"):
        shrink(planted.READ_EARLY, other)
