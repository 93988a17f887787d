"""Invariants on the live program."""

from collections.abc import Callable

import pytest

from kelpie_sim.check.invariants import Invariants
from kelpie_sim.errors import InvariantBroken


def make() -> tuple[Invariants, list[Callable[[], None]]]:
    after_step: list[Callable[[], None]] = []
    return Invariants(after_step), after_step


def test_checks_run_at_their_moments_only():
    """A check costs nothing but at the moments that it names."""
    invariants, after_step = make()
    invariants.add("unique ids", lambda: None, when=("commit", "restart"))
    invariants.add("one leader", lambda: None, when=("restart",))
    for moment in ("commit", "commit", "restart", "other"):
        invariants.notify(moment)
    assert invariants.counts() == {"unique ids": 3, "one leader": 1}
    assert after_step == []


def test_check_of_every_step_hooks_itself_once():
    """Checks without a moment run after each step, by one hook of the loop."""
    invariants, after_step = make()
    invariants.add("a", lambda: None)
    invariants.add("b", lambda: None)
    for hook in after_step:
        hook()
    assert (len(after_step), invariants.counts()) == (1, {"a": 1, "b": 1})


def test_broken_invariant_raises_its_name_and_what_is_wrong():
    """The error names the law first, then the case."""
    invariants, _ = make()
    invariants.add("unique ids", lambda: "id 3 twice", when=("commit",))
    with pytest.raises(InvariantBroken, match=r"^unique ids: id 3 twice$"):
        invariants.notify("commit")


def test_broken_invariant_is_not_forgotten():
    """A program that catches the error is stopped after its step, with the first error."""
    invariants, after_step = make()
    for message in ("first", "second"):
        with pytest.raises(InvariantBroken):
            invariants.fail(message)
    (end_run,) = after_step
    with pytest.raises(InvariantBroken, match=r"^first$"):
        end_run()
    assert str(invariants.broken) == "first"


def test_check_in_place():
    """A condition that holds passes, one that does not raises its message; both are counted."""
    invariants, _ = make()
    invariants.check(True, "fine")
    with pytest.raises(InvariantBroken, match=r"^sum: 3 is not 4$"):
        invariants.check(0, "sum: 3 is not 4")
    assert invariants.counts() == {"checks in place": 2}


def test_name_means_one_invariant():
    """Two invariants of one name are refused: their counts would lie."""
    invariants, _ = make()
    invariants.add("unique ids", lambda: None)
    with pytest.raises(ValueError, match="there is an invariant named 'unique ids' already"):
        invariants.add("unique ids", lambda: None)
