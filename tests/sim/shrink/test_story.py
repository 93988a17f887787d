"""Stories: a shrunk failure in words."""

import asyncio

import attrs
import pytest

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.shrinker import shrink
from kelpie_sim.shrink.story import Deviation, tell
from kelpie_sim.simulation import World, simulate
from kelpie_sim.tape import Tape
from tests.sim.shrink import planted
from tests.sim.toy import QUIET


async def clients(world: World) -> None:
    """Two clients that must be served in turn, after a while."""
    served: list[str] = []

    async def client(name: str) -> None:
        await world.sleep(0.01)
        async with world.history.operation(name, "serve"):
            served.append(name)
        await planted.steps(2)

    await asyncio.gather(*(asyncio.create_task(client(name), name=name) for name in ("client-1", "client-2")))
    world.check(served == sorted(served), "clients are served in turn: they were not")


CLIENTS = Scenario(name="clients", run=clients)


def story_of(scenario: Scenario):
    """Return the story of a scenario's first failure, shrunk."""
    (outcome,) = planted.failures(scenario, 1)
    return tell(scenario, shrink(scenario, outcome).outcome)


def test_story_tells_who_went_before_whom():
    """The order, what clients did, and the finding are told in the order of events."""
    story = story_of(CLIENTS)
    assert (
        "0.010000 s  order: the wake-up of task client-2 goes before the wake-up of task client-1",
        "0.010000 s  client-2: serve 0 {}",
        "0.010000 s  client-2: serve 0 ok {}",
        "0.010000 s  client-1: serve 1 {}",
        "0.010000 s  client-1: serve 1 ok {}",
        "0.010000 s  correctness: clients are served in turn: they were not",
    ) == story.lines
    assert story.text.startswith("  1. 0.010000 s  order: the wake-up")


def test_story_tells_faults():
    """Faults that fired stand among the other lines."""
    story = story_of(planted.READ_LOST)
    assert ["order", "fault", "correctness"] == [line.split("  ")[1].split(":")[0] for line in story.lines]


def test_each_deviation_is_a_line():
    """There are as many sentences on the order as the failure has deviations, shrunk or not."""
    for outcome in planted.failures(planted.READ_EARLY, 5):
        shrunk = shrink(planted.READ_EARLY, outcome)
        assert shrunk.before.deviations == len(tell(planted.READ_EARLY, outcome).deviations)
        assert shrunk.after.deviations == len(tell(planted.READ_EARLY, shrunk.outcome).deviations)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([1], "task b goes before task a"),
        ([1, 1, 1], "task a waits while task b and task c take 3 steps"),
        ([2, 2, 2], "task c goes 3 steps before task a and task b"),
    ],
)
def test_sentences(choices, expected):
    """One overtaking, one step that waits, and one task that goes on each have their words."""

    async def race(world: World) -> None:
        await asyncio.gather(*(asyncio.create_task(planted.steps(3), name=name) for name in "abc"))
        world.check(False, "this fails: it did")

    scenario = Scenario(name="race", run=race)
    tape = Tape.replaying(Tape.of({"schedule": [(3, choice) for choice in choices]}), strict=False)
    story = tell(scenario, simulate(scenario, 1, tape=tape))
    assert [expected] == [deviation.text for deviation in story.deviations]


def test_story_keeps_the_run():
    """The run that was told is the run itself, with its entries kept."""
    (outcome,) = planted.failures(CLIENTS, 1)
    again = tell(CLIENTS, outcome).outcome
    assert outcome.digest == again.digest
    assert again.entries != ()


def test_run_that_passed_has_no_story():
    """Only a failure is told."""
    with pytest.raises(ValueError, match="did not fail: there is nothing to tell"):
        tell(QUIET, simulate(QUIET, 1, keep_trace=True))


def test_other_failure_is_refused():
    """A replay that fails in another way is not the run to tell."""
    (outcome,) = planted.failures(CLIENTS, 1)
    other = attrs.evolve(outcome, finding=attrs.evolve(planted.finding_of(outcome), signature="another"))
    with pytest.raises(NonDeterminism, match="does not fail in the same way again"):
        tell(CLIENTS, other)


def test_line_of_a_deviation():
    """A deviation is a line like those of the world's own story."""
    assert "1.500000 s  order: a goes before b" == Deviation(time_ns=1_500_000_000, text="a goes before b").line
