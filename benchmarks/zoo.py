"""Power of the search: how many schedules each strategy needs to find the bugs of tests/zoo.

A bug counts as found at the first run that fails. Programs are run as scenarios, by `simulate`, with everything on:
what is measured is what a campaign does. Published for comparison: on the 49 programs of SCTBench, with 100,000
schedules each, PCT with d = 3 misses one, and a plain random walk finds two fewer than delay bounding (Thomson,
Donaldson, Betts, TOPC 2016).
"""

import asyncio
import statistics
import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from kelpie_sim.batch import freeze_once
from kelpie_sim.branching import search
from kelpie_sim.exhaustive import explore_scenario
from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.simulation import World, simulate
from kelpie_sim.strategies import strategy_named
from kelpie_sim.trace import Trace
from tests.zoo import PROGRAMS, Program
from tests.zoo.program import Main

SCHEDULES_MAX = 10_000
MISSES_MAX = 1
STRATEGIES = ("random", "pct:1", "pct:2", "pct:3", "pos", "urw", "urw:guess", "delay:2", "portfolio")
COMPARED_SCHEDULES = 200
LONE_REPEATS = 20
LONE_SCHEDULES_MAX = 10
PROOF_SCHEDULES = 3_000
READY_TASKS, READY_ROUNDS, READY_REPEATS = 1_000, 30, 5
PICK_COST_MAX = 2.0
DOOR_ODDS = 1_000
MAZE_REPEATS, TIMELINES_MAX = 20, 3_000
STEP_LIMIT = 20_000


def figures() -> Iterator[Figure]:
    """Yield all figures."""
    freeze_once()
    started = time.process_time()
    yield from _portfolio()
    yield from _lone_strategies()
    yield from _compared()
    yield _proofs()
    yield from _pick_costs()
    yield _maze()
    yield Figure(name="all of it", value=time.process_time() - started, unit="CPU-s", ceiling=600)


def scenario(name: str, main: Main, strategy: str = "portfolio") -> Scenario:
    """Return a program as a scenario."""
    return Scenario(name=name, run=lambda world: main(), strategy=strategy, step_limit=STEP_LIMIT)


def first_bug(subject: Scenario, seeds: range) -> int | None:
    """Return how many schedules it takes until one fails, None if all of these pass."""
    return next((count for count, seed in enumerate(seeds, 1) if simulate(subject, seed).finding), None)


def _portfolio() -> Iterator[Figure]:
    needed: dict[str, int | None] = {}
    started, runs = time.process_time(), 0
    for program in PROGRAMS:
        needed[program.name] = first_bug(scenario(program.name, program.main), range(SCHEDULES_MAX))
        runs += needed[program.name] or SCHEDULES_MAX
    rate = runs / (time.process_time() - started)
    missed = [name for name, count in needed.items() if count is None]
    found = {name: count for name, count in needed.items() if count is not None}
    slowest = max(found, key=found.__getitem__)
    yield Figure(
        name=f"bugs of {len(PROGRAMS)} that the portfolio misses in {SCHEDULES_MAX:,} schedules",
        value=len(missed),
        unit="bugs",
        ceiling=MISSES_MAX,
        against=", ".join(missed) or f"slowest: {slowest}, {found[slowest]:,}",
    )
    yield Figure(name="its median schedules to the bug", value=statistics.median(found.values()), unit="schedules")
    yield Figure(name="zoo schedules per CPU-second", value=rate, unit="/s")


def _lone_strategies() -> Iterator[Figure]:
    """What only a few strategies find at all is no needle for a portfolio either."""
    for name in ("starvation", "uneven_lengths"):
        (program,) = (program for program in PROGRAMS if program.name == name)
        subject = scenario(name, program.main)
        counts = [
            first_bug(subject, range(start, start + SCHEDULES_MAX)) or SCHEDULES_MAX
            for start in range(0, LONE_REPEATS * SCHEDULES_MAX, SCHEDULES_MAX)
        ]
        yield Figure(
            name=f"{name}: the portfolio's schedules to the bug, mean of {LONE_REPEATS}",
            value=statistics.mean(counts),
            unit="schedules",
            ceiling=LONE_SCHEDULES_MAX,
            against="a random walk: about 1,000,000 by its odds",
        )


def _compared() -> Iterator[Figure]:
    """Each strategy on each program with equally many schedules; the mean counts a miss as all of them."""
    for strategy in STRATEGIES:
        counts = [
            first_bug(scenario(program.name, program.main, strategy), range(COMPARED_SCHEDULES)) for program in PROGRAMS
        ]
        found = sum(count is not None for count in counts)
        mean = statistics.mean(count or COMPARED_SCHEDULES for count in counts)
        yield Figure(
            name=f"{strategy}: mean schedules to the bug, of {COMPARED_SCHEDULES}",
            value=mean,
            unit="schedules",
            against=f"finds {found} of {len(PROGRAMS)}",
        )


def _proofs() -> Figure:
    mended = [program for program in PROGRAMS if program.fixed is not None]
    proven = sum(_is_proven(program) for program in mended)
    return Figure(
        name=f"mended programs of {len(mended)} proven right in {PROOF_SCHEDULES:,} schedules",
        value=proven,
        unit="proofs",
    )


def _is_proven(program: Program) -> bool:
    assert program.fixed is not None
    return explore_scenario(scenario(program.name, program.fixed), 0, schedules_max=PROOF_SCHEDULES)[0].complete


def _pick_costs() -> Iterator[Figure]:
    """With 1,000 tasks ready at each pick: what a step costs, against a random walk's."""
    costs: dict[str, list[float]] = {name: [] for name in ("random", "pct:3", "pos", "urw:guess")}
    for _ in range(READY_REPEATS):
        for name, seconds in costs.items():
            seconds.append(_crowd_seconds(name))
    random_seconds = statistics.median(costs.pop("random"))
    for name, seconds in costs.items():
        yield Figure(
            name=f"{name}: cost of a step among {READY_TASKS:,} ready",
            value=statistics.median(seconds) / random_seconds,
            unit="x random",
            ceiling=None if name.startswith("urw") else PICK_COST_MAX,
        )


def _crowd_seconds(strategy: str) -> float:
    streams = Streams(1)
    loop = SimLoop(strategy_named(strategy, streams), Trace())
    started = time.process_time()
    run(loop, streams, _crowd())
    return time.process_time() - started


async def _crowd() -> None:
    async def spin() -> None:
        for _ in range(READY_ROUNDS):
            await asyncio.sleep(0)

    await asyncio.gather(*(spin() for _ in range(READY_TASKS)))


def _maze() -> Figure:
    """A bug behind two doors, each of which opens once in a thousand runs."""
    subject = Scenario(name="maze", run=_through_the_maze, sometimes=("first door",))
    needed = [_timelines(subject, repeat * 1_000_000) for repeat in range(MAZE_REPEATS)]
    return Figure(
        name=f"maze of two doors, 1/{DOOR_ODDS:,} each: timelines by branching, mean of {MAZE_REPEATS}",
        value=statistics.mean(needed),
        unit="timelines",
        ceiling=TIMELINES_MAX,
        against=f"without branching: {DOOR_ODDS**2:,} by its odds",
    )


def _timelines(subject: Scenario, first_seed: int) -> int:
    timelines = search(subject, timelines_max=10 * TIMELINES_MAX, first_seed=first_seed)
    return next(count for count, timeline in enumerate(timelines, 1) if timeline.outcome.finding)


async def _through_the_maze(world: World) -> None:
    stream = world.streams.stream("doors")
    for door in ("first door", "second door"):
        await world.sleep(1)
        if stream.below(DOOR_ODDS):
            return
        if door == "first door":
            world.sometimes.hit(door)
    world.check(False, "the maze: it has a way through")
