"""Determinism is itself under test: the same seeds run in several ways that must make no difference, and their digests
are compared.

    fresh        in a fresh process, under hash seed 1: what the others are held against
    again        once more in that process, after all the other seeds
    hash 22      in a fresh process under another hash seed, the seeds in reverse order
    hash 4444    in a fresh process under yet another one
    padded heap  in a fresh process under a random hash seed, with a heap full of holes that each step moves about, so
                 that addresses come in another order

A fresh process runs a whole batch of seeds, since starting one costs more than running most seeds. Where digests
differ, both processes do their batch once more and keep the traces of those seeds, and the first record that differs is
named. The whole batch, because what makes a seed differ may be the seeds before it.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stdout

import attrs

from kelpie_sim import guards
from kelpie_sim.batch import freeze_once
from kelpie_sim.errors import SimulationError
from kelpie_sim.scenario import Scenario, load_scenarios, pick_scenarios
from kelpie_sim.simulation import World, simulate
from kelpie_sim.trace import first_difference

BATCH_SEEDS_MAX = 250
# A divergence with its records is worth more than a hundred without.
EXPLAINED_MAX = 10
PADDING_SLOTS_BITS = 12
PADDING_SLOTS = 1 << PADDING_SLOTS_BITS
# Past so many bytes an object comes from another allocator.
PADDING_BYTES_BITS = 9


@attrs.frozen
class Rung:
    """A way to run seeds that must make no difference."""

    name: str
    hash_seed: str = "random"
    passes: int = 1
    """How often the process runs all its seeds; the last pass counts."""
    backwards: bool = False
    padded: bool = False


FRESH = Rung("fresh", "1")
AGAIN = Rung("again", "1", passes=2)
OTHERS = (Rung("hash 22", "22", backwards=True), Rung("hash 4444", "4444"), Rung("padded heap", padded=True))
RUNGS = (FRESH, AGAIN, *OTHERS)


@attrs.frozen(kw_only=True)
class Work:
    """Seeds of one scenario, for a process of its own: it travels there as JSON."""

    module: str
    scenario: str
    seeds: tuple[int, ...]
    passes: int = 1
    padded: bool = False
    kept: tuple[int, ...] = ()
    """Seeds whose traces are wanted."""

    def to_json(self) -> str:
        """Return what `answer` takes."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Return the work that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "seeds": tuple(fields["seeds"]), "kept": tuple(fields["kept"])})


@attrs.frozen(kw_only=True)
class Pass:
    """What one pass over the seeds came to, by seed."""

    digests: Mapping[int, str]
    lines: Mapping[int, Sequence[str]]
    """The traces that were to be kept."""


@attrs.frozen(kw_only=True)
class Divergence:
    """A seed that was not the same run on two rungs, and the first record at which they part."""

    scenario: str
    seed: int
    rung: str
    index: int | None
    """None: done once more, with traces kept, the two agreed."""
    here: str = ""
    there: str = ""


@attrs.frozen(kw_only=True)
class Ladder:
    """What climbing came to: how many seeds diverged on some rung, and the first few of them explained."""

    seeds: int
    diverged: int
    divergences: tuple[Divergence, ...]


def climb(
    scenario: Scenario,
    module: str,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    explained_max: int = EXPLAINED_MAX,
    progress: Callable[[int, int], None] = lambda seeds_done, diverged: None,
) -> Ladder:
    """Run the seeds on every rung and return where they part; fresh processes find the scenario in `module`.

    Raise SimulationError when a process fails.
    """
    starts = range(0, len(seeds), BATCH_SEEDS_MAX)
    works = [_work(scenario, module, seeds[start : start + BATCH_SEEDS_MAX]) for start in starts]
    done, diverged, divergences = 0, set[int](), list[Divergence]()
    with ThreadPoolExecutor(jobs) as pool:
        # All at once, so that no process waits for the end of a batch.
        climbs = [(work, [pool.submit(_in_fresh_process, rung, work) for rung in (AGAIN, *OTHERS)]) for work in works]
        try:
            for work, results in climbs:
                found = _diverged(results)
                diverged |= {seed for _, seed in found}
                divergences += _explained(work, found[: explained_max - len(divergences)])
                done += len(work.seeds)
                progress(done, len(diverged))
        finally:
            pool.shutdown(cancel_futures=True)
    return Ladder(seeds=len(seeds), diverged=len(diverged), divergences=tuple(divergences))


def _work(scenario: Scenario, module: str, seeds: Sequence[int]) -> Work:
    return Work(module=module, scenario=scenario.name, seeds=tuple(seeds))


def _diverged(results: Sequence["Future[list[Pass]]"]) -> list[tuple[Rung, int]]:
    """Return rungs and seeds that differ from the first pass of the first process."""
    (expected, again), *others = [result.result() for result in results]
    passes = ((AGAIN, again), *zip(OTHERS, (passes[-1] for passes in others), strict=True))
    return [
        (rung, seed) for rung, one in passes for seed, digest in expected.digests.items() if one.digests[seed] != digest
    ]


def _explained(work: Work, found: Sequence[tuple[Rung, int]]) -> Iterator[Divergence]:
    """Do the work once more on the rungs that differ, with traces, and name the first records that differ."""
    if not found:
        return
    kept = attrs.evolve(work, kept=tuple({seed: None for _, seed in found}))
    here = _in_fresh_process(FRESH, kept)[0].lines
    for rung in dict.fromkeys(rung for rung, _ in found):
        there = _in_fresh_process(rung, kept)[-1].lines
        for seed in (seed for found_on, seed in found if found_on is rung):
            index, *lines = first_difference(here[seed], there[seed]) or (None, "", "")
            yield Divergence(
                scenario=work.scenario, seed=seed, rung=rung.name, index=index, here=lines[0], there=lines[1]
            )


def _in_fresh_process(rung: Rung, work: Work) -> list[Pass]:
    """Have a new process do the work as the rung says and return its passes; raise SimulationError if it cannot."""
    seeds = work.seeds[::-1] if rung.backwards else work.seeds
    asked = attrs.evolve(work, seeds=seeds, passes=rung.passes, padded=rung.padded)
    # Modules may lie on a path that only this process knows, as in tests.
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", "kelpie_sim", "digests"],
        input=asked.to_json(),
        env={**os.environ, "PYTHONHASHSEED": rung.hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SimulationError(f"the process of rung {rung.name!r} failed:\n{done.stderr}")
    return [
        Pass(
            digests=dict(zip(seeds, answered["digests"], strict=True)),
            lines={int(seed): lines for seed, lines in answered["lines"].items()},
        )
        for answered in json.loads(done.stdout)
    ]


def answer(work: Work) -> str:
    """Do the work in this process and return the answer as JSON: per pass the digests, and the traces to be kept."""
    (scenario,) = pick_scenarios(load_scenarios(work.module), (work.scenario,))
    scenario = padded(scenario) if work.padded else scenario
    # What the program prints must not get into the answer.
    with redirect_stdout(sys.stderr):
        return json.dumps([_pass(scenario, work) for _ in range(work.passes)])


def _pass(scenario: Scenario, work: Work) -> dict[str, object]:
    digests, lines = list[str](), dict[int, Sequence[str]]()
    with guards.batch():
        for seed in work.seeds:
            outcome = simulate(scenario, seed, keep_trace=seed in work.kept)
            digests.append(outcome.digest)
            if seed in work.kept:
                lines[seed] = outcome.trace
            freeze_once()
    return {"digests": digests, "lines": lines}


def padded(scenario: Scenario) -> Scenario:
    """Return the same scenario in a heap full of holes, where each step of the loop makes a hole or fills one.

    So what a run allocates lies in another order each time.
    """
    # Drawn outside of any run, so from real entropy, on purpose: no two processes shall have the same heap.
    generator = random.Random(random.SystemRandom().getrandbits(64))
    bits = generator.getrandbits
    heap: list[bytes | None] = []

    def scramble() -> None:
        # Blocks of a size are handed out in the order opposite to that in which they were freed: here, a random one.
        heap[:] = [bytes(bits(PADDING_BYTES_BITS)) for _ in range(PADDING_SLOTS)]
        generator.shuffle(heap)
        for slot in range(PADDING_SLOTS // 2):
            heap[slot] = None

    def shake() -> None:
        heap[bits(PADDING_SLOTS_BITS)] = bytes(bits(PADDING_BYTES_BITS)) if bits(1) else None

    async def run(world: World) -> None:
        scramble()
        world.loop.after_step.append(shake)
        await scenario.run(world)

    return attrs.evolve(scenario, run=run)
