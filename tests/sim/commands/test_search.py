"""run and soak, over the toy's scenarios."""

import json

import pytest

from kelpie_sim.cli import main
from kelpie_sim.commands import search
from kelpie_sim.tally import CampaignResult, Row

GOOD = ("--scenarios", "tests.sim.toy", "--jobs", "1")
BAD = ("--scenarios", "tests.sim.toy_failing", "--jobs", "1", "--scenario", "count-unlocked")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def seeds_done(capsys) -> list[int]:
    """Return the numbers of seeds that the progress showed."""
    return [int(line.split()[0]) for line in capsys.readouterr().err.splitlines()]


def test_run_and_simulate_are_one_command(capsys):
    """The two names do the same."""
    outputs = []
    for name in ("run", "simulate"):
        assert main([name, *GOOD, "--scenario", "mail", "--seeds", "3"]) == 0
        outputs.append(
            [line.partition(",")[0] for line in capsys.readouterr().out.splitlines() if " scenarios, " in line]
        )
    assert [["1 scenarios"]] * 2 == outputs


def test_coverage_is_written(tmp_path):
    """What was covered lies in the folder of artifacts, or where it is asked for."""
    assert main(["run", *GOOD, "--scenario", "mail", "--seeds", "10"]) == 0
    assert main(["run", *GOOD, "--scenario", "mail", "--seeds", "10", "--report", "deep/report.json"]) == 0
    documents = [
        json.loads((tmp_path / name).read_text()) for name in (".kelpie-sim/campaign.json", "deep/report.json")
    ]
    assert [10, 10] == [document["seeds"] for document in documents]
    assert documents[0]["faults"] == documents[1]["faults"]


def test_a_journal_is_gone_on_from(capsys):
    """A second run with the journal of the first runs only what is missing, and counts all."""
    one = ["run", *GOOD, "--scenario", "mail", "--journal", "journal"]
    assert main([*one, "--seeds", "8"]) == 0
    capsys.readouterr()
    assert main([*one, "--seeds", "12"]) == 0
    captured = capsys.readouterr()
    assert "1 scenarios, 12 seeds" in captured.out
    assert "12 of 12 seeds, 0 findings, at mail" == captured.err.splitlines()[-1]


def test_the_journal_of_another_campaign_is_wrong_usage(capsys):
    """The journal of another campaign is refused in one line."""
    assert main(["run", *GOOD, "--scenario", "mail", "--seeds", "2", "--journal", "journal"]) == 0
    assert main(["run", *GOOD, "--scenario", "count", "--seeds", "2", "--journal", "journal"]) == 2
    assert "kelpie-sim: journal is the journal of another campaign: give another file" in capsys.readouterr().err


def test_soak_goes_on_until_its_time_is_over(capsys):
    """A soak runs far more than its scenarios' own seeds, without saying how many there will be."""
    assert main(["soak", *GOOD, "--scenario", "count-once", "--time", "0.5"]) == 0
    captured = capsys.readouterr()
    (line,) = [line for line in captured.out.splitlines() if " scenarios, " in line]
    seeds = int(line.split(", ")[1].split()[0].replace(",", ""))
    assert (True, False) == (seeds > 5, " of " in captured.err)


def test_a_strategy_of_ones_own_is_in_the_line_that_reproduces(capsys):
    """A failure that another strategy found is reproduced with that strategy."""
    assert main(["run", *BAD, "--seeds", "3", "--strategy", "fifo"]) == 1
    assert capsys.readouterr().out.splitlines()[0].endswith(" STRATEGY=fifo")


@pytest.mark.parametrize(("command", "expected"), [("run", 130), ("soak", 0)])
def test_an_interrupt_is_told(capsys, monkeypatch, command, expected):
    """An interrupted run says so and has its own exit code; for a soak it is the usual end."""
    result = CampaignResult(rows=(Row(scenario="mail", seeds=1),), seconds=1, thorough=False, interrupted=True)
    monkeypatch.setattr(search, "run_campaign", lambda *_, **__: result)
    assert expected == main([command, *GOOD])
    assert "interrupted: the table is of what was done until then" in capsys.readouterr().out
