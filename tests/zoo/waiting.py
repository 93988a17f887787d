"""Bugs of waiting: a signal comes before anybody waits, wakes the wrong one, or is believed without a second look."""

import asyncio
from collections.abc import Callable

from tests.zoo.program import Main, Program, point, together


def sync01(*, look_first: bool = False) -> Main:
    """A waiter for a notification that may have come already."""

    async def main() -> None:
        condition, ready = asyncio.Condition(), False

        async def wait() -> None:
            await point()
            async with condition:
                if look_first:
                    await condition.wait_for(lambda: ready)
                else:
                    await condition.wait()

        async def notify() -> None:
            nonlocal ready
            for _ in range(4):
                await point()
            async with condition:
                ready = True
                condition.notify_all()

        await together(wait(), notify())

    return main


def sync02(*, again: bool = False) -> Main:
    """Two take what one notification announced; the second did not look again."""

    async def main() -> None:
        condition, items = asyncio.Condition(), list[int]()

        async def take(delay: int) -> None:
            for _ in range(delay):
                await point()
            async with condition:
                while not items:
                    await condition.wait()
                    if not again:
                        break
                assert items
                items.pop()

        async def put() -> None:
            for _ in range(2):
                await point()
                await point()
                async with condition:
                    items.append(1)
                    condition.notify()

        await together(take(0), take(5), put())

    return main


def bounded_buffer(*, all_of_them: bool = False) -> Main:
    """Producers and consumers wait on one condition, and one is woken, be it the right one or not."""

    async def main() -> None:
        condition, items = asyncio.Condition(), list[int]()

        def wake() -> None:
            if all_of_them:
                condition.notify_all()
            else:
                condition.notify()

        async def produce(count: int) -> None:
            for number in range(count):
                await point()
                async with condition:
                    await condition.wait_for(lambda: len(items) < 1)
                    items.append(number)
                    wake()

        async def consume(count: int) -> None:
            for _ in range(count):
                await point()
                async with condition:
                    await condition.wait_for(lambda: bool(items))
                    items.pop()
                    wake()

        await together(produce(2), produce(2), consume(2), consume(2))

    return main


async def arithmetic_prog() -> None:
    """A producer of numbers and a consumer who sums them up; the last is taken for summed when it is sent."""
    condition, sent, total = asyncio.Condition(), 0, 0
    offered: list[int] = []

    async def produce() -> None:
        nonlocal sent
        for _ in range(3):
            await point()
            async with condition:
                await condition.wait_for(lambda: not offered)
                sent += 1
                offered.append(sent)
                condition.notify_all()

    async def consume() -> None:
        nonlocal total
        for _ in range(3):
            await point()
            async with condition:
                await condition.wait_for(lambda: bool(offered))
                total += offered.pop()
                condition.notify_all()

    async def check() -> None:
        for _ in range(24):
            await point()
        if sent == 3:
            assert 6 == total

    await together(produce(), consume(), check())


def barrier(*, generations: bool = False) -> Main:
    """A barrier made by hand, used twice: the first of the next round shuts the gate on those still leaving."""

    async def main() -> None:
        condition, arrived, is_open, generation = asyncio.Condition(), 0, False, 0

        async def meet() -> None:
            nonlocal arrived, is_open, generation
            async with condition:
                mine = generation
                arrived += 1
                is_open = arrived == 3
                if is_open:
                    arrived = 0
                    generation += 1
                    condition.notify_all()
                await condition.wait_for(lambda: generation > mine if generations else is_open)

        async def work(delay: int) -> None:
            for _ in range(2):
                for _ in range(delay):
                    await point()
                await meet()

        await together(work(4), work(7), work(10))

    return main


async def missed_signal() -> None:
    """An event is cleared after it was seen, together with a signal that came since."""
    event, jobs = asyncio.Event(), list[int]()
    done = 0

    async def serve() -> None:
        nonlocal done
        while done < 2:
            await event.wait()
            done += len(jobs)
            jobs.clear()
            await point()
            event.clear()

    async def submit(delay: int) -> None:
        for _ in range(delay):
            await point()
        jobs.append(delay)
        event.set()

    await together(serve(), submit(1), submit(6))


async def lost_cancel() -> None:
    """A task is told to stop while it swallows the cancellation of what it waits for."""
    stopped = asyncio.Event()

    async def serve() -> None:
        try:
            for _ in range(5):
                await point()
        except asyncio.CancelledError:
            await point()
        await stopped.wait()

    server = asyncio.ensure_future(serve())

    async def stop() -> None:
        for _ in range(8):
            await point()
        server.cancel()

    await asyncio.gather(server, stop(), return_exceptions=True)


def dispatch(*, counted: bool = False) -> Main:
    """Workers look whether a job is left, and then wait for one that somebody else may have taken."""

    async def main() -> None:
        jobs: asyncio.Queue[int] = asyncio.Queue()
        for number in range(3):
            jobs.put_nowait(number)

        async def work(delay: int) -> None:
            for _ in range(delay):
                await point()
            while not jobs.empty():
                if counted:
                    jobs.get_nowait()
                await point()
                if not counted:
                    await jobs.get()

        await together(work(0), work(7))

    return main


async def late_subscriber() -> None:
    """Who subscribes after the first message waits for it for ever."""
    subscribers: list[asyncio.Queue[str]] = []

    async def subscribe() -> None:
        await point()
        queue: asyncio.Queue[str] = asyncio.Queue()
        subscribers.append(queue)
        await queue.get()

    async def publish() -> None:
        for _ in range(4):
            await point()
        for queue in subscribers:
            queue.put_nowait("hello")

    await together(subscribe(), subscribe(), publish())


def _pair(name: str, make: Callable[..., Main], option: str, tasks: int, events: int, bug: str) -> Program:
    return Program(name=name, main=make(), fixed=make(**{option: True}), tasks=tasks, events=events, bug=bug)


PROGRAMS = (
    _pair("sync01", sync01, "look_first", 2, 5, "the notification comes before the waiter"),
    _pair("sync02", sync02, "again", 3, 9, "a waiter believes a notification without looking again"),
    _pair("bounded_buffer", bounded_buffer, "all_of_them", 4, 8, "the one that is woken cannot go on"),
    Program(name="arithmetic_prog", main=arithmetic_prog, tasks=3, events=30, bug="sent is taken for summed"),
    _pair("barrier", barrier, "generations", 3, 10, "a barrier that is used again too early"),
    Program(
        name="missed_signal", main=missed_signal, tasks=3, events=9, bug="a signal is cleared with the one before it"
    ),
    Program(
        name="lost_cancel", main=lost_cancel, tasks=2, events=13, bug="a cancellation is swallowed, and then it waits"
    ),
    _pair("dispatch", dispatch, "counted", 2, 10, "a job is seen, and somebody else takes it"),
    Program(name="late_subscriber", main=late_subscriber, tasks=3, events=6, bug="who subscribes late waits for ever"),
)
