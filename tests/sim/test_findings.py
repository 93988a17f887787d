"""From exceptions to findings."""

import pytest

from kelpie_sim import errors
from kelpie_sim.findings import finding_of, kind_of, scrubbed, signature_of
from kelpie_sim.outcome import FindingKind
from kelpie_sim.simulation import simulate
from tests.sim import toy


class InvariantBroken(Exception):
    """A program's own error of this name."""


class DeeplyBroken(InvariantBroken):
    """A special case of it."""


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        if caught is not error:
            raise
        return caught


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvariantBroken("x"), FindingKind.CORRECTNESS),
        (DeeplyBroken("x"), FindingKind.CORRECTNESS),
        (AssertionError("x"), FindingKind.CORRECTNESS),
        (errors.Stalled(()), FindingKind.LIVENESS),
        (errors.StepLimit("x"), FindingKind.LIVENESS),
        (errors.TimeLimit("x"), FindingKind.LIVENESS),
        (errors.NotSettled("x"), FindingKind.LIVENESS),
        (errors.Overdue("x"), FindingKind.LIVENESS),
        (errors.Undecided("x"), FindingKind.CRASH),
        (errors.NonDeterminism("x"), FindingKind.NONDETERMINISM),
        (errors.FaultNeverFired("x"), FindingKind.FAULT_NEVER_FIRED),
        (errors.Unsupported("socket.socket"), FindingKind.CRASH),
        (KeyError("x"), FindingKind.CRASH),
    ],
)
def test_each_error_has_its_kind(error, kind):
    """The kind follows from the class; a program's own InvariantBroken counts by its name."""
    assert kind_of(error) is kind


def test_signature_has_class_check_and_place():
    """A signature is the class, the check before the colon, and the innermost function of the program."""
    error = raised(errors.InvariantBroken("unique ids of agent-17: id 3 twice"))
    assert signature_of(error) == f"InvariantBroken unique ids of # at {__name__}:raised"


def test_signature_of_a_crash_leaves_out_its_message():
    """The text of an unexpected error is mostly values."""
    assert signature_of(raised(KeyError("some words"))) == f"KeyError at {__name__}:raised"


def test_signature_without_a_place():
    """An error that passed through no code of the program has no place."""
    assert signature_of(errors.StepLimit("too long")) == "StepLimit too long"


def test_signature_of_a_stall_says_where_tasks_wait():
    """Tasks that wait at one place count once, whatever their names and lines."""
    lines = (
        "3:reader waits in read (a.py:10) > get (queues.py:158)",
        "4:reader waits in read (a.py:10) > get (queues.py:158)",
    )
    assert signature_of(errors.Stalled((*lines, "1:main waits in main (b.py:5)"))) == "Stalled main | read > get"


def test_signature_of_a_stall_leaves_out_who_holds_a_lock():
    """The holder is another task under each seed, and the bug is the same."""
    lines = (f"{name} waits in f (a.py:1) > acquire (locks.py:9) for a Lock held by {name}" for name in ("4:f", "5:f"))
    assert signature_of(errors.Stalled(tuple(lines))) == "Stalled f > acquire"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("no update is lost", "no update is lost"),
        ("run 17 of agent-0a1b: bad", "run # of #: bad"),
        ("value 'secret' (in 3 ms)", "value # (in # ms)"),
        ("first line\nsecond line", "first line"),
        ("word " * 50, ("word " * 20).strip()),
    ],
)
def test_what_varies_is_taken_out(text, rest):
    """Numbers, ids and quoted values, further lines and overlong ends are left out."""
    assert scrubbed(text) == rest


def test_group_is_told_by_its_broken_law():
    """Of a nested group of errors the broken law tells most, else the first."""
    group = ExceptionGroup("all", [KeyError("a"), ExceptionGroup("some", [AssertionError("law: broken")])])
    assert finding_of(group).signature == "AssertionError law"
    assert finding_of(ExceptionGroup("all", [KeyError("a"), ValueError("b")])).message == "'a'"


def test_error_without_text_is_named():
    """An empty message is replaced by the class."""
    assert finding_of(AssertionError()).message == "AssertionError"


def test_finding_has_the_traceback():
    """The traceback is kept as text."""
    assert 'raised(ValueError("x"))' not in finding_of(ValueError("x")).traceback
    assert finding_of(raised(ValueError("x"))).traceback.splitlines()[-1] == "ValueError: x"


def test_traceback_begins_with_the_program():
    """What the engine did before it came to the program is left out; an error of the engine alone is told whole."""
    finding = simulate(toy.UNLOCKED, next(s for s in range(100) if simulate(toy.UNLOCKED, s).failed)).finding
    assert finding is not None
    first = next(line for line in finding.traceback.splitlines() if line.startswith("  File "))
    assert "tests/sim/toy.py" in first
    assert "InvariantBroken: alone" in finding_of(InvariantBroken("alone")).traceback
