"""Determinism is itself under test: a ladder of rungs, each of which runs the same seeds and must get the same
digests.

    again        once more in the same process, after all the other seeds
    fresh        in a fresh process
    hash N       in a fresh process under another hash seed, three of them
    padded heap  in a fresh process whose heap is full of holes, so that addresses come in another order

A fresh process runs a whole batch of seeds, since starting one costs more than running most seeds. Where a digest
differs, both sides run the seed again and keep their traces, and the first record that differs is named.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from random import SystemRandom

import attrs

from kelpie_sim.errors import SimulationError
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios
from kelpie_sim.simulation import simulate
from kelpie_sim.trace import first_difference

BATCH_SEEDS_MAX = 250
PADDING_OBJECTS = 2_000
PADDING_BYTES_MAX = 512


@attrs.frozen
class Rung:
    """A way to run seeds that must make no difference."""

    name: str
    environment: tuple[tuple[str, str], ...] = ()
    padded: bool = False


AGAIN = Rung("again")
FRESH_RUNGS = (
    Rung("fresh"),
    Rung("hash 1", (("PYTHONHASHSEED", "1"),)),
    Rung("hash 22", (("PYTHONHASHSEED", "22"),)),
    Rung("hash 4444", (("PYTHONHASHSEED", "4444"),)),
    Rung("padded heap", (), True),
)
RUNGS = (AGAIN, *FRESH_RUNGS)


@attrs.frozen(kw_only=True)
class Work:
    """Seeds of one scenario, for a process of its own: it travels there as JSON."""

    module: str
    scenario: str
    seeds: tuple[int, ...]
    padded: bool = False
    keep_trace: bool = False

    def to_json(self) -> str:
        """Return what `answer` takes."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Return the work that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "seeds": tuple(fields["seeds"])})


@attrs.frozen(kw_only=True)
class Divergence:
    """A seed that was not the same run on two rungs, and the first record at which they part."""

    scenario: str
    seed: int
    rung: str
    index: int | None
    """None: with traces kept, the two agreed."""
    here: str = ""
    there: str = ""


@attrs.frozen(kw_only=True)
class Ladder:
    """What climbing came to."""

    seeds: int
    divergences: tuple[Divergence, ...]


def climb(
    scenario: Scenario,
    module: str,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda seeds_done, divergences: None,
) -> Ladder:
    """Run the seeds on every rung and return where they part; fresh processes find the scenario in `module`."""
    divergences: list[Divergence] = []
    for start in range(0, len(seeds), BATCH_SEEDS_MAX):
        work = Work(module=module, scenario=scenario.name, seeds=tuple(seeds[start : start + BATCH_SEEDS_MAX]))
        divergences += _climb_batch(scenario, work, jobs)
        progress(start + len(work.seeds), len(divergences))
    return Ladder(seeds=len(seeds), divergences=tuple(divergences))


def _climb_batch(scenario: Scenario, work: Work, jobs: int) -> Iterator[Divergence]:
    with ThreadPoolExecutor(jobs) as pool:
        fresh = [(rung, pool.submit(_in_fresh_process, rung, work)) for rung in FRESH_RUNGS]
        # Simulations hold the process, so this thread runs all of its own before it looks at what the others found.
        expected = digests_of(scenario, work.seeds)
        found = [(AGAIN, digests_of(scenario, work.seeds)), *((rung, result.result()) for rung, result in fresh)]
    for rung, digests in found:
        for seed, here, there in zip(work.seeds, expected, digests, strict=True):
            if here != there:
                yield _explained(scenario, work, rung, seed)


def digests_of(scenario: Scenario, seeds: Sequence[int]) -> list[str]:
    """Return the digest of each seed's run in this process."""
    return [simulate(scenario, seed).digest for seed in seeds]


def _explained(scenario: Scenario, work: Work, rung: Rung, seed: int) -> Divergence:
    """Run a seed on both sides once more, with traces, and name the first record that differs."""
    here = _kept_lines(scenario, seed)
    kept = attrs.evolve(work, seeds=(seed,), keep_trace=True)
    there = _kept_lines(scenario, seed) if rung is AGAIN else _in_fresh_process(rung, kept)
    difference = first_difference(here, there)
    index, line_here, line_there = difference or (None, "", "")
    return Divergence(scenario=scenario.name, seed=seed, rung=rung.name, index=index, here=line_here, there=line_there)


def _kept_lines(scenario: Scenario, seed: int) -> list[str]:
    return list(simulate(scenario, seed, keep_trace=True).trace)


def _in_fresh_process(rung: Rung, work: Work) -> list[str]:
    """Have a new process do the work and return its answer; raise SimulationError if it cannot."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    environment = inherited | dict(rung.environment)
    # Modules may lie on a path that only this process knows, as in tests.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", "kelpie_sim", "digests"],
        input=attrs.evolve(work, padded=rung.padded).to_json(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SimulationError(f"the process of rung {rung.name!r} failed:\n{done.stderr}")
    return [str(line) for line in json.loads(done.stdout)]


def answer(work: Work) -> str:
    """Do the work in this process and return the answer as JSON: digests, or the lines of the trace that is kept."""
    (scenario,) = pick_scenarios(load_scenarios(work.module), (work.scenario,))
    lines: list[str] = []
    # What the program prints must not get into the answer.
    with redirect_stdout(sys.stderr):
        for seed in work.seeds:
            with padded_heap() if work.padded else _plain_heap():
                lines += _kept_lines(scenario, seed) if work.keep_trace else digests_of(scenario, (seed,))
    return json.dumps(lines)


@contextmanager
def padded_heap() -> Iterator[None]:
    """Fill the heap with objects of random sizes and free a random half: what comes next lies in another order."""
    # Real entropy, on purpose: no two runs shall have the same heap.
    random = SystemRandom()
    padding = [bytes(random.randrange(PADDING_BYTES_MAX)) for _ in range(PADDING_OBJECTS)]
    random.shuffle(padding)
    del padding[PADDING_OBJECTS // 2 :]
    yield
    padding.clear()


@contextmanager
def _plain_heap() -> Iterator[None]:
    yield
