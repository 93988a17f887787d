"""A toy program for the engine's own tests: counters that lose updates, a mailbox that loses letters, and worse.

Its SCENARIOS pass; those that fail are in toy_failing.py."""

import asyncio
from typing import ClassVar

import attrs

from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

OPERATIONS = {
    "mailbox": frozenset({"letter_send", "letter_receive"}),
    "counter": frozenset({"count_read", "count_write"}),
}


@attrs.frozen(kw_only=True)
class LetterLost(Fault):
    """The letter is gone."""

    port: ClassVar[str] = "mailbox"


@attrs.frozen(kw_only=True)
class LetterLate(Fault):
    """The letter takes its time."""

    port: ClassVar[str] = "mailbox"
    seconds: float = 1.0


@attrs.frozen(kw_only=True)
class CountRefused(Fault):
    """The counter answers with an error."""

    port: ClassVar[str] = "counter"


class CounterDown(Exception):
    """The counter could not be reached."""


class Counter:
    """A counter behind a port: reading and writing are two operations, so that unlocked increments lose updates."""

    def __init__(self, world: World) -> None:
        self.value = 0
        self._world = world
        self._lock = asyncio.Lock()

    async def read(self) -> int:
        await self._reach("count_read")
        return self.value

    async def write(self, value: int) -> None:
        await self._reach("count_write")
        self.value = value
        self._world.invariants.notify("write")

    async def increment(self) -> None:
        async with self._lock:
            await self.increment_unlocked()

    async def increment_unlocked(self) -> None:
        await self.write(await self.read() + 1)

    def above(self, limit: int) -> str | None:
        return f"it stands at {self.value}" if self.value > limit else None

    async def _reach(self, operation: str) -> None:
        await asyncio.sleep(0)
        verdict = self._world.faults.verdict("counter", operation)
        if verdict is not None:
            verdict.fire()
            raise CounterDown(operation)


class Mailbox:
    """Letters from senders to one receiver; the world may lose them, or hold them up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._letters: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, letter: str) -> None:
        verdict = self._world.faults.verdict("mailbox", "letter_send")
        if verdict is not None:
            verdict.fire()
            self._world.sometimes.hit("harm done")
            if isinstance(verdict.fault, LetterLost):
                return
            if isinstance(verdict.fault, LetterLate):
                await self._world.sleep(verdict.fault.seconds)
        await self._letters.put(letter)

    async def receive(self) -> str:
        return await self._letters.get()


async def count(world: World) -> None:
    """Three clients count to nine together."""
    counter = Counter(world)
    world.invariants.add("count stays below ten", lambda: counter.above(9), when=("write",))

    async def client(name: str) -> None:
        for _ in range(3):
            async with world.history.operation(name, "increment"):
                await counter.increment()

    await asyncio.gather(*(client(f"client-{number}") for number in range(3)))
    world.check(counter.value == 9, f"no update is lost: {counter.value} of 9")


async def count_unlocked(world: World) -> None:
    """The same without a lock: the planted bug."""
    counter = Counter(world)
    await asyncio.gather(*(counter.increment_unlocked() for _ in range(3)))
    world.story(f"the counter stands at {counter.value}")
    world.check(counter.value == 3, f"no update is lost: {counter.value} of 3")


async def count_once(world: World) -> None:
    """One client counts once, and does not mind if it cannot."""
    counter = Counter(world)
    try:
        await counter.increment()
    except CounterDown as error:
        world.story(f"refused: {error}")


async def mail(world: World) -> None:
    """Letters are sent until they arrive."""
    mailbox = Mailbox(world)
    await mailbox.send("hello")
    while True:
        try:
            letter = await asyncio.wait_for(mailbox.receive(), 5)
            break
        except TimeoutError:
            await mailbox.send("hello")
    world.check(letter == "hello", f"the letter arrives whole: {letter!r}")


def mail_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Lose and hold up letters, at rates of the swarm."""
    return (
        LetterLost(probability=swarm.rate("lost", (0.0, 0.2, 0.8)), on="letter_*"),
        LetterLate(probability=swarm.rate("late", (0.0, 0.5)), on="letter_send", seconds=0.5),
    )


async def sets(world: World) -> None:
    """Much that asyncio keeps in sets: task groups, wait, as_completed, async generators."""
    order: list[str] = []

    async def worker(name: str) -> str:
        await world.sleep(0.1)
        order.append(name)
        return name

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(worker(f"group-{number}"))
    tasks = [asyncio.ensure_future(worker(f"wait-{number}")) for number in range(5)]
    done, _ = await asyncio.wait(tasks)
    order.extend(task.result() for task in done)
    for each in asyncio.as_completed([worker(f"completed-{number}") for number in range(5)]):
        order.append(await each)
    world.story(" ".join(order))


async def leaking(world: World) -> None:
    """Iterate a set of texts: its order changes with the hash seed, which no engine can hide."""
    for name in {"a", "b", "c", "d", "e", "f", "g", "h"}:
        world.trace.record("seen", name)


class Thing:
    """Something that hashes by its address."""

    def __init__(self, number: int) -> None:
        self.number = number


async def leaking_addresses(world: World) -> None:
    """Iterate a set of objects: its order changes with their addresses."""
    for thing in {Thing(number) for number in range(20)}:
        world.trace.record("seen", thing.number)


async def quiet(world: World) -> None:
    """Do nothing."""


COUNT = Scenario(name="count", run=count, operations=OPERATIONS, seeds=20, doc="Three clients count with a lock")
COUNT_ONCE = Scenario(name="count-once", run=count_once, operations=OPERATIONS, seeds=5)
MAIL = Scenario(name="mail", run=mail, faults=mail_faults, operations=OPERATIONS, sometimes=("harm done",), seeds=30)
SETS = Scenario(name="sets", run=sets, seeds=10)
UNLOCKED = Scenario(name="count-unlocked", run=count_unlocked, operations=OPERATIONS, seeds=20)
LEAKING = Scenario(name="leaking", run=leaking, seeds=5)
LEAKING_ADDRESSES = Scenario(name="leaking-addresses", run=leaking_addresses, seeds=5)
QUIET = Scenario(name="quiet", run=quiet)
SCENARIOS = (COUNT, COUNT_ONCE, MAIL, SETS)
