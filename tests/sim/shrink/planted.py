"""Programs with planted bugs whose smallest failure is known, for the tests; read by other processes too."""

import asyncio
import itertools

from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import Finding, Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from tests.sim.toy import OPERATIONS, CountRefused, LetterLate, LetterLost


async def steps(count: int) -> None:
    """Let others run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def read_early(world: World) -> None:
    """A reader that has to come after a writer, among others who only pass the time: one deviation."""
    written: list[int] = []

    async def write() -> None:
        await steps(2)
        written.append(1)

    async def read() -> None:
        await steps(2)
        world.check(written, "what is read was written: it was not")

    await asyncio.gather(write(), read(), *(steps(4) for _ in range(4)))


async def read_lost(world: World) -> None:
    """The same, but the reader only minds when the letter to it was lost too: one deviation and one fault."""
    written: list[int] = []

    async def write() -> None:
        await steps(2)
        written.append(1)

    async def read() -> None:
        lost = [struck(world, "mailbox", "letter_send") for _ in range(5)]
        await steps(2)
        world.check(written or LetterLost.kind not in lost, "who missed a letter reads what was written: it was not")

    await asyncio.gather(write(), read())


def struck(world: World, port: str, operation: str) -> str:
    """Perform an operation and return the kind of the fault that struck it, if one did."""
    verdict = world.faults.verdict(port, operation)
    if verdict is None:
        return ""
    verdict.fire()
    return verdict.fault.kind


def letters_harmed(swarm: Swarm) -> tuple[Fault, ...]:
    """Lose and hold up many letters."""
    return (LetterLate(probability=0.5), LetterLost(probability=swarm.rate("lost", (0.0, 0.5, 0.9))))


async def both_refused(world: World) -> None:
    """Both faults are sure to strike, and only one of them does harm."""
    struck(world, "mailbox", "letter_send")
    world.check(struck(world, "counter", "count_read") == "", "the count is told: it was refused")


def sure_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Strike at both ports."""
    return (LetterLost(), CountRefused())


async def heavy_load(world: World) -> None:
    """Too many pieces, one of them too heavy: at least three, and one of 500."""
    stream = world.streams.stream("workload")
    weights = [stream.below(1_000) for _ in range(stream.between(0, 60))]
    world.check(len(weights) < 3 or max(weights) < 500, f"the load is carried: {weights}")


READ_EARLY = Scenario(name="read-early", run=read_early)
READ_LOST = Scenario(name="read-lost", run=read_lost, faults=letters_harmed, operations=OPERATIONS)
BOTH_REFUSED = Scenario(name="both-refused", run=both_refused, faults=sure_faults, operations=OPERATIONS)
HEAVY_LOAD = Scenario(name="heavy-load", run=heavy_load)
SCENARIOS = (READ_EARLY, READ_LOST, BOTH_REFUSED, HEAVY_LOAD)


def finding_of(outcome: Outcome) -> Finding:
    """Return why a run failed."""
    assert outcome.finding is not None, "the run failed"
    return outcome.finding


def failures(scenario: Scenario, count: int) -> list[Outcome]:
    """Return the first so many failing runs of a scenario."""
    outcomes = (simulate(scenario, seed) for seed in range(1_000))
    return list(itertools.islice((outcome for outcome in outcomes if outcome.failed), count))
