"""Runs next to a failing one."""

from kelpie_sim.report.diff import diff_text
from kelpie_sim.report.neighbours import changed, changes, neighbours, passing_neighbour
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.sim import toy

FAILING = next(outcome for seed in range(30) if (outcome := simulate(toy.UNLOCKED, seed, keep_trace=True)).failed)


def test_schedule_is_changed_first_and_from_its_end():
    """Each stream has its turn; plainer choices come before other ones."""
    tape = Tape.of({"a": [(2, 1), (2, 0)], "schedule": [(3, 2), (2, 0), (2, 1)]})
    assert list(changes(tape)) == [
        ("schedule", 2, 0),
        ("a", 0, 0),
        ("schedule", 0, 0),
        ("schedule", 1, 1),
        ("a", 1, 1),
        ("schedule", 0, 1),
    ]


def test_one_choice_is_changed():
    """The tape is the same but for that choice."""
    tape = Tape.of({"a": [(2, 1), (2, 0)], "b": [(5, 4)]})
    assert Tape.of({"a": [(2, 0), (2, 0)], "b": [(5, 4)]}) == changed(tape, ("a", 0, 0))


def test_neighbour_that_went_well_shows_what_made_the_difference():
    """The lost update goes away when one task is let run earlier or later."""
    diff = passing_neighbour(toy.UNLOCKED, FAILING)
    assert diff is not None
    assert (FAILING, False) == (diff.failing, diff.passing.failed)
    assert "the counter stands at 3" in diff_text(diff)


def test_search_has_its_bound():
    """No more runs are made than allowed, and their traces are kept."""
    runs = list(neighbours(toy.UNLOCKED, FAILING, tries=2))
    assert (2, True) == (len(runs), all(run.entries for run in runs))


def test_run_without_choices_has_no_neighbours():
    """Where nothing was drawn, nothing can be changed."""
    assert passing_neighbour(toy.UNLOCKED, FAILING, tries=0) is None
