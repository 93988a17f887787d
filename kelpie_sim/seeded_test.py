"""One test of a suite over its seeds: which seeds, for how long, and the account of the first that fails.

Each test draws its own seeds from its name and a base, so order, selection and parallel workers change nothing. It
knows nothing of pytest: the plugin does.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs

from kelpie_sim import guards
from kelpie_sim.campaign import BASE_SEED, seed_of
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import Outcome
from kelpie_sim.report import artifacts, console
from kelpie_sim.report.account import SHRINK_SECONDS_MAX, account
from kelpie_sim.scenario import Scenario, searched_by
from kelpie_sim.simulation import simulate
from kelpie_sim.tally import Row, row_of

FaultMaker = Callable[[Swarm], tuple[Fault, ...]]


@attrs.frozen(kw_only=True)
class Settings:
    """What whoever runs the suite asked for."""

    seed: int | None = None
    """Exactly this one, once."""
    seeds: int | None = None
    """So many for each test, in place of its own number."""
    seconds: float | None = None
    """So long for each test, in place of a number."""
    base_seed: str = BASE_SEED
    strategy: str = ""
    """In place of the tests' own."""
    shrink: bool = True
    """Make failures small before they are told."""


class SeedFailed(Exception):
    """A seed of a test failed, or what had to happen never did; the message is the account."""


@attrs.frozen(kw_only=True)
class SeededTest:
    """A test and where it runs."""

    test: str
    """Its name in the suite; the seeds come from it."""
    settings: Settings
    root: Path

    def run(self, scenario: Scenario, seeds: int) -> tuple[tuple[Outcome, ...], Row]:
        """Run the scenario over the test's seeds and return the outcomes with their sum; raise SeedFailed."""
        scenario = searched_by(self.settings.strategy, scenario)
        outcomes: list[Outcome] = []
        row = Row(scenario=scenario.name)
        with guards.batch():
            for seed in self._seeds(seeds):
                outcomes.append(simulate(scenario, seed))
                if outcomes[-1].failed:
                    break
                row += row_of(outcomes[-1])
        if outcomes and outcomes[-1].failed:
            raise SeedFailed(self._account(scenario, outcomes[-1]))
        # Fewer seeds than the scenario's own may well have missed things.
        if self.settings.seed is None and row.seeds >= scenario.seeds and row.never_hit:
            raise SeedFailed(f"never reached in {row.seeds} seeds: {', '.join(row.never_hit)}")
        return tuple(outcomes), row

    def _seeds(self, seeds: int) -> Iterator[int]:
        settings = self.settings
        if settings.seed is not None:
            yield settings.seed
            return
        ends = None if settings.seconds is None else time.monotonic() + settings.seconds
        index = 0
        while index < (settings.seeds or seeds) if ends is None else (not index or time.monotonic() < ends):
            yield seed_of(settings.base_seed, self.test, index)
            index += 1

    def _account(self, scenario: Scenario, outcome: Outcome) -> str:
        """Run a failing seed again to keep its trace, make it small, write its files, and return the account."""
        reproduce = console.pytest_line(outcome, self.test, strategy=self.settings.strategy)
        seconds_max = SHRINK_SECONDS_MAX if self.settings.shrink else 0.0
        folder = self.root / artifacts.FOLDER
        return account(scenario, outcome, reproduce=reproduce, folder=folder, shrink_seconds_max=seconds_max)


def scenario_name(test: str) -> str:
    """Return a name of a scenario made from that of a test."""
    return re.sub(r"[^a-z0-9_]+", "-", test.lower()).strip("-_") or "test"


def faults_of(given: Iterable[object]) -> FaultMaker:
    """Return what draws the faults of a run from faults, and from functions of a swarm that return some.

    Raise TypeError for anything else.
    """
    makers = [_maker(part) for part in given]
    return lambda swarm: tuple(fault for maker in makers for fault in maker(swarm))


def _maker(part: object) -> FaultMaker:
    if isinstance(part, Fault):
        return lambda swarm: (part,)
    if callable(part):
        return part
    raise TypeError(f"a fault is wanted, or a function of a swarm that returns some, not {part!r}")
