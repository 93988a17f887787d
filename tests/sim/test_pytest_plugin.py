"""The pytest plugin, run on small suites of its own."""

import pytest

from kelpie_sim.campaign import seeds_of

pytest_plugins = ["pytester"]

SUITE = """
from pathlib import Path
from tests.sim import toy

def test_good(simulate):
    outcomes = simulate(toy.COUNT, seeds=4)
    Path("seeds.txt").write_text(" ".join(str(outcome.seed) for outcome in outcomes))

def test_bad(simulate):
    simulate(toy.UNLOCKED, seeds=30)
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.delenv("DST_SEED", raising=False)
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def run(suite, *arguments: str):
    return suite.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def seeds_run(suite) -> tuple[int, ...]:
    return tuple(int(text) for text in (suite.path / "seeds.txt").read_text().split())


def test_seeds_come_from_the_name_of_the_test(suite):
    """A test runs the seeds of its node id, whatever else runs."""
    run(suite, "-k", "good").assert_outcomes(passed=1, deselected=1)
    assert seeds_run(suite) == seeds_of("kelpie", "test_suite.py::test_good", 4)


def test_base_chooses_other_seeds(suite, monkeypatch):
    """The base comes from the option or from the environment."""
    run(suite, "-k", "good", "--dst-base-seed", "a").assert_outcomes(passed=1, deselected=1)
    assert seeds_run(suite) == seeds_of("a", "test_suite.py::test_good", 4)
    monkeypatch.setenv("DST_BASE_SEED", "b")
    run(suite, "-k", "good").assert_outcomes(passed=1, deselected=1)
    assert seeds_run(suite) == seeds_of("b", "test_suite.py::test_good", 4)


def test_number_of_seeds_can_be_widened(suite):
    """--dst-seeds runs so many seeds instead of the test's own number."""
    run(suite, "-k", "good", "--dst-seeds", "9").assert_outcomes(passed=1, deselected=1)
    assert seeds_run(suite) == seeds_of("kelpie", "test_suite.py::test_good", 9)


def test_one_seed_can_be_asked_for(suite, monkeypatch):
    """DST_SEED, or --dst-seed, runs exactly that seed, once, and the header says so."""
    result = run(suite, "-k", "good", "--dst-seed", "77")
    assert seeds_run(suite) == (77,)
    result.stdout.fnmatch_lines(["simulation: every test runs seed 77 only"])
    monkeypatch.setenv("DST_SEED", "78")
    run(suite, "-k", "good")
    assert seeds_run(suite) == (78,)


def test_seed_that_is_no_number_is_wrong_usage(suite, monkeypatch):
    """A mistyped DST_SEED stops the suite instead of running something else."""
    monkeypatch.setenv("DST_SEED", "abc")
    result = run(suite)
    result.stderr.fnmatch_lines(["ERROR: DST_SEED is 'abc': it must be a whole number"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_failure_starts_with_the_line_that_reproduces_it(suite):
    """A failing seed fails its test with the account of the run, and its files lie below the root."""
    result = run(suite, "-k", "bad")
    result.assert_outcomes(failed=1, deselected=1)
    (line,) = [line for line in result.outlines if line.startswith("DST_SEED=")]
    seed = line.partition(" ")[0].partition("=")[2]
    assert line == f"DST_SEED={seed} pytest test_suite.py::test_bad"
    heading = next(index for index, text in enumerate(result.outlines) if " test_bad " in text)
    assert result.outlines[heading + 1] == line
    result.stdout.fnmatch_lines(["signature  InvariantBroken no update is lost at tests.sim.toy:count_unlocked"])
    assert (suite.path / ".kelpie-sim" / f"count-unlocked-{seed}.trace").is_file()


def test_failing_seed_fails_alone(suite):
    """The printed line reproduces the failure."""
    (line,) = [line for line in run(suite, "-k", "bad").outlines if line.startswith("DST_SEED=")]
    seed = line.partition(" ")[0].partition("=")[2]
    run(suite, "-k", "bad", "--dst-seed", seed).assert_outcomes(failed=1, deselected=1)
