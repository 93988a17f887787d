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


MARKED = """
import asyncio
import pytest
from tests.sim.toy import OPERATIONS, Counter, CountRefused, CounterDown

@pytest.fixture
def clients():
    return 3

pytestmark = pytest.mark.simulation(seeds=7, operations=OPERATIONS)

@pytest.mark.simulation(seeds=30)
@pytest.mark.faults(CountRefused(probability=0.2, on="count_read"))
async def test_refused(world, clients):
    counter = Counter(world)
    refused = 0
    for _ in range(clients):
        try:
            await counter.increment()
        except CounterDown:
            refused += 1
    world.check(counter.value + refused == clients, "all are told")

@pytest.mark.simulation(seeds=30)
@pytest.mark.parametrize("locked", [True, False])
async def test_counts(world, locked):
    counter = Counter(world)
    work = counter.increment if locked else counter.increment_unlocked
    await asyncio.gather(*(work() for _ in range(3)))
    world.check(counter.value == 3, f"no update is lost: {counter.value} of 3")

def test_plain():
    pass
"""


@pytest.fixture
def marked(pytester, monkeypatch):
    monkeypatch.delenv("DST_SEED", raising=False)
    # The plugin is known by its entry point, so the suite's own environment has it.
    pytester.makepyfile(test_marked=MARKED)
    return pytester


def test_coroutines_that_ask_for_a_world_are_simulated(marked):
    """A marked coroutine runs over its seeds, with fixtures and parameters, and fails where some seed does."""
    result = run(marked)
    result.assert_outcomes(passed=3, failed=1)
    (line,) = [line for line in result.outlines if line.startswith("DST_SEED=")]
    assert line.endswith(" pytest 'test_marked.py::test_counts[False]'")
    result.stdout.fnmatch_lines(["simulation: 2 passed over 60 seeds; faults fired: CountRefused *"])


def test_processes_report_the_same_failures(marked):
    """With parallel workers the same tests fail with the same seeds, and the summary counts them all."""
    alone = run(marked)
    parallel = marked.runpytest_subprocess("-p", "no:cacheprovider", "-n", "2")
    lines = [
        [line for line in result.outlines if line.startswith(("DST_SEED=", "simulation: "))]
        for result in (alone, parallel)
    ]
    assert lines[0] == lines[1]
    assert 2 == len(lines[0])


def test_another_strategy_can_be_asked_for(marked):
    """In asyncio's own order the unlocked counter fails at its first seed, and the line says how it was found."""
    result = run(marked, "-k", "False", "--dst-strategy", "fifo")
    (line,) = [line for line in result.outlines if line.startswith("DST_SEED=")]
    assert line.endswith(" --dst-strategy fifo")


def test_time_takes_the_place_of_a_number(marked):
    """--dst-time searches for so long, far past the test's own number."""
    result = run(marked, "-k", "True", "--dst-time", "0.3")
    (line,) = [line for line in result.outlines if line.startswith("simulation: ")]
    assert int(line.split()[4].replace(",", "")) > 60


@pytest.mark.parametrize("span", ["soon", "0", "5 m"])
def test_time_that_is_no_span_is_wrong_usage(marked, span):
    """A span that cannot be read stops the suite before it starts."""
    result = run(marked, "--dst-time", span)
    result.stderr.fnmatch_lines([f"ERROR: --dst-time is '{span}': a span of time like *"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("mark", "body", "told"),
    [
        ("simulation(seed=3)", "async def test(world): pass", "it does not take seed"),
        ("simulation(30)", "async def test(world): pass", "it does not take 30"),
        ("simulation(seeds=0)", "async def test(world): pass", "seeds=0: it must be a whole number of at least 1"),
        ("simulation(step_limit=0)", "async def test(world): pass", "step_limit"),
        ("simulation()", "def test(world): pass", "a simulation is a coroutine that asks for `world`"),
        ("simulation()", "async def test(): pass", "a simulation is a coroutine that asks for `world`"),
        ("faults('crash')", "async def test(world): pass", "a fault is wanted"),
        ("simulation(strategy='clever')", "async def test(world): pass", "no strategy is named 'clever'"),
    ],
)
def test_marks_that_mean_nothing_are_refused(marked, mark, body, told):
    """A mark that says what it cannot say fails its test with what is wrong, and nothing is run."""
    marked.makepyfile(test_wrong=f"import pytest\n\n@pytest.mark.{mark}\n{body}\n")
    result = run(marked, "test_wrong.py")
    result.assert_outcomes(failed=1)
    assert told in result.stdout.str()


def test_what_has_to_happen_must(marked):
    """A test that never reaches what it has to fails; asked for one seed, or fewer seeds than its own, it does not."""
    body = "@pytest.mark.simulation(seeds=5, sometimes=('harm',))\nasync def test(world): pass\n"
    marked.makepyfile(test_blind=f"import pytest\n\n{body}")
    result = run(marked, "test_blind.py")
    assert "never reached in 5 seeds: harm" in result.stdout.str()
    run(marked, "test_blind.py", "--dst-seed", "3").assert_outcomes(passed=1)
    run(marked, "test_blind.py", "--dst-seeds", "4").assert_outcomes(passed=1)


def test_the_marks_are_listed(marked):
    """pytest --markers tells what the marks are for."""
    output = run(marked, "--markers").stdout.str()
    assert "@pytest.mark.simulation(seeds=" in output
    assert "@pytest.mark.faults(*faults, drawn=)" in output


DRAWN = """
import pytest
from tests.sim.toy import OPERATIONS, Counter, CountRefused, CounterDown

def drawn(swarm):
    return (CountRefused(probability=swarm.rate("refused")),)

@pytest.mark.simulation(seeds=30, operations=OPERATIONS)
@pytest.mark.faults(drawn=drawn)
async def test_drawn(world):
    for _ in range(9):
        try:
            await Counter(world).increment()
        except CounterDown:
            pass

@pytest.mark.simulation(seeds=1)
async def test_endless(world):
    while True:
        await world.sleep(60)
"""


def test_faults_may_be_drawn_by_a_lone_function(marked):
    """A function of the swarm is given by name, since pytest takes a mark's only argument for what it decorates."""
    marked.makepyfile(test_drawn=DRAWN)
    result = run(marked, "test_drawn.py", "-k", "drawn")
    result.stdout.fnmatch_lines(["simulation: 1 passed over 30 seeds; faults fired: CountRefused *"])


def test_a_test_that_never_ends_is_told_soon(marked):
    """Without a limit of its own a test ends after an hour of virtual time, as a finding of liveness."""
    marked.makepyfile(test_drawn=DRAWN)
    result = run(marked, "test_drawn.py", "-k", "endless", "--dst-no-shrink")
    result.stdout.fnmatch_lines(["finding    liveness", "message    the next timer is due at 36* ns*"])
