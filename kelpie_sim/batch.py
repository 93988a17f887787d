"""A batch: some seeds of one scenario, run one after the other in one process, and the row that they add up to."""

import gc
import time

import attrs

from kelpie_sim import guards
from kelpie_sim.scenario import load_scenarios, pick_scenarios
from kelpie_sim.simulation import simulate
from kelpie_sim.tally import Row, row_of


@attrs.frozen(kw_only=True)
class Batch:
    """A piece of work for one process: it names things, so that it can go to another machine."""

    module: str
    scenario: str
    seeds: tuple[int, ...]
    fail_fast: bool = False
    strategy: str = ""
    """In place of the scenario's own, unless empty."""
    round: int = 0
    first: int = 0
    """Which of the round's seeds comes first."""


def run_batch(batch: Batch) -> Row:
    """Run a batch in this process and return its row."""
    (scenario,) = pick_scenarios(load_scenarios(batch.module), (batch.scenario,), strategy=batch.strategy)
    row = Row(scenario=batch.scenario)
    started = time.perf_counter()
    with guards.batch():
        for seed in batch.seeds:
            row += row_of(simulate(scenario, seed))
            freeze_once()
            if batch.fail_fast and row.found:
                break
    return attrs.evolve(row, seconds=time.perf_counter() - started)


def freeze_once() -> None:
    """After the first run all modules are imported: take them out of the collector's way."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
