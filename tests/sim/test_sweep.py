"""Failing the k-th operation for each k."""

import attrs
import pytest

from kelpie_sim.errors import FaultNeverFired, SimulationError
from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.sweep import failing_kth, sweep
from tests.sim import toy

NEVER_FIRED = Finding(kind=FindingKind.FAULT_NEVER_FIRED, signature="FaultNeverFired", message="never")
CRASH = Finding(kind=FindingKind.CRASH, signature="KeyError", message="'a'")


def outcome(matched: int, fired: int, finding: Finding | None = None) -> Outcome:
    report = FaultReport(kind="CountRefused", matched=matched, fired=fired)
    return Outcome(
        scenario="made",
        seed=1,
        digest="",
        records=0,
        steps=0,
        virtual_ns=0,
        python="",
        faults=(report,),
        finding=finding,
    )


def test_every_operation_is_failed_once():
    """An increment has a read and a write: two runs, each failing at its own place, and the end is no failure."""
    outcomes = sweep(failing_kth(toy.COUNT_ONCE, 1, toy.CountRefused()))
    assert [each.finding for each in outcomes] == [None, None]
    assert [each.story[-1].split("  ")[1] for each in outcomes] == ["refused: count_read", "refused: count_write"]


def test_sweep_keeps_to_the_filter():
    """Only operations that the fault names are counted."""
    outcomes = sweep(failing_kth(toy.COUNT_ONCE, 1, toy.CountRefused(on="count_write")))
    assert [each.story[-1].split("  ")[1] for each in outcomes] == ["refused: count_write"]


def test_failures_of_the_program_are_returned():
    """A run that fails because of the fault is one of the outcomes."""
    outcomes = sweep(failing_kth(toy.COUNT, 1, toy.CountRefused(on="count_write")))
    assert [each.finding.signature if each.finding else "" for each in outcomes] == [
        "CounterDown at tests.sim.toy:Counter._reach"
    ] * 9


def test_persistent_fault_strikes_from_the_kth_on():
    """A persistent sweep fails the k-th operation and all after it."""
    once = failing_kth(toy.MAIL, 1, toy.LetterLost(on="letter_send"))(0)
    assert once.faults == (FaultReport(kind="LetterLost", matched=2, fired=1),)
    scenario = attrs.evolve(toy.MAIL, time_limit_seconds=60)
    ever = failing_kth(scenario, 1, toy.LetterLost(on="letter_send"), persistent=True)(0)
    assert ever.faults == (FaultReport(kind="LetterLost", matched=13, fired=13),)


def test_sweep_of_nothing_is_an_error():
    """A sweep whose fault meets no operation at all proves nothing and says so."""
    with pytest.raises(FaultNeverFired, match="the sweep of count-once meets no operation that it could fail"):
        sweep(failing_kth(toy.COUNT_ONCE, 1, toy.LetterLost()))


def test_fault_that_is_met_and_does_nothing_is_a_failure_to_keep():
    """Only the end of the run ends the sweep: a fault that was met and never fired stays a finding."""
    met = outcome(1, 0, NEVER_FIRED)
    assert sweep(lambda kth: met if kth == 0 else outcome(1, 0, NEVER_FIRED)) == (met,)


def test_run_that_fails_by_itself_ends_the_sweep():
    """A failure before the k-th operation is returned, and nothing after it can be judged."""
    assert sweep(lambda kth: outcome(0, 0, CRASH)) == (outcome(0, 0, CRASH),)


def test_sweep_without_end_is_an_error():
    """A run that always has one operation more is not tried for ever."""
    with pytest.raises(SimulationError, match="not reached the end of the run after 5 runs"):
        sweep(lambda kth: outcome(kth + 1, 1), kth_max=5)


def test_fault_that_spares_operations_is_refused():
    """The sweep itself says how many operations are spared."""
    with pytest.raises(ValueError, match="without `after`"):
        failing_kth(toy.COUNT_ONCE, 1, toy.CountRefused(after=1))
