"""The list of what the corpus holds."""

import pytest

from kelpie_sim import corpus
from kelpie_sim.campaign import seeds_of
from kelpie_sim.cli import main
from kelpie_sim.simulation import simulate
from tests.sim import toy

FAILING = ("--scenarios", "tests.sim.toy_failing")


@pytest.fixture
def folder(tmp_path):
    """A corpus of one failure."""
    outcome = next(o for seed in seeds_of("kelpie", "count-unlocked", 30) if (o := simulate(toy.UNLOCKED, seed)).failed)
    corpus.save(corpus.entry_of(outcome), tmp_path)
    return tmp_path


def listed(capsys, *arguments: str) -> tuple[int, str]:
    code = main(["seeds", *arguments])
    return code, capsys.readouterr().out


def test_the_list_tells_of_each(capsys, folder):
    """An entry is told by its file, its seed and what was found."""
    (entry,) = corpus.load_all(folder)
    code, out = listed(capsys, "--folder", str(folder))
    assert (0, entry.file_name, True) == (code, out.split()[0], f"found  {entry.finding}" in out)


def test_what_is_not_fixed_may_fail(capsys, folder):
    """A failure without a fix is told as such, and is no error."""
    code, out = listed(capsys, *FAILING, "--folder", str(folder), "--replay")
    assert (0, True) == (code, "fails, not fixed yet" in out)


def test_what_is_fixed_must_pass(capsys, folder):
    """A failure that has a fix and fails again is an error."""
    (entry,) = corpus.load_all(folder)
    corpus.save(corpus.Entry(scenario=entry.scenario, seed=entry.seed, signature=entry.signature,
                             finding=entry.finding, fix="a lock", tape=entry.tape), folder)  # fmt: skip
    code, out = listed(capsys, *FAILING, "--folder", str(folder), "--replay")
    assert (1, True) == (code, "FAILS AGAIN" in out)


def test_an_entry_of_no_scenario_is_told(capsys, folder):
    """An entry whose scenario is gone is told, not dropped."""
    code, out = listed(capsys, "--scenarios", "tests.sim.toy", "--folder", str(folder), "--replay")
    assert (0, True) == (code, "no such scenario" in out)


def test_a_folder_that_is_not_there_is_wrong_usage(capsys, tmp_path):
    """A wrong folder is told in one line, rather than as an empty corpus."""
    assert main(["seeds", "--folder", str(tmp_path / "no")]) == 2
    assert "there is no folder" in capsys.readouterr().err
