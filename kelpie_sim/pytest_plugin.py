"""The pytest plugin: simulation tests that read like any test.

A coroutine that asks for `world` is run in a simulated world, once per seed; marks say how:

    @pytest.mark.simulation(seeds=100, strategy="portfolio")
    @pytest.mark.faults(NetworkReset(probability=0.01))
    async def test_letters_arrive(world): ...

A scenario that lies elsewhere is run by the fixture `simulate`:

    def test_mail(simulate):
        simulate(MAIL, seeds=20)

Each test draws its own seeds from its node id and a base, so order, selection and parallel workers change nothing.
With DST_SEED (or --dst-seed) set, each simulation runs exactly that seed, once. A failing seed fails the test with the
account of the run, whose first line reproduces it. Other fixtures are made once per test, not per seed.
"""

import inspect
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from kelpie_sim.outcome import Outcome
    from kelpie_sim.scenario import Scenario
    from kelpie_sim.seeded_test import SeededTest, Settings
    from kelpie_sim.simulation import World
    from kelpie_sim.tally import Row

SEEDS_DEFAULT = 20
SIMULATION, FAULTS = "simulation", "faults"
_MARK_OPTIONS = ("seeds", "operations", "sometimes", "step_limit", "strategy", "time_limit_seconds")
# Small enough that a program which never ends is told within seconds.
_LIMITS = {"step_limit": 200_000, "time_limit_seconds": 3_600.0}
_MARKERS = (
    f"{SIMULATION}({', '.join(f'{name}=' for name in _MARK_OPTIONS)}): how a coroutine test that asks for `world` runs",
    f"{FAULTS}(*faults, drawn=): what may go wrong meanwhile: faults, or functions of a swarm that return some",
)


class Simulate(Protocol):
    """What the fixture `simulate` gives to a test."""

    def __call__(self, scenario: "Scenario", *, seeds: int = SEEDS_DEFAULT) -> "tuple[Outcome, ...]":
        """Run the scenario for the test's seeds and return the outcomes; fail the test at the first finding."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose seeds."""
    group = parser.getgroup("simulation")
    group.addoption("--dst-seed", type=int, help="run each simulation with exactly this seed (also: DST_SEED)")
    group.addoption("--dst-seeds", type=int, help="run each simulation with so many seeds")
    group.addoption("--dst-time", metavar="SPAN", help="run each simulation for so long instead: 90, 45s, 10m, 8h")
    group.addoption("--dst-strategy", default="", metavar="NAME", help="search by this, not by each test's own")
    group.addoption("--dst-no-shrink", action="store_true", help="tell failures as they were found, not made small")
    group.addoption("--dst-base-seed", help="what the seeds of all tests are drawn from (also: DST_BASE_SEED)")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks, and refuse options that mean nothing before anything runs."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    chosen_seed(config)
    chosen_seconds(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say when one seed was asked for: nearly all of the suite's search is off then."""
    seed = chosen_seed(config)
    return None if seed is None else f"simulation: every test runs seed {seed} only"


def chosen_seed(config: pytest.Config) -> int | None:
    """Return the one seed to run, if it was asked for; raise UsageError when it is no number."""
    option: int | None = config.getoption("--dst-seed")
    text = os.environ.get("DST_SEED", "")
    if option is not None or not text:
        return option
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"DST_SEED is {text!r}: it must be a whole number") from None


def chosen_seconds(config: pytest.Config) -> float | None:
    """Return how long each simulation is to search, if that was asked for; raise UsageError when it is no span."""
    text = config.getoption("--dst-time")
    if text is None:
        return None
    from argparse import ArgumentTypeError

    from kelpie_sim.commands.options import seconds

    try:
        return seconds(text)
    except ArgumentTypeError as error:
        raise pytest.UsageError(f"--dst-time is {text!r}: {error}") from None


def _settings(config: pytest.Config) -> "Settings":
    from kelpie_sim.campaign import BASE_SEED
    from kelpie_sim.seeded_test import Settings

    return Settings(
        seed=chosen_seed(config),
        seeds=config.getoption("--dst-seeds"),
        seconds=chosen_seconds(config),
        base_seed=config.getoption("--dst-base-seed") or os.environ.get("DST_BASE_SEED") or BASE_SEED,
        strategy=config.getoption("--dst-strategy"),
        shrink=not config.getoption("--dst-no-shrink"),
    )


def _seeded(item: pytest.Item) -> "SeededTest":
    from kelpie_sim.seeded_test import SeededTest

    return SeededTest(test=item.nodeid, settings=_settings(item.config), root=item.config.rootpath)


def _run(item: pytest.Item, scenario: "Scenario", seeds: int) -> "tuple[Outcome, ...]":
    """Run a scenario for the seeds of a test; fail the test at the first finding."""
    from kelpie_sim.seeded_test import SeedFailed

    __tracebackhide__ = True
    try:
        outcomes, row = _seeded(item).run(scenario, seeds)
    except SeedFailed as failure:
        account = str(failure)
    else:
        item.user_properties.append((SIMULATION, _counts(row)))
        return outcomes
    pytest.fail(account, pytrace=False)


def _counts(row: "Row") -> dict[str, object]:
    """Return what the summary needs, as values that travel between processes."""
    fired = {kind: report.fired for kind, report in row.faults.items()}
    return {"seeds": row.seeds, "steps": row.steps, "faults": fired}


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """Run scenarios for this test's seeds."""
    item = request.node

    def run(scenario: "Scenario", *, seeds: int = SEEDS_DEFAULT) -> "tuple[Outcome, ...]":
        __tracebackhide__ = True
        return _run(item, scenario, seeds)

    return run


@pytest.fixture
def world() -> None:
    """The simulated world of a coroutine test: another one for each seed. See World in kelpie_sim.simulation."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test that asks for `world` in simulated worlds."""
    if "world" not in pyfuncitem.funcargs or not inspect.iscoroutinefunction(pyfuncitem.obj):
        # A mark on a whole module or class may well cover tests that are none.
        if any(mark.name == SIMULATION for mark in pyfuncitem.own_markers):
            raise pytest.UsageError(f"{pyfuncitem.nodeid}: a simulation is a coroutine that asks for `world`")
        return None
    __tracebackhide__ = True
    scenario, seeds = _scenario_of(pyfuncitem)
    _run(pyfuncitem, scenario, seeds)
    return True


def _scenario_of(item: pytest.Function) -> "tuple[Scenario, int]":
    """Return the test as a scenario, and its number of seeds."""
    from kelpie_sim.scenario import Scenario
    from kelpie_sim.seeded_test import faults_of, scenario_name
    from kelpie_sim.strategies import PORTFOLIO, check_name

    # The portfolio unless said: no single strategy finds as much.
    options: dict[str, object] = {"strategy": PORTFOLIO, **_LIMITS, **_mark_options(item)}
    seeds = options.pop("seeds", SEEDS_DEFAULT)
    if not isinstance(seeds, int) or seeds < 1:
        raise pytest.UsageError(f"{item.nodeid}: seeds={seeds!r}: it must be a whole number of at least 1")
    wanted = set(inspect.signature(item.obj).parameters)
    arguments = {name: value for name, value in item.funcargs.items() if name in wanted}

    async def run(world: "World") -> None:
        await item.obj(**{**arguments, "world": world})

    faults = (fault for mark in item.iter_markers(FAULTS) for fault in (*mark.args, *mark.kwargs.values()))
    try:
        check_name(str(options["strategy"]))
        made = Scenario(name=scenario_name(item.name), run=run, faults=faults_of(faults), seeds=seeds, **options)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{item.nodeid}: {error}") from error
    return made, seeds


def _mark_options(item: pytest.Function) -> dict[str, object]:
    """Return what the simulation marks say, the nearest first to count; raise UsageError for what they cannot say."""
    options: dict[str, object] = {}
    for mark in item.iter_markers(SIMULATION):
        unknown = [*map(repr, mark.args), *(name for name in mark.kwargs if name not in _MARK_OPTIONS)]
        if unknown:
            known = ", ".join(_MARK_OPTIONS)
            raise pytest.UsageError(f"{item.nodeid}: simulation takes {known}; it does not take {', '.join(unknown)}")
        options = {**mark.kwargs, **options}
    return options


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what all simulations came to, also of those that ran in other processes."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    counts = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == SIMULATION
    ]
    if counts:
        terminalreporter.write_line(_summary(counts))


def _summary(counts: Iterable[Mapping[str, object]]) -> str:
    listed = list(counts)
    fired: dict[str, int] = {}
    for count in listed:
        for kind, times in _faults(count).items():
            fired[kind] = fired.get(kind, 0) + times
    seeds = sum(int(str(count["seeds"])) for count in listed)
    told = ", ".join(f"{kind} {times:,}" for kind, times in sorted(fired.items()))
    return f"simulation: {len(listed)} passed over {seeds:,} seeds" + (f"; faults fired: {told}" if told else "")


def _faults(count: Mapping[str, object]) -> Mapping[str, int]:
    faults = count["faults"]
    return faults if isinstance(faults, dict) else {}
