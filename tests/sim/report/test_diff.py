"""A failing and a passing run, side by side."""

import attrs

from kelpie_sim.report.diff import RunDiff, closest, compare, diff_runs, diff_text
from tests.sim.report.sample import ENTRIES, FAILED, PASSED, entry

# The same up to the loss, then all goes well.
OTHER = attrs.evolve(PASSED, entries=(*ENTRIES[:13], entry(6, 0, "net deliver", 11), entry(6, 1, "tape", b"x")))
EARLIER = attrs.evolve(PASSED, entries=(*ENTRIES[:5], entry(0, 1, "step")))


def test_first_difference_is_found():
    """The parting is the first entry that differs; what is recorded about the run itself does not count."""
    assert diff_runs(FAILED, OTHER) == RunDiff(failing=FAILED, passing=OTHER, index=12)


def test_run_may_end_where_the_other_goes_on():
    """When one run is the beginning of the other, they part at its end."""
    short = attrs.evolve(PASSED, entries=ENTRIES[:5])
    assert diff_runs(FAILED, short) == RunDiff(failing=FAILED, passing=short, index=4)


def test_same_runs_do_not_part():
    """Two equal runs have no diff, whatever their tapes."""
    assert diff_runs(FAILED, PASSED) is None


def test_closest_is_the_one_that_parts_last():
    """Of the runs that went well the one with the longest common beginning is taken; failing ones do not count."""
    failing_too = attrs.evolve(OTHER, finding=FAILED.finding)
    assert closest(FAILED, (EARLIER, OTHER, failing_too)) == RunDiff(failing=FAILED, passing=OTHER, index=12)
    assert closest(FAILED, (failing_too,)) is None


def test_what_never_happens_elsewhere_is_marked():
    """Each side shows its lines from the parting on, and which of them the other run does not have at all."""
    shown = compare(RunDiff(failing=FAILED, passing=OTHER, index=12), context=2, after=2)
    assert ["ask {'n': 2}", "-> server-1: data 12 B (lost)"] == [line.text for line in shown.common]
    assert ["LetterLost at send", "-x server-1: data 12 B is dropped: lost"] == [
        line.text for line in shown.failing.lines
    ]
    assert (True, True) == shown.failing.alone
    assert [("<- client-1: data 12 B", True)] == [
        (line.text, alone) for line, alone in zip(shown.passing.lines, shown.passing.alone, strict=True)
    ]


def test_diff_reads_side_by_side():
    """Common lines first, then the failing run to the left and the passing to the right, with how each ended."""
    head, title, *common, names, a, b, c, d, ends, note = diff_text(
        RunDiff(failing=FAILED, passing=OTHER, index=12), context=1, width=120
    ).splitlines()
    assert (head, title) == ("mail with seed 7 parts from a run that went well at entry 12", "the same in both:")
    assert common == ["        0.005000 s  client-1           -> server-1: data 12 B (lost)"]
    assert [tuple(cell.strip() for cell in row.split("|")) for row in (names, a, b, c, d, ends)] == [
        ("failing", "went well"),
        (
            "*       0.006000 s  world           !! LetterLost at send",
            "*       0.006000 s  server-1           <- client-1: dat...",
        ),
        ("*       0.006000 s  client-1           -x server-1: dat...", ""),
        ("*       0.007000 s  server-1         * crash (life 1)", ""),
        ("*       0.007000 s  world              server-1 loses p...", ""),
        ("FAILED: letters arrive: one of <2>", "went well"),
    ]
    assert note == "* never happens in the other run"
