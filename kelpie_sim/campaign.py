"""A campaign: many scenarios over many seeds on all cores, and what it all came to.

Seeds come from a base and the scenario's name, never from a counter that runs share: adding a scenario moves no other.
Work goes to processes in batches; a batch comes back as one row of counts, and a failure as its shortest outcome per
signature.
"""

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from hashlib import blake2b
from multiprocessing import get_context
from typing import TypeVar

import attrs

from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios
from kelpie_sim.simulation import simulate

SCENARIOS_MODULE = "kelpie_sim.agents.scenarios"
BASE_SEED = "kelpie"
BATCH_SEEDS_MAX = 50
# So many batches per process and scenario, at least: progress moves, and no process idles long at the end.
BATCHES_PER_JOB = 4

V = TypeVar("V")


@attrs.frozen(kw_only=True)
class Plan:
    """What to run."""

    module: str = SCENARIOS_MODULE
    scenarios: tuple[str, ...] = ()
    """Names; none means all."""
    seeds: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    """Per scenario; None means each scenario's own number."""
    base_seed: str = BASE_SEED
    jobs: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    fail_fast: bool = False


@attrs.frozen(kw_only=True)
class Batch:
    """A piece of work for one process."""

    module: str
    scenario: str
    seeds: tuple[int, ...]
    fail_fast: bool


@attrs.frozen(kw_only=True)
class Found:
    """A failure: its shortest run, and how many seeds met it."""

    outcome: Outcome
    seeds: int = 1

    def __add__(self, other: "Found") -> "Found":
        shorter = min(self.outcome, other.outcome, key=lambda outcome: (outcome.steps, outcome.seed))
        return Found(outcome=shorter, seeds=self.seeds + other.seeds)


@attrs.frozen(kw_only=True)
class Row:
    """What the runs of one scenario came to."""

    scenario: str
    seeds: int = 0
    steps: int = 0
    virtual_ns: int = 0
    seconds: float = 0.0
    """Time spent by the processes, summed."""
    faults: Mapping[str, FaultReport] = attrs.field(factory=dict)
    invariants: Mapping[str, int] = attrs.field(factory=dict)
    sometimes: Mapping[str, int] = attrs.field(factory=dict)
    found: Mapping[str, Found] = attrs.field(factory=dict)
    """By signature."""

    def __add__(self, other: "Row") -> "Row":
        return Row(
            scenario=self.scenario,
            seeds=self.seeds + other.seeds,
            steps=self.steps + other.steps,
            virtual_ns=self.virtual_ns + other.virtual_ns,
            seconds=self.seconds + other.seconds,
            faults=_merged(self.faults, other.faults, lambda a, b: a + b),
            invariants=_merged(self.invariants, other.invariants, lambda a, b: a + b),
            sometimes=_merged(self.sometimes, other.sometimes, lambda a, b: a + b),
            found=_merged(self.found, other.found, lambda a, b: a + b),
        )

    @property
    def never_fired(self) -> tuple[str, ...]:
        """The kinds of faults that changed nothing in any run."""
        return tuple(kind for kind, report in self.faults.items() if not report.fired)

    @property
    def never_hit(self) -> tuple[str, ...]:
        """What had to happen at least once, and did not."""
        return tuple(name for name, count in self.sometimes.items() if not count)


@attrs.frozen(kw_only=True)
class Progress:
    """How far a campaign has come."""

    scenario: str
    """Of the batch that just came back."""
    seeds_done: int
    seeds_all: int
    findings: int


@attrs.frozen(kw_only=True)
class CampaignResult:
    """What a campaign came to: a row per scenario, in the order in which they were given."""

    rows: tuple[Row, ...]
    seconds: float
    thorough: bool
    """Whether each scenario ran at least its own number of seeds; a shorter search may well have missed things."""

    @property
    def found(self) -> tuple[Found, ...]:
        """All failures."""
        return tuple(found for row in self.rows for found in row.found.values())

    @property
    def unreached(self) -> tuple[str, ...]:
        """What never happened in a thorough search although it has to, as scenario: name."""
        return tuple(f"{row.scenario}: {name}" for row in self.rows for name in row.never_hit) if self.thorough else ()

    @property
    def exit_code(self) -> int:
        """0, or the code of the gravest failure; blindness of the search counts as one."""
        kinds = {found.outcome.finding.kind for found in self.found if found.outcome.finding}
        gravest = next((kind.exit_code for kind in FindingKind if kind in kinds), 0)
        return gravest or int(bool(self.unreached))


def seed_of(base_seed: str, name: str, index: int) -> int:
    """Return the index-th seed of a scenario, or test, of this name: 32 bits, short enough to type."""
    return int.from_bytes(blake2b(f"{base_seed}/{name}/{index}".encode(), digest_size=4).digest(), "big")


def seeds_of(base_seed: str, name: str, count: int) -> tuple[int, ...]:
    """Return the first seeds of a scenario, or test, of this name."""
    return tuple(seed_of(base_seed, name, index) for index in range(count))


def run_campaign(plan: Plan, progress: Callable[[Progress], None] = lambda _: None) -> CampaignResult:
    """Run the plan and return its table; raise UnknownScenario for a name that is not there."""
    started = time.perf_counter()
    chosen = pick_scenarios(load_scenarios(plan.module), plan.scenarios)
    rows = {scenario.name: Row(scenario=scenario.name) for scenario in chosen}
    batches = [batch for scenario in chosen for batch in _batches(plan, scenario)]
    planned = sum(len(batch.seeds) for batch in batches)
    done = 0
    for row in _results(plan, batches):
        rows[row.scenario] += row
        done += row.seeds
        findings = sum(len(each.found) for each in rows.values())
        progress(Progress(scenario=row.scenario, seeds_done=done, seeds_all=planned, findings=findings))
    thorough = all(rows[scenario.name].seeds >= scenario.seeds for scenario in chosen)
    return CampaignResult(rows=tuple(rows.values()), seconds=time.perf_counter() - started, thorough=thorough)


def _batches(plan: Plan, scenario: Scenario) -> Iterator[Batch]:
    seeds = seeds_of(plan.base_seed, scenario.name, plan.seeds or scenario.seeds)
    size = max(1, min(BATCH_SEEDS_MAX, math.ceil(len(seeds) / (plan.jobs * BATCHES_PER_JOB))))
    for start in range(0, len(seeds), size):
        chunk = seeds[start : start + size]
        yield Batch(module=plan.module, scenario=scenario.name, seeds=chunk, fail_fast=plan.fail_fast)


def _results(plan: Plan, batches: list[Batch]) -> Iterator[Row]:
    """Yield the rows of batches as they come back; with fail_fast, no more after the first with a failure."""
    if plan.jobs == 1:
        yield from _until_failure(plan, map(run_batch, batches))
        return
    # Spawned, not forked: a worker starts clean, and the pool's own threads are not copied in mid-air.
    with ProcessPoolExecutor(plan.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run_batch, batch) for batch in batches]
        try:
            yield from _until_failure(plan, map(_result, as_completed(futures)))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result(future: "Future[Row]") -> Row:
    return future.result()


def _until_failure(plan: Plan, rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        yield row
        if plan.fail_fast and row.found:
            return


def run_batch(batch: Batch) -> Row:
    """Run a batch in this process and return its row."""
    (scenario,) = pick_scenarios(load_scenarios(batch.module), (batch.scenario,))
    row = Row(scenario=batch.scenario)
    started = time.perf_counter()
    for seed in batch.seeds:
        row += row_of(simulate(scenario, seed))
        freeze_once()
        if batch.fail_fast and row.found:
            break
    return attrs.evolve(row, seconds=time.perf_counter() - started)


def row_of(outcome: Outcome) -> Row:
    """Return the row of a single run."""
    finding = outcome.finding
    return Row(
        scenario=outcome.scenario,
        seeds=1,
        steps=outcome.steps,
        virtual_ns=outcome.virtual_ns,
        faults={report.kind: report for report in outcome.faults},
        invariants=outcome.invariants,
        sometimes=outcome.sometimes,
        found={finding.signature: Found(outcome=outcome)} if finding else {},
    )


def freeze_once() -> None:
    """After the first run all modules are imported: take them out of the collector's way."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def _merged(a: Mapping[str, V], b: Mapping[str, V], add: Callable[[V, V], V]) -> Mapping[str, V]:
    return {**a, **{name: add(a[name], value) if name in a else value for name, value in b.items()}}
