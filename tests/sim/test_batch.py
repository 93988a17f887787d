"""A batch and its row."""

import gc

from kelpie_sim.batch import Batch, freeze_once, run_batch
from kelpie_sim.campaign import seeds_of
from kelpie_sim.simulation import simulate
from tests.sim import toy

SEEDS = seeds_of("kelpie", "count-unlocked", 20)
FAILING = Batch(module="tests.sim.toy_failing", scenario="count-unlocked", seeds=SEEDS)


def test_a_batch_adds_up_its_seeds():
    """The row of a batch is the sum over its seeds."""
    row = run_batch(FAILING)
    assert (row.seeds, row.steps) == (20, sum(simulate(toy.UNLOCKED, seed).steps for seed in SEEDS))


def test_a_batch_stops_at_its_first_failure_if_asked():
    """With fail_fast the seeds after the first failing one are not run."""
    first = next(index for index, seed in enumerate(SEEDS) if simulate(toy.UNLOCKED, seed).failed)
    failing_fast = Batch(module=FAILING.module, scenario=FAILING.scenario, seeds=SEEDS, fail_fast=True)
    assert run_batch(failing_fast).seeds == first + 1


def test_the_heap_is_frozen_once():
    """After the first run the heap is frozen, and stays so."""
    freeze_once()
    frozen = gc.get_freeze_count()
    freeze_once()
    assert (True, frozen) == (frozen > 0, gc.get_freeze_count())
