"""What a person sees."""

import io
from pathlib import Path

import pytest

from kelpie_sim.determinism import Divergence
from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.report import console
from kelpie_sim.report.artifacts import Artifacts
from kelpie_sim.tally import CampaignResult, Found, Progress, Row, row_of

FAILED = Outcome(
    scenario="mail",
    seed=12345,
    digest="d",
    records=3,
    steps=17,
    virtual_ns=1_500_000_000,
    python="3.11.7",
    finding=Finding(
        kind=FindingKind.CORRECTNESS,
        signature="InvariantBroken letters arrive",
        message="letters arrive: none did\nof 3",
        traceback="Traceback\n  here\n",
    ),
    faults=(FaultReport(kind="LetterLost", matched=4, fired=2),),
    options={"lost": 0.5, "late": 0.0},
    story=("0.000000 s  sent", "1.500000 s  gave up"),
)
ACCOUNT = """\
make replay SCENARIO=mail SEED=12345
finding    correctness, in 3 seeds
signature  InvariantBroken letters arrive
message    letters arrive: none did
           of 3
options    lost=0.5, late=0.0
faults     LetterLost fired 2 of 4
run        17 steps, 1.500000 s, Python 3.11.7
trace      out/mail-12345.trace
timeline   out/mail-12345.html
seed file  out/mail-12345.toml
story
    1. 0.000000 s  sent
    2. 1.500000 s  gave up
traceback
  Traceback
    here"""


def test_account_of_a_failure():
    """The first line reproduces the failure; signature, options, faults, story and files follow."""
    files = Artifacts(
        trace=Path("out/mail-12345.trace"), timeline=Path("out/mail-12345.html"), seed=Path("out/mail-12345.toml")
    )
    assert console.failure_report(FAILED, reproduce=console.make_line(FAILED), artifacts=files, seeds=3) == ACCOUNT


def test_empty_fields_are_left_out():
    """What there is not is not printed."""
    bare = Outcome(
        scenario="quiet",
        seed=1,
        digest="d",
        records=0,
        steps=2,
        virtual_ns=0,
        python="3.11.7",
        finding=Finding(kind=FindingKind.LIVENESS, signature="StepLimit", message="too long"),
    )
    assert console.failure_report(bare, reproduce="again").splitlines() == [
        "again",
        "finding    liveness",
        "signature  StepLimit",
        "message    too long",
        "run        2 steps, 0.000000 s, Python 3.11.7",
    ]


def test_good_run_has_no_account():
    """Asking for the account of a run that did not fail is a mistake."""
    good = Outcome(scenario="quiet", seed=1, digest="d", records=0, steps=0, virtual_ns=0, python="")
    with pytest.raises(ValueError, match="seed 1 of quiet did not fail"):
        console.failure_report(good, reproduce="again")


def test_long_story_keeps_its_end():
    """Of a long story the last lines are shown, with their numbers."""
    lines = console._story(tuple(f"line {number}" for number in range(1, 101)))
    assert (lines[1], lines[2], lines[-1]) == ("  ... 40 lines before", "   41. line 41", "  100. line 100")


def test_test_is_quoted_for_the_shell():
    """A parametrized test's name survives the shell."""
    assert console.pytest_line(FAILED, "tests/t.py::test[a b]") == "DST_SEED=12345 pytest 'tests/t.py::test[a b]'"


def test_table_has_a_row_per_scenario_and_a_closing_line():
    """The table tells seeds, faults fired, what was hit, and findings; below it what was never reached."""
    quiet = Row(
        scenario="quiet",
        seeds=1_000,
        steps=4_000,
        seconds=0.5,
        faults={"DiskFull": FaultReport(kind="DiskFull", matched=9)},
        invariants={"unique ids": 12},
        sometimes={"retried": 0},
    )
    stream = io.StringIO()
    console.show_table(CampaignResult(rows=(row_of(FAILED), quiet), seconds=2, thorough=True), stream)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in stream.getvalue().splitlines() if "│" in line]
    assert cells == [
        ["mail", "1", "17", "", "LetterLost 2", "", "", "InvariantBroken letters arrive (1)"],
        ["quiet", "1,000", "4,000", "2,000", "", "unique ids 12", "retried 0", "none"],
    ]
    assert stream.getvalue().splitlines()[-3:] == [
        "2 scenarios, 1,001 seeds, 2 faults fired, 1 findings, 2.0 s, 500 seeds/s",
        "never fired in quiet: DiskFull",
        "never reached: quiet: retried",
    ]


def at(done: int) -> Progress:
    return Progress(scenario="mail", seeds_done=done, seeds_all=30, findings=1)


def test_progress_is_plain_lines_when_not_on_a_terminal():
    """Away from a terminal the first and the last step are printed, and those between now and then."""
    stream = io.StringIO()
    with console.showing_progress(stream) as show:
        for done in (10, 20, 30):
            show(at(done))
    assert stream.getvalue().splitlines() == [
        "10 of 30 seeds, 1 findings, at mail",
        "30 of 30 seeds, 1 findings, at mail",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    """On a terminal a bar counts up."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with console.showing_progress(stream) as show:
        show(at(30))
    assert "seeds, 1 findings" in stream.getvalue()
    assert "30/30" in stream.getvalue()


def test_divergence_names_the_record():
    """A divergence shows both records, or that they agreed when looked at."""
    found = Divergence(scenario="mail", seed=7, rung="hash 1", index=12, here="a", there="b")
    assert console.divergence_report(found).splitlines() == [
        "mail with seed 7 diverges on the rung 'hash 1' at record 12",
        "  here  a",
        "  there b",
    ]
    vanished = Divergence(scenario="mail", seed=7, rung="again", index=None)
    assert console.divergence_report(vanished).endswith("; with traces kept the two agreed")


def test_title_of_a_finding():
    """Findings are listed by scenario and signature."""
    assert console.found_title(Found(outcome=FAILED, seeds=3)) == "mail: InvariantBroken letters arrive (3 seeds)"
