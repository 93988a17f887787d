"""The command line, over the toy's scenarios."""

import io
import json
import platform

import pytest

from kelpie_sim.campaign import seed_of, seeds_of
from kelpie_sim.cli import main
from kelpie_sim.determinism import Work
from kelpie_sim.simulation import simulate
from tests.sim import toy

GOOD = ("--scenarios", "tests.sim.toy")
BAD = ("--scenarios", "tests.sim.toy_failing")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def failing_seed() -> int:
    return next(seed for seed in seeds_of("kelpie", "count-unlocked", 30) if simulate(toy.UNLOCKED, seed).failed)


def test_simulate_runs_all_and_ends_with_the_table(capsys):
    """All went well: exit code 0, progress on stderr, the table on stdout."""
    assert main(["simulate", *GOOD, "--seeds", "3", "--jobs", "1"]) == 0
    out, err = capsys.readouterr()
    assert 1 == sum(line.startswith("4 scenarios, 12 seeds, ") for line in out.splitlines())
    assert err.splitlines()[-1] == "12 of 12 seeds, 0 findings, at sets"


def test_simulate_tells_of_failures(capsys, tmp_path):
    """A failure is told after the table: the line that reproduces it, its files, and its kind's exit code."""
    assert main(["simulate", *BAD, "--scenario", "count-unlocked", "--seeds", "20", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("make replay"))
    seed = line.rpartition("=")[2]
    assert line == f"make replay SCENARIO=count-unlocked SEED={seed}"
    assert (tmp_path / ".kelpie-sim" / f"count-unlocked-{seed}.toml").is_file()
    assert f"trace      .kelpie-sim/count-unlocked-{seed}.trace" in out


def test_base_seed_chooses_other_seeds(capsys):
    """Another base is another search: the very seeds that it draws are run."""
    bases = [str(base) for base in range(12)]
    expected = [int(simulate(toy.UNLOCKED, seed_of(base, "count-unlocked", 0)).failed) for base in bases]
    one_seed = ("simulate", *BAD, "--scenario", "count-unlocked", "--seeds", "1", "--jobs", "1")
    assert [main([*one_seed, "--base-seed", base]) for base in bases] == expected
    assert {0, 1} == set(expected)
    assert capsys.readouterr().err.count("1 of 1 seeds") == len(bases)


@pytest.mark.parametrize("which", [("count-unlocked", "{seed}"), ("--seed", "{seed}", "--scenario", "count-unlocked")])
def test_replay_fails_again(capsys, which):
    """A failing seed fails again, named by place or by option."""
    arguments = [part.format(seed=failing_seed()) for part in which]
    assert main(["replay", *BAD, *arguments]) == 1
    assert capsys.readouterr().out.startswith(f"make replay SCENARIO=count-unlocked SEED={failing_seed()}\n")


def test_replay_of_a_seed_file(capsys, tmp_path):
    """The seed file that a failure wrote replays it."""
    main(["replay", *BAD, "count-unlocked", str(failing_seed())])
    first = capsys.readouterr().out
    file = tmp_path / ".kelpie-sim" / f"count-unlocked-{failing_seed()}.toml"
    assert main(["replay", *BAD, "--file", str(file)]) == 1
    assert capsys.readouterr().out == first


def test_replay_of_a_good_seed_with_its_trace(capsys):
    """A run that goes well says so; its trace is printed if asked."""
    assert main(["replay", *GOOD, "count-once", "1", "--trace"]) == 0
    lines = capsys.readouterr().out.splitlines()
    outcome = simulate(toy.COUNT_ONCE, 1, keep_trace=True)
    assert tuple(lines[:-1]) == outcome.trace
    assert lines[-1] == f"count-once with seed 1 went well: {outcome.steps} steps, digest {outcome.digest}"


@pytest.mark.parametrize("arguments", [(), ("count",), ("--seed", "3")])
def test_replay_without_a_run_to_replay_is_wrong_usage(capsys, arguments):
    """A scenario without a seed, or a seed without a scenario, is wrong usage."""
    assert main(["replay", *GOOD, *arguments]) == 2
    assert capsys.readouterr().err == "kelpie-sim: say which scenario and seed, or which --file\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simulate", *GOOD, "--scenario", "no-such", "--jobs", "1"), "there is no scenario 'no-such'"),
        (("list", "--scenarios", "no.such.module"), "there is no module no.such.module"),
        (("replay", *GOOD, "no-such", "1"), "there is no scenario 'no-such'"),
    ],
)
def test_unknown_names_are_wrong_usage(capsys, arguments, message):
    """A name that is not there is exit code 2 with one line."""
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"kelpie-sim: {message}")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_filter_that_names_nothing_is_wrong_usage(capsys, jobs):
    """A scenario whose fault names no known operation is told in one line, from whichever process."""
    assert main(["simulate", "--scenarios", "tests.sim.toy_misnamed", "--jobs", jobs]) == 2
    assert "matches no operation of counter; known are count_read, count_write" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("simulate", "--seeds", "0"), ("nonsense",)])
def test_wrong_arguments_are_wrong_usage(capsys, arguments):
    """The parser's own refusals are exit code 2 too."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: kelpie-sim" in capsys.readouterr().err


def test_broken_seed_file_is_wrong_usage(capsys, tmp_path):
    """A file that is no seed file is told in one line."""
    (tmp_path / "bad.toml").write_text("nonsense")
    assert main(["replay", *GOOD, "--file", "bad.toml"]) == 2
    assert capsys.readouterr().err.startswith("kelpie-sim: bad.toml is no seed file")


def test_determinism_ends_with_its_count(capsys):
    """No divergence: exit code 0 and the final line."""
    assert main(["determinism", *GOOD, "--scenario", "mail", "--seeds", "3", "--jobs", "2"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{platform.python_version()}: 3 seeds, 5 rungs, 0 divergences\n"
    assert err == "mail: 3 of 3 seeds, 0 divergences\n"


def test_determinism_tells_of_divergences(capsys):
    """A divergence is exit code 5, with the record at which the runs part."""
    assert main(["determinism", *BAD, "--scenario", "leaking", "--seeds", "1", "--jobs", "2"]) == 5
    out = capsys.readouterr().out
    assert "leaking with seed " in out
    assert " diverges on the rung 'hash " in out


def test_list_names_the_scenarios(capsys):
    """Each scenario is a line with its number of seeds."""
    assert main(["list", *GOOD]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [scenario.name for scenario in toy.SCENARIOS]
    assert lines[0].split(maxsplit=3) == ["count", "20", "seeds", "Three clients count with a lock"]


def test_digests_answers_on_stdout(capsys, monkeypatch):
    """Work for the ladder comes in by stdin and its answer is all there is on stdout."""
    work = Work(module="tests.sim.toy", scenario="count", seeds=(1,))
    monkeypatch.setattr("sys.stdin", io.StringIO(work.to_json()))
    assert main(["digests"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"digests": [simulate(toy.COUNT, 1).digest], "lines": {}}]
