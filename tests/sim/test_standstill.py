"""What stood in the way of a program that does not get on."""

import asyncio
import itertools

import attrs

from kelpie_sim.errors import NotSettled, Stalled
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.standstill import circumstances, last_harm
from kelpie_sim.world.host import Host
from tests.sim import toy


@attrs.define
class Stage:
    """A stage without a world."""

    hosts: dict[str, Host]
    lines: list[str]


def test_last_harm_is_the_last_line_that_tells_of_any():
    """Harm of faults and of a nemesis counts, and nothing else that the story tells."""
    story = ["0.1 s  fault: LetterLost at send", "0.2 s  nemesis: crash of a", "0.3 s  a: write 3 ok no fault: none"]
    assert [story[1], story[0], ""] == [last_harm(story), last_harm(story[:1]), last_harm(story[2:])]


def test_nothing_to_tell_adds_nothing():
    """A run without hosts, harm and locks has no circumstances."""
    assert "" == circumstances(Stage({}, []), NotSettled("x"))


def test_deadlock_is_told_as_a_circle():
    """Tasks that wait for each other's locks are told first."""
    lines = [f"{waiter} waits in f (a.py:1) for a Lock held by {holder}" for waiter, holder in ("ab", "ba")]
    assert "\n  deadlock: a waits for b waits for a" == circumstances(Stage({}, []), Stalled(tuple(lines)))


async def idle():
    """Do nothing for ever."""
    await asyncio.Event().wait()


def finding(run, **options):
    """Return the message of a run's finding."""
    outcome = simulate(Scenario(name="made", run=run, operations=toy.OPERATIONS, **options), 1)
    assert outcome.finding is not None
    assert "liveness" == outcome.finding.kind
    return outcome.finding.message


async def harmed(world: World) -> None:
    """Crash one host, pause another, lose a letter."""
    for name in ("a", "b", "c"):
        world.host(name).start(idle)
    await toy.Mailbox(world).send("hello")
    world.host("a").crash()
    world.host("b").pause()


async def stalled(world: World) -> None:
    """Wait for what never comes."""
    await harmed(world)
    await idle()


async def unsettled(world: World) -> None:
    """Demand what never comes."""
    await harmed(world)
    await world.settle(lambda: False, within_seconds=2, what="done")


async def endless(world: World) -> None:
    """Go past the limit of time."""
    await harmed(world)
    while True:
        await world.sleep(10)


def sites(lines):
    """Return the outermost function of each line."""
    return [line.split(" waits in ")[1].split(" ")[0] for line in lines]


LOST = {"faults": lambda swarm: (toy.LetterLost(on="letter_send"),), "sometimes": ("harm done",)}
TAIL = ["  down: a", "  paused: b", "  last harm: 0.000000 s  fault: LetterLost at letter_send"]


def test_stall_names_tasks_sites_hosts_and_harm():
    """A run that stands still tells who waits where, which hosts are down or paused, and the last fault."""
    lines = finding(stalled, **LOST).splitlines()
    assert TAIL == lines[-3:]
    assert ["_main", "_process", "_process"] == sorted(
        line.split(" waits in ")[1].split(" ")[0] for line in lines[1:-3]
    )


def test_unsettled_run_names_tasks_sites_hosts_and_harm():
    """So does one that does not come to rest."""
    lines = finding(unsettled, **LOST).splitlines()
    assert ["done: not within 2 s after the faults had stopped", *TAIL] == [lines[0], *lines[-3:]]
    assert ["b/main waits in _process", "c/main waits in _process"] == [
        line.strip().split(" (")[0] for line in lines[1:-3]
    ]


def test_run_past_its_time_names_tasks_sites_hosts_and_harm():
    """So does one that would go on for ever."""
    lines = finding(endless, time_limit_seconds=100, **LOST).splitlines()
    assert TAIL == lines[-3:]
    assert ["_main", "_process", "_process"] == sorted(
        line.split(" waits in ")[1].split(" ")[0] for line in lines[1:-3]
    )


def test_run_of_too_many_steps_names_hosts_and_harm():
    """So does a livelock, whose busiest tasks the loop has counted."""

    async def spinning(world: World) -> None:
        await harmed(world)
        for _ in itertools.count():
            await asyncio.sleep(0)

    lines = finding(spinning, step_limit=5_000, **LOST).splitlines()
    assert TAIL == lines[-3:]
    assert "_main" in lines[1]
