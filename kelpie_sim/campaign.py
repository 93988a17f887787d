"""A campaign: many scenarios over many seeds on all cores, and what it all came to.

Seeds come from a base, the scenario's name and the round, never from a counter that runs share: adding a scenario
moves no other. Work goes out in batches; a batch comes back as one row of counts, and a failure as its shortest outcome
per signature. With a journal, a campaign that was cut off goes on where it stood.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

import attrs

from kelpie_sim.batch import Batch
from kelpie_sim.executors import Executor, Results, in_processes
from kelpie_sim.journal import Header, Journal
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios
from kelpie_sim.tally import CampaignResult, Progress, Row

SCENARIOS_MODULE = "kelpie_sim.agents.scenarios"
BASE_SEED = "kelpie"
BATCH_SEEDS_MAX = 50
# So many batches per process and scenario, at least: progress moves, and no process idles long at the end.
BATCHES_PER_JOB = 4


@attrs.frozen(kw_only=True)
class Plan:
    """What to run."""

    module: str = SCENARIOS_MODULE
    scenarios: tuple[str, ...] = ()
    """Names; none means all."""
    seeds: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    """Per scenario and round; None means each scenario's own number."""
    base_seed: str = BASE_SEED
    jobs: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    fail_fast: bool = False
    strategy: str = ""
    """In place of the scenarios' own, unless empty."""
    seconds_max: float | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    """No batch starts later than this."""
    endless: bool = False
    """Go on with other seeds, round after round, until the time is over or somebody interrupts."""

    @property
    def header(self) -> Header:
        """What a journal of this campaign starts with."""
        return Header(module=self.module, scenarios=self.scenarios, base_seed=self.base_seed, strategy=self.strategy)


def seed_of(base_seed: str, name: str, index: int) -> int:
    """Return the index-th seed of a scenario, or test, of this name: 32 bits, short enough to type."""
    return int.from_bytes(blake2b(f"{base_seed}/{name}/{index}".encode(), digest_size=4).digest(), "big")


def seeds_of(base_seed: str, name: str, count: int) -> tuple[int, ...]:
    """Return the first seeds of a scenario, or test, of this name."""
    return tuple(seed_of(base_seed, name, index) for index in range(count))


def run_campaign(
    plan: Plan,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    executor: Executor | None = None,
    journal: Journal | None = None,
) -> CampaignResult:
    """Run the plan and return its table; raise UnknownScenario for a name that is not there.

    An interrupt ends it early: the table is of what came back until then.
    """
    started = time.perf_counter()
    chosen = pick_scenarios(load_scenarios(plan.module), plan.scenarios)
    tally = _Tally(plan, chosen, journal, progress)
    deadline = math.inf if plan.seconds_max is None else time.monotonic() + plan.seconds_max
    results = (executor or in_processes(plan.jobs))(_until(deadline, _batches(plan, chosen, journal)))
    interrupted = False
    try:
        tally.take(results)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        results.close()
    rows = tuple(tally.rows.values())
    thorough = all(tally.rows[scenario.name].seeds >= scenario.seeds for scenario in chosen)
    return CampaignResult(rows=rows, seconds=time.perf_counter() - started, thorough=thorough, interrupted=interrupted)


class _Tally:
    """The table as it fills."""

    def __init__(
        self,
        plan: Plan,
        chosen: tuple[Scenario, ...],
        journal: Journal | None,
        progress: Callable[[Progress], None],
    ) -> None:
        self.rows = {scenario.name: Row(scenario=scenario.name) for scenario in chosen}
        self._fail_fast = plan.fail_fast
        self._journal = journal
        self._progress = progress
        self._planned = None if plan.endless else sum(plan.seeds or scenario.seeds for scenario in chosen)
        for done in journal.done if journal else ():
            self.rows[done.scenario] += done.row

    def take(self, results: Results) -> None:
        """Add up what comes back; with fail_fast, no more after the first failure."""
        for batch, row in results:
            if self._journal is not None:
                self._journal.add(batch, row)
            self.rows[row.scenario] += row
            self._show(row.scenario)
            if self._fail_fast and row.found:
                return

    def _show(self, scenario: str) -> None:
        done = sum(row.seeds for row in self.rows.values())
        findings = sum(len(row.found) for row in self.rows.values())
        self._progress(Progress(scenario=scenario, seeds_done=done, seeds_all=self._planned, findings=findings))


def _until(deadline: float, batches: Iterable[Batch]) -> Iterator[Batch]:
    return itertools.takewhile(lambda batch: time.monotonic() < deadline, batches)


def _batches(plan: Plan, chosen: tuple[Scenario, ...], journal: Journal | None) -> Iterator[Batch]:
    for number in itertools.count() if plan.endless else range(1):
        for scenario in chosen:
            yield from _batches_of(plan, scenario, number, journal)


def _batches_of(plan: Plan, scenario: Scenario, number: int, journal: Journal | None) -> Iterator[Batch]:
    count = plan.seeds or scenario.seeds
    size = max(1, min(BATCH_SEEDS_MAX, math.ceil(count / (plan.jobs * BATCHES_PER_JOB))))
    base = plan.base_seed if number == 0 else f"{plan.base_seed}/{number}"
    left = range(count) if journal is None else journal.gaps(scenario.name, number, count)
    for run in _runs(left, size):
        yield Batch(
            module=plan.module,
            scenario=scenario.name,
            seeds=tuple(seed_of(base, scenario.name, index) for index in run),
            fail_fast=plan.fail_fast,
            strategy=plan.strategy,
            round=number,
            first=run[0],
        )


def _runs(indices: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield the indices in runs of neighbours, of `size` at most."""
    run: list[int] = []
    for index in indices:
        if run and (len(run) == size or index != run[-1] + 1):
            yield run
            run = []
        run.append(index)
    if run:
        yield run
