"""How small failures get: the bug zoo's, and those of faults and workload together.

A program's first failing seeds are shrunk, each within 300 runs. A failure counts as small with at most three order
deviations and two faults left. A deviation is what a person tells in one sentence: one step waits while others go, or
one task goes on without a break; the figure that counts each single overtaking is told beside it.
"""

from collections.abc import Iterator
from itertools import islice

from benchmarks.figure import Figure
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.shrinker import RUNS_MAX, Shrunk, shrink
from kelpie_sim.simulation import World, simulate
from tests.sim.shrink.planted import SCENARIOS
from tests.zoo import PROGRAMS, Program

FAILURES_EACH = 3
SEEDS_MAX = 3_000
DEVIATIONS_MAX = 3
FAULTS_MAX = 2
SMALL_SHARE = 0.95
SECONDS_MAX = 5.0


def figures() -> Iterator[Figure]:
    """Yield the share of failures that get small, and what it takes."""
    shrunk = [shrink(scenario, outcome) for scenario in _scenarios() for outcome in _failures(scenario)]
    failed = [each for each in shrunk if not _is_small(each)]
    yield Figure(
        name=f"failures with <= {DEVIATIONS_MAX} deviations and <= {FAULTS_MAX} faults after <= {RUNS_MAX} runs",
        value=1 - len(failed) / len(shrunk),
        unit=f"of {len(shrunk)}",
        floor=SMALL_SHARE,
        against="simloom 0.5.0 shrinks schedules only: 25 deviations to 1 in about 106 runs (its own figure)",
    )
    few = sum(each.after.overtakings <= DEVIATIONS_MAX for each in shrunk)
    yield Figure(name=f"failures with <= {DEVIATIONS_MAX} single overtakings", value=few / len(shrunk), unit="")
    yield Figure(name="runs per failure, mean", value=sum(each.runs for each in shrunk) / len(shrunk), unit="runs")
    yield Figure(name="runs per failure, most", value=max(each.runs for each in shrunk), unit="runs", ceiling=RUNS_MAX)
    seconds = max(each.seconds for each in shrunk)
    yield Figure(name="time per failure, most", value=seconds, unit="s", ceiling=SECONDS_MAX)


def _scenarios() -> Iterator[Scenario]:
    yield from (_scenario_of(program) for program in PROGRAMS)
    yield from SCENARIOS


def _scenario_of(program: Program) -> Scenario:
    async def run(world: World) -> None:
        await program.main()

    return Scenario(name=program.name.replace("_", "-"), run=run, strategy="portfolio")


def _failures(scenario: Scenario) -> list[Outcome]:
    outcomes = (simulate(scenario, seed) for seed in range(SEEDS_MAX))
    return list(islice((outcome for outcome in outcomes if outcome.failed), FAILURES_EACH))


def _is_small(shrunk: Shrunk) -> bool:
    return shrunk.after.deviations <= DEVIATIONS_MAX and shrunk.after.faults <= FAULTS_MAX and shrunk.runs <= RUNS_MAX
