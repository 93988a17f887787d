"""Bugs of locks: the wrong one, two in both orders, one too few, or none where one is needed."""

import asyncio
from contextlib import nullcontext

from tests.zoo.program import Main, Program, point, together


def wronglock(others: int, *, right: bool = False) -> Main:
    """One task guards the counter by one lock, the others by another."""

    async def main() -> None:
        mine, theirs = asyncio.Lock(), asyncio.Lock()
        value = 0

        async def add(lock: asyncio.Lock) -> None:
            nonlocal value
            await point()
            async with lock:
                seen = value
                await point()
                value = seen + 1
                await point()
                assert seen + 1 == value

        await together(add(mine), *(add(mine if right else theirs) for _ in range(others)))

    return main


def account(*, locked: bool = False) -> Main:
    """A deposit and a withdrawal; one of them forgets the lock."""

    async def main() -> None:
        lock, balance = asyncio.Lock(), 100

        async def deposit() -> None:
            nonlocal balance
            async with lock:
                seen = balance
                await point()
                balance = seen + 40

        async def withdraw() -> None:
            nonlocal balance
            await point()
            await point()
            async with lock if locked else nullcontext():
                balance -= 30

        async def transfer() -> None:
            await together(deposit(), withdraw())

        await transfer()
        assert 110 == balance

    return main


def philosophers(count: int, *, ordered: bool = False) -> Main:
    """Each takes the left fork, then the right one; all at once, nobody eats."""

    async def main() -> None:
        forks = [asyncio.Lock() for _ in range(count)]

        async def dine(seat: int) -> None:
            pair = (seat, (seat + 1) % count)
            left, right = sorted(pair) if ordered else pair
            for _ in range(seat):
                await point()
            async with forks[left]:
                await point()
                async with forks[right]:
                    await point()

        await together(*(dine(seat) for seat in range(count)))

    return main


async def deadlock01() -> None:
    """Fig. 1c of PCT: two locks, taken in both orders."""
    a, b = asyncio.Lock(), asyncio.Lock()

    async def take(first: asyncio.Lock, second: asyncio.Lock, delay: int) -> None:
        for _ in range(delay):
            await point()
        async with first:
            await point()
            async with second:
                await point()

    await together(take(a, b, 0), take(b, a, 4))


async def carter01() -> None:
    """A lock that the first of a group takes for all, asked for while the counters' own lock is held."""
    counters, shared = asyncio.Lock(), asyncio.Lock()

    async def use(members: list[int], delay: int) -> None:
        for _ in range(delay):
            await point()
        async with counters:
            members.append(1)
            if 1 == len(members):
                await shared.acquire()
        await point()
        async with counters:
            members.pop()
            if not members:
                shared.release()

    readers: list[int] = []
    writers: list[int] = []
    await together(use(readers, 0), use(writers, 4), use(readers, 8), use(writers, 12))


def upgrade(*, one_at_a_time: bool = False) -> Main:
    """Two readers keep their share while they wait to become the writer."""

    async def main() -> None:
        condition, upgrading = asyncio.Condition(), asyncio.Lock()
        readers = 0

        async def read_then_write(delay: int) -> None:
            nonlocal readers
            for _ in range(delay):
                await point()
            async with upgrading if one_at_a_time else nullcontext():
                async with condition:
                    readers += 1
                await point()
                async with condition:
                    await condition.wait_for(lambda: readers == 1)
                    readers -= 1
                    condition.notify_all()

        await together(read_then_write(0), read_then_write(5))

    return main


def filesystem(*, locked: bool = False) -> Main:
    """Inodes have a lock each, the table of blocks has none: two inodes get one block."""

    async def main() -> None:
        inodes: dict[int, int] = {}
        locks = [asyncio.Lock() for _ in range(4)]
        table, busy = asyncio.Lock(), [False] * 8

        async def write(inode: int) -> None:
            for _ in range(2 * inode):
                await point()
            async with locks[inode], table if locked else nullcontext():
                block = busy.index(False)
                await point()
                assert not busy[block]
                busy[block] = True
                inodes[inode] = block

        await together(*(write(inode) for inode in range(4)))

    return main


def semaphore_leak(*, guarded: bool = False) -> Main:
    """A permit is lost when its holder is cancelled between getting it and guarding it."""

    async def main() -> None:
        permits = asyncio.Semaphore(1)

        async def leaking() -> None:
            await permits.acquire()
            await point()
            try:
                await point()
            finally:
                permits.release()

        async def careful() -> None:
            async with permits:
                await point()
                await point()

        worker = asyncio.ensure_future(careful() if guarded else leaking())

        async def cancel() -> None:
            for _ in range(4):
                await point()
            worker.cancel()

        await asyncio.gather(worker, cancel(), return_exceptions=True)
        await permits.acquire()

    return main


PROGRAMS = (
    *(
        Program(
            name=name,
            main=wronglock(others),
            fixed=wronglock(others, right=True),
            tasks=1 + others,
            events=3 + 3 * others,
            bug="one counter under two locks",
        )
        for name, others in (("wronglock_1", 1), ("wronglock_3", 3), ("wronglock", 7))
    ),
    Program(
        name="account",
        main=account(),
        fixed=account(locked=True),
        tasks=2,
        events=3,
        bug="a withdrawal without the lock",
    ),
    *(
        Program(
            name=f"din_phil{count}",
            main=philosophers(count),
            fixed=philosophers(count, ordered=True),
            tasks=count,
            events=2 * count + count * (count - 1) // 2,
            bug="all philosophers hold their left fork",
        )
        for count in range(2, 8)
    ),
    Program(name="deadlock01", main=deadlock01, tasks=2, events=8, bug="two locks in both orders"),
    Program(name="carter01", main=carter01, tasks=4, events=28, bug="a lock asked for under the lock that frees it"),
    Program(
        name="lock_upgrade",
        main=upgrade(),
        fixed=upgrade(one_at_a_time=True),
        tasks=2,
        events=7,
        bug="two readers wait for each other to leave",
    ),
    Program(
        name="filesystem",
        main=filesystem(),
        fixed=filesystem(locked=True),
        tasks=4,
        events=16,
        bug="a table without a lock under objects with one each",
    ),
    Program(
        name="semaphore_leak",
        main=semaphore_leak(),
        fixed=semaphore_leak(guarded=True),
        tasks=2,
        events=6,
        bug="cancelled between getting a permit and guarding it",
    ),
)
