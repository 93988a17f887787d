"""prove and branch, over the toy's scenarios."""

import pytest

from kelpie_sim.cli import main

GOOD, BAD = ("--scenarios", "tests.sim.toy"), ("--scenarios", "tests.sim.toy_failing")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_small_program_is_proven(capsys):
    """A program that is right in every order is told so, with the number of runs."""
    assert main(["prove", *GOOD, "count-once"]) == 0
    assert capsys.readouterr().out.startswith("count-once: right in every order; ")


def test_a_proof_that_was_not_finished_is_none(capsys):
    """Out of budget without a failure is exit code 1: nothing is proven."""
    assert main(["prove", *GOOD, "count", "--schedules", "5"]) == 1
    assert "no failure in 5 runs" in capsys.readouterr().out


def test_a_proof_finds_the_planted_bug(capsys, tmp_path):
    """A failing order is told with a seed file that replays it, and the exit code of its finding."""
    assert main(["prove", *BAD, "count-unlocked"]) == 1
    out = capsys.readouterr().out
    assert "found in run 1; no run with fewer deviations fails" in out
    file = out.splitlines()[0].partition("--file ")[2]
    assert main(["replay", *BAD, "--file", file]) == 1


def test_branching_tells_the_recipe(capsys):
    """A timeline that fails is told with the recipe that runs it again."""
    assert main(["branch", *BAD, "count-unlocked", "--timelines", "50"]) == 1
    recipe = capsys.readouterr().out.splitlines()[0].partition("--recipe ")[2].strip("'")
    assert main(["branch", *BAD, "count-unlocked", "--recipe", recipe]) == 1


def test_timelines_that_go_well_are_counted(capsys):
    """Without a failure the number of timelines is told."""
    assert main(["branch", *GOOD, "mail", "--timelines", "20"]) == 0
    assert "mail: 20 timelines went well\n" == capsys.readouterr().out


def test_a_recipe_that_leads_nowhere_is_wrong_usage(capsys):
    """A point that the timeline never comes to is told in one line."""
    assert main(["branch", *GOOD, "mail", "--recipe", "1@nowhere -> 2"]) == 2
    assert "never came to 'nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--recipe", "1@"), ("--timelines", "0")])
def test_wrong_arguments_are_wrong_usage(arguments):
    """What is no recipe, or no number, is refused by the parser."""
    with pytest.raises(SystemExit, match="2"):
        main(["branch", *GOOD, "mail", *arguments])
