"""Bugs of shared data: a value is read, others run, and what was read is taken for true."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import attrs

from tests.zoo.program import Main, Program, point, together


def lost_update(tasks: int, rounds: int, *, locked: bool = False) -> Main:
    """All add to one counter, each by reading, waiting and writing, at their own pace."""

    async def main() -> None:
        lock, total = asyncio.Lock(), 0

        async def add(delay: int) -> None:
            nonlocal total
            for _ in range(delay):
                await point()
            for _ in range(rounds):
                async with lock if locked else nullcontext():
                    seen = total
                    await point()
                    total = seen + 1

        await together(*(add((rounds + 1) * number) for number in range(tasks)))
        assert tasks * rounds == total

    return main


def stack(*, locked: bool = False) -> Main:
    """One pushes and one pops: the top is moved before the element is there."""

    async def main() -> None:
        lock, top = asyncio.Lock(), 0
        cells: list[int | None] = [None] * 4

        async def push() -> None:
            nonlocal top
            for number in range(3):
                await point()
                async with lock if locked else nullcontext():
                    top += 1
                    await point()
                    cells[top - 1] = number

        async def pop() -> None:
            nonlocal top
            for _ in range(8):
                await point()
            async with lock if locked else nullcontext():
                if top:
                    top -= 1
                    await point()
                    assert cells[top] is not None

        await together(push(), pop())

    return main


async def queue() -> None:
    """A queue's length is checked first, and its lock taken later."""
    lock, items = asyncio.Lock(), [0]

    async def take(delay: int) -> None:
        for _ in range(delay):
            await point()
        if items:
            await point()
            async with lock:
                assert items
                items.pop()

    await together(take(0), take(3))


async def circular_buffer() -> None:
    """A sender and a receiver on three cells, and no word between them about who is how far."""
    cells, first, end = [0, 0, 0], 0, 0
    received: list[int] = []

    async def send() -> None:
        nonlocal end
        for number in range(1, 7):
            await point()
            cells[end % 3] = number
            await point()
            end += 1

    async def receive() -> None:
        nonlocal first
        while first < 6:
            await point()
            if first < end:
                received.append(cells[first % 3])
                first += 1
        assert list(range(1, 7)) == received

    await together(send(), receive())


async def aba() -> None:
    """A compare-and-swap that finds the old head again, whose next one is no longer what it was."""
    following: dict[str, str | None] = {"a": "b", "b": "c", "c": None}
    head: str | None = "a"
    freed: set[str] = set()

    async def pop() -> str | None:
        nonlocal head
        await point()
        seen = head
        if seen is None:
            return None
        after = following[seen]
        await point()
        if head != seen:
            return None
        head = after
        assert head not in freed
        return seen

    async def recycle() -> None:
        nonlocal head
        for _ in range(3):
            await point()
        first = await pop()
        second = await pop()
        await point()
        if first is not None and second is not None:
            freed.add(second)
            following[first] = head
            head = first

    await together(pop(), recycle())


def cache(*, shared: bool = False) -> Main:
    """What is not in the cache is computed, by each who asks before the first is done."""

    async def main() -> None:
        entries: dict[str, int] = {}
        lock, computed = asyncio.Lock(), 0

        async def get(delay: int) -> None:
            nonlocal computed
            for _ in range(delay):
                await point()
            async with lock if shared else nullcontext():
                if "key" not in entries:
                    await point()
                    computed += 1
                    entries["key"] = computed

        await together(get(0), get(2), get(4))
        assert 1 == computed

    return main


def closing(*, mark_first: bool = False) -> Main:
    """Whoever notices an error closes the connection, unless it is closed."""

    async def main() -> None:
        closed, closings = False, 0

        async def close(delay: int) -> None:
            nonlocal closed, closings
            for _ in range(delay):
                await point()
            if not closed:
                closed = mark_first or closed
                await point()
                closings += 1
                closed = True

        await together(close(0), close(3))
        assert 1 == closings

    return main


async def bluetooth() -> None:
    """A driver stops once no request is pending; a request that has just seen it run comes in all the same."""
    stopping, stopped, pending = False, False, 1

    async def request() -> None:
        nonlocal pending
        await point()
        if stopping:
            return
        await point()
        pending += 1
        await point()
        assert not stopped
        await leave()

    async def stop() -> None:
        nonlocal stopping
        for _ in range(4):
            await point()
        stopping = True
        await leave()

    async def leave() -> None:
        nonlocal pending, stopped
        await point()
        pending -= 1
        stopped = stopped or pending == 0

    await together(request(), stop())


async def steal_work() -> None:
    """The owner takes work from one end, a thief from the other; for the last piece, both look and both take."""
    work, done = [1, 2], list[int]()

    async def own() -> None:
        while work:
            piece = work[-1]
            await point()
            if piece in work:
                work.remove(piece)
            done.append(piece)

    async def steal() -> None:
        for _ in range(3):
            await point()
        if work:
            piece = work[0]
            await point()
            if piece in work:
                work.remove(piece)
            done.append(piece)

    await together(own(), steal())
    assert len(done) == len(set(done))


async def freed_in_use() -> None:
    """A count of users: one sees that it is the last, and another comes before it frees."""
    users, freed = 1, False

    async def leave() -> None:
        nonlocal users, freed
        await point()
        users -= 1
        if users == 0:
            await point()
            freed = True

    async def enter() -> None:
        nonlocal users
        for _ in range(4):
            await point()
        if not freed:
            users += 1
            await point()
            assert not freed
            users -= 1

    await together(leave(), enter())


async def changed_while_walked() -> None:
    """One walks over a table and waits at each entry; another adds one."""
    table = {"a": 1, "b": 2}

    async def walk() -> None:
        before = len(table)
        for _ in tuple(table):
            await point()
            assert before == len(table)

    async def add() -> None:
        for _ in range(5):
            await point()
        table["c"] = 3

    await together(walk(), add())


def transfer(*, held: bool = False) -> Main:
    """Money is taken here and put there; the books are wrong in between, and an audit looks twice."""

    async def main() -> None:
        accounts, lock = {"here": 100, "there": 0}, asyncio.Lock()

        async def move() -> None:
            async with lock if held else nullcontext():
                accounts["here"] -= 10
                await point()
                accounts["there"] += 10

        async def audit() -> None:
            for _ in range(5):
                await point()
            async with lock if held else nullcontext():
                here = accounts["here"]
                await point()
                assert 100 == here + accounts["there"]

        await together(move(), audit())

    return main


@attrs.define
class Lease:
    """Who leads, and under which number."""

    holder: str | None = None
    number: int = 0


def leaders(*, compare: bool = False) -> Main:
    """Two candidates see an empty seat; unless the seat's number is compared, both sit down."""

    async def main() -> None:
        lease, elected = Lease(), list[str]()

        async def stand(name: str, delay: int) -> None:
            for _ in range(delay):
                await point()
            seen, number = lease.holder, lease.number
            if seen is None:
                await point()
                if not compare or lease.number == number:
                    lease.holder, lease.number = name, number + 1
                    elected.append(name)

        await together(*(stand(name, 3 * place) for place, name in enumerate("abc")))
        assert 1 == len(elected)

    return main


def _pair(name: str, make: Callable[..., Main], option: str, tasks: int, events: int, bug: str) -> Program:
    return Program(name=name, main=make(), fixed=make(**{option: True}), tasks=tasks, events=events, bug=bug)


PROGRAMS = (
    Program(
        name="lost_update",
        main=lost_update(3, 3),
        fixed=lost_update(3, 3, locked=True),
        tasks=3,
        events=21,
        bug="read, wait, write",
    ),
    _pair("stack", stack, "locked", 2, 11, "the top is moved before the element is there"),
    Program(name="queue", main=queue, tasks=2, events=5, bug="checked before the lock is taken"),
    Program(name="circular_buffer", main=circular_buffer, tasks=2, events=18, bug="a slow reader is overrun"),
    Program(name="aba", main=aba, tasks=2, events=9, bug="the old head is back, and its next is gone"),
    _pair("cache", cache, "shared", 3, 9, "computed by each who misses it"),
    _pair("double_close", closing, "mark_first", 2, 5, "two see it open, and both close it"),
    Program(name="bluetooth", main=bluetooth, tasks=2, events=9, bug="a request enters a driver that has stopped"),
    Program(name="steal_work", main=steal_work, tasks=2, events=6, bug="the last piece is done twice"),
    Program(name="freed_in_use", main=freed_in_use, tasks=2, events=7, bug="freed after somebody came"),
    Program(
        name="changed_while_walked", main=changed_while_walked, tasks=2, events=7, bug="a table grows while walked"
    ),
    _pair("transfer", transfer, "held", 2, 7, "an audit in the middle of a transfer"),
    _pair("leaders", leaders, "compare", 3, 12, "two candidates see an empty seat"),
)
