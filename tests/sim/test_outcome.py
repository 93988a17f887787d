"""Outcomes as values."""

import pickle

import attrs

from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.trace import Entry

GOOD = Outcome(scenario="quiet", seed=1, digest="d", records=0, steps=0, virtual_ns=0, python="3.11.7")
FINDING = Finding(kind=FindingKind.CRASH, signature="KeyError", message="'a'")


def test_each_kind_has_its_exit_code():
    """The exit code of the command line tells kinds apart; 2 is left to wrong usage."""
    assert {kind.value: kind.exit_code for kind in FindingKind} == {
        "correctness": 1,
        "liveness": 3,
        "crash": 4,
        "nondeterminism": 5,
        "fault-never-fired": 1,
    }


def test_outcome_fails_by_its_finding():
    """A run failed if and only if it has a finding."""
    assert (GOOD.failed, attrs.evolve(GOOD, finding=FINDING).failed) == (False, True)


def test_outcome_travels_between_processes():
    """An outcome is equal after it was pickled."""
    outcome = attrs.evolve(GOOD, finding=FINDING, options={"lost": 0.5}, story=("a",), tape=b"{}")
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_trace_is_the_entries_in_lines():
    """The lines of a trace are those of the entries that were kept."""
    entries = (
        Entry(step=1, time_ns=5, serial=2, kind="sent", fields=("x", 3)),
        Entry(step=2, time_ns=6, serial=0, kind="step"),
    )
    lines = ("0.000000005 task 2: sent 'x' 3", "0.000000006 task 0: step")
    assert lines == attrs.evolve(GOOD, entries=entries).trace
