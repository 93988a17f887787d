"""Determinism, as a count of divergences: 10,000 seeds on every rung of the ladder, and leaks planted on purpose.

The programs are asyncio's sharp corners (task groups, wait, as_completed, async generators, finalizers, executors,
crashes). On the last rung the heap is full of holes that each step moves about, under a random hash seed, with address
space randomisation on as the system has it.
"""

import os
from collections.abc import Iterator

from benchmarks.figure import Figure
from kelpie_sim.campaign import seeds_of
from kelpie_sim.determinism import RUNGS, climb
from kelpie_sim.simulation import simulate
from tests.asyncio_programs import ASYNCIO_PROGRAMS
from tests.leaks import CAUGHT, CAUGHT_LEAKS, REFUSED, SEEDED, with_leak

SEEDS = 10_000
LEAKS_MIN = 20
RUNS_PER_LEAK = 3


def figures() -> Iterator[Figure]:
    """Yield the divergences and the leaks."""
    seeds = seeds_of("bench", ASYNCIO_PROGRAMS.name, SEEDS)
    ladder = climb(ASYNCIO_PROGRAMS, "tests.asyncio_programs", seeds, jobs=os.cpu_count() or 1)
    rungs = ", ".join(rung.name for rung in RUNGS)
    yield Figure(
        name=f"divergences over {ladder.seeds:,} seeds", value=ladder.diverged, unit="seeds", ceiling=0, against=rungs
    )
    planted = len(SEEDED) + len(REFUSED) + len(CAUGHT)
    caught = _seeded() + _refused() + _caught()
    told = f"{len(SEEDED)} to be seeded, {len(REFUSED)} refused, {len(CAUGHT)} caught by the ladder"
    yield Figure(name="planted leaks that get through", value=planted - caught, unit="leaks", ceiling=0, against=told)
    yield Figure(name="planted leaks", value=planted, unit="leaks", floor=LEAKS_MIN)


def _seeded() -> int:
    """Return how many leaks give the same in each run."""
    return sum(simulate(with_leak(leak), 1).digest == simulate(with_leak(leak), 1).digest for leak in SEEDED.values())


def _refused() -> int:
    """Return how many leaks end the run by the name of their call."""
    findings = ((simulate(with_leak(leak), 1).finding, call) for leak, call in REFUSED.values())
    return sum(finding is not None and finding.message.startswith(call) for finding, call in findings)


def _caught() -> int:
    """Return how many leaks the ladder names with their record."""
    count = len(CAUGHT)
    ladder = climb(CAUGHT_LEAKS, "tests.leaks", range(RUNS_PER_LEAK * count), jobs=2, explained_max=1_000)
    named = {each.seed % count for each in ladder.divergences if " leak " in each.here}
    return len(named)
