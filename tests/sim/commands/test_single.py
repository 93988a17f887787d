"""One run again."""

import pytest

from kelpie_sim.campaign import seeds_of
from kelpie_sim.cli import main, make_parser
from kelpie_sim.commands import single
from kelpie_sim.commands.options import Usage
from kelpie_sim.commands.single import the_run
from kelpie_sim.report.diff import diff_text
from kelpie_sim.report.neighbours import passing_neighbour
from kelpie_sim.report.story import story_of
from kelpie_sim.report.timeline.diff_page import diff_page
from kelpie_sim.report.timeline.page import timeline_page
from kelpie_sim.simulation import simulate
from tests.sim import toy

BAD = ("--scenarios", "tests.sim.toy_failing")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_strategy_that_found_it_replays_it(capsys):
    """A run is replayed by the strategy that is named, and its line says so."""
    seed = seeds_of("kelpie", "count-unlocked", 1)[0]
    main(["replay", *BAD, "count-unlocked", str(seed), "--strategy", "fifo"])
    assert f"make replay SCENARIO=count-unlocked SEED={seed} STRATEGY=fifo" == capsys.readouterr().out.splitlines()[0]


def test_the_run_comes_with_its_scenario_and_trace():
    """The run that arguments name has its trace kept."""
    options = make_parser().parse_args(["replay", "--scenarios", "tests.sim.toy", "mail", "3"])
    scenario, outcome = the_run(options)
    assert (toy.MAIL, simulate(toy.MAIL, 3, keep_trace=True)) == (scenario, outcome)


def test_half_a_name_is_wrong_usage():
    """A seed without a scenario names no run."""
    options = make_parser().parse_args(["replay", "--scenarios", "tests.sim.toy", "--seed", "3"])
    with pytest.raises(Usage, match="which scenario and seed"):
        the_run(options)


def test_story_and_timeline_of_a_run_on_request(capsys, tmp_path):
    """A replay prints what happened, a line each, and writes the timeline where it is wanted, of a good run too."""
    page = tmp_path / "run.html"
    main(["replay", "--scenarios", "tests.sim.toy", "count", "3", "--story", "--html", str(page)])
    outcome = simulate(toy.COUNT, 3, keep_trace=True)
    told = capsys.readouterr().out.splitlines()
    assert [str(line) for line in story_of(outcome)] == told[:-2]
    assert f"timeline   {page}" == told[-2]
    assert timeline_page(outcome) == page.read_text(encoding="utf-8")


def test_failure_is_set_beside_a_run_that_went_well(capsys, tmp_path):
    """On request the closest run that went well stands beside the failure, in the terminal and on a page."""
    seed = next(seed for seed in range(30) if simulate(toy.UNLOCKED, seed).failed)
    page = tmp_path / "diff.html"
    main(["replay", *BAD, "count-unlocked", str(seed), "--diff", str(page)])
    diff = passing_neighbour(toy.UNLOCKED, simulate(toy.UNLOCKED, seed, keep_trace=True))
    assert diff is not None
    assert capsys.readouterr().out.endswith(f"diff       {page}\n{diff_text(diff)}\n")
    assert diff_page(diff) == page.read_text(encoding="utf-8")


def test_failure_without_a_good_neighbour_says_so(capsys, tmp_path):
    """Where each single change still fails there is nothing to set beside it."""
    single._print_diff(None, tmp_path / "diff.html")
    assert capsys.readouterr().out == "diff       no run that differs in one choice went well\n"
    assert [] == list(tmp_path.iterdir())


def a_failing_seed() -> str:
    return str(next(seed for seed in seeds_of("kelpie", "count-unlocked", 30) if simulate(toy.UNLOCKED, seed).failed))


def test_shrink_tells_the_small_run(capsys):
    """A failing run is made small and told, with the exit code of its finding."""
    assert main(["shrink", *BAD, "count-unlocked", a_failing_seed()]) == 1
    out = capsys.readouterr().out
    assert out.startswith("make replay SCENARIO=count-unlocked")
    assert "shrunk     in " in out


def test_shrink_keeps_to_its_runs(capsys):
    """So many runs are allowed, and no more are made."""
    assert main(["shrink", *BAD, "count-unlocked", a_failing_seed(), "--runs", "1"]) == 1
    assert "shrunk     in 1 runs" in capsys.readouterr().out


def test_explain_sets_a_good_run_beside(capsys, tmp_path):
    """A failure is explained by its small story and by the first record at which it leaves a run that went well."""
    seed = a_failing_seed()
    assert main(["explain", *BAD, "count-unlocked", seed]) == 1
    out = capsys.readouterr().out
    assert "shrunk     in " in out
    assert f"diff       .kelpie-sim/count-unlocked-{seed}.diff.html" in out
    assert (tmp_path / ".kelpie-sim" / f"count-unlocked-{seed}.diff.html").is_file()


@pytest.mark.parametrize("command", ["shrink", "explain"])
def test_a_good_run_is_wrong_usage(capsys, command):
    """There is nothing to shrink or explain in a run that went well."""
    assert main([command, "--scenarios", "tests.sim.toy", "mail", "3"]) == 2
    assert "mail with seed 3 went well" in capsys.readouterr().err
