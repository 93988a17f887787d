"""A batch and its row."""

import gc
import time

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


def test_the_guards_stay_for_the_whole_batch(monkeypatch):
    """Between the seeds of a batch the guards are in place; after it they are gone."""
    between, real = list[bool](), time.monotonic
    monkeypatch.setattr("kelpie_sim.batch.freeze_once", lambda: between.append(time.monotonic is real))
    run_batch(Batch(module=FAILING.module, scenario=FAILING.scenario, seeds=SEEDS[:2]))
    assert ([False, False], True) == (between, time.monotonic is real)
