"""The pytest plugin: simulation tests that read like any test.

    def test_letters_arrive(simulate):
        simulate(MAIL, seeds=20)

Each test draws its own seeds from its node id and a base, so order, selection and parallel workers change nothing.
With DST_SEED (or --dst-seed) set, each simulation runs exactly that seed, once. A failing seed fails the test with the
account of the run, whose first line reproduces it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from kelpie_sim.outcome import Outcome
    from kelpie_sim.scenario import Scenario

SEEDS_DEFAULT = 20


class Simulate(Protocol):
    """What the fixture `simulate` gives to a test."""

    def __call__(self, scenario: "Scenario", *, seeds: int = SEEDS_DEFAULT) -> "tuple[Outcome, ...]":
        """Run the scenario for the test's seeds and return the outcomes; fail the test at the first finding."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose seeds."""
    group = parser.getgroup("simulation")
    group.addoption("--dst-seed", type=int, help="run each simulation with exactly this seed (also: DST_SEED)")
    group.addoption("--dst-seeds", type=int, help="run each simulation with so many seeds")
    group.addoption("--dst-base-seed", help="what the seeds of all tests are drawn from (also: DST_BASE_SEED)")


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


def chosen_seeds(config: pytest.Config, test: str, seeds: int) -> tuple[int, ...]:
    """Return the seeds that a test runs when it asks for so many."""
    from kelpie_sim.campaign import BASE_SEED, seeds_of

    seed = chosen_seed(config)
    if seed is not None:
        return (seed,)
    base = config.getoption("--dst-base-seed") or os.environ.get("DST_BASE_SEED") or BASE_SEED
    return seeds_of(base, test, config.getoption("--dst-seeds") or seeds)


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """Run scenarios for this test's seeds."""
    config, test = request.config, request.node.nodeid

    def run(scenario: "Scenario", *, seeds: int = SEEDS_DEFAULT) -> "tuple[Outcome, ...]":
        __tracebackhide__ = True
        return tuple(_passing(scenario, chosen_seeds(config, test, seeds), test, config.rootpath))

    return run


def _passing(scenario: "Scenario", seeds: tuple[int, ...], test: str, root: Path) -> "Iterator[Outcome]":
    """Yield the outcomes of the seeds; fail the test at the first finding."""
    from kelpie_sim import simulation

    __tracebackhide__ = True
    for seed in seeds:
        outcome = simulation.simulate(scenario, seed)
        if outcome.failed:
            pytest.fail(_account(scenario, outcome, test, root), pytrace=False)
        yield outcome


def _account(scenario: "Scenario", outcome: "Outcome", test: str, root: Path) -> str:
    """Run a failing seed again to keep its trace, write its files, and return the account."""
    from kelpie_sim import simulation
    from kelpie_sim.report import artifacts, console

    kept = simulation.simulate(scenario, outcome.seed, keep_trace=True)
    files = artifacts.write_artifacts(kept, root / artifacts.FOLDER) if kept.failed else None
    return console.failure_report(outcome, reproduce=console.pytest_line(outcome, test), artifacts=files)
