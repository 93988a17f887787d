"""Small asyncio programs that use what the standard library iterates in order of addresses, and a way to run them.

Each returns what it saw, in the order in which it saw it. `python -m tests.sim.programs SEED JITTER` prints the digest
of each as JSON: a test runs that in fresh processes, with other hash seeds and another heap, and compares.
"""

import asyncio
import contextvars
import json
import random
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import strategy_named
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace
from kelpie_sim.world.host import Host

Program = Callable[[], Coroutine[Any, Any, object]]


class World:
    """A loop with its streams and trace, for one run."""

    def __init__(self, seed: int = 1, strategy: str = "random", tape: Tape | None = None, keep: bool = False) -> None:
        self.streams = Streams(seed, tape)
        self.trace = Trace(keep)
        self.loop = SimLoop(strategy_named(strategy, self.streams), self.trace)

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run a program guarded, and return its result."""
        return run(self.loop, self.streams, main)

    def host(self, name: str) -> Host:
        """Return a new host."""
        return Host(self.loop, name)


def simulated(program: Program, seed: int = 1, **options: Any) -> tuple[object, str]:
    """Return the result and the digest of a program."""
    world = World(seed, **options)
    return world.run(program()), world.trace.digest()


async def napping(number: int, naps: int = 3) -> int:
    """Sleep a few times; return the number."""
    for nap in range(naps):
        await asyncio.sleep((number * 7 + nap) % 5 / 10)
    return number


async def cancelled_group() -> object:
    """A task group whose children are cancelled: it walks a set of tasks."""
    seen: list[int] = []

    async def child(number: int) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            seen.append(number)

    async def failing() -> None:
        await asyncio.sleep(1)
        raise ValueError("planned")

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(child(number))
            group.create_task(failing())
    except* ValueError:
        seen.append(-1)
    return seen


async def waits() -> object:
    """asyncio.wait over tasks and over bare futures: it returns sets."""
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(napping(number)) for number in range(12)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first = [task.result() for task in done]
    rest, _ = await asyncio.wait(pending)
    futures = {loop.create_future() for _ in range(12)}
    for number, future in enumerate(futures):
        loop.call_later(number % 3 / 10, future.set_result, number)
    finished, _ = await asyncio.wait(futures)
    return first, [task.result() for task in rest], [future.result() for future in finished]


async def completions() -> object:
    """as_completed over bare coroutines: it puts them into a set."""
    return [await next_done for next_done in asyncio.as_completed([napping(number) for number in range(12)])]


async def gathering() -> object:
    """gather, shield, wait_for and timeout."""
    results: list[object] = list(await asyncio.gather(*(napping(number) for number in range(8))))
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.create_task(napping(4, 30))), 0.5)
    except TimeoutError:
        results.append("late")
    try:
        async with asyncio.timeout(0.5):
            await asyncio.Event().wait()
    except TimeoutError:
        results.append("too late")
    return results


async def queues() -> object:
    """Queue, lock, semaphore, condition, event, barrier."""
    queue: asyncio.Queue[int] = asyncio.Queue(2)
    lock, gate, barrier = asyncio.Lock(), asyncio.Event(), asyncio.Barrier(3)
    taken: list[tuple[int, int]] = []

    async def producer(start: int) -> None:
        await barrier.wait()
        gate.set()
        for number in range(start, start + 5):
            await queue.put(number)

    async def consumer(name: int) -> None:
        await gate.wait()
        while True:
            number = await queue.get()
            async with lock:
                await asyncio.sleep(0)
                taken.append((name, number))
            queue.task_done()

    consumers = [asyncio.create_task(consumer(name)) for name in range(3)]
    await asyncio.gather(*(producer(start) for start in (0, 100, 200)))
    await queue.join()
    for task in consumers:
        task.cancel()
    return taken


async def generators() -> object:
    """Async generators, finished and left unfinished, dropped and still held at the end."""
    seen: list[str] = []

    async def count(name: str) -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
                await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0)
            seen.append(name)

    async def reader(name: str, stop: int) -> None:
        async for number in count(name):
            if number == stop:
                break

    held = [count(f"held {number}") for number in range(10)]
    for generator in held:
        await anext(generator)
    await asyncio.gather(*(reader(f"dropped {number}", number % 4) for number in range(10)))
    await asyncio.sleep(0.1)
    # Still referred to when the run ends, so it is the loop that has to close them.
    asyncio.get_running_loop().held = held  # type: ignore[attr-defined]
    return seen


async def jobs() -> object:
    """Executor jobs, which run inline."""
    order: list[int] = []
    await asyncio.gather(*(asyncio.to_thread(order.append, number) for number in range(10)))
    return order


async def crashes() -> object:
    """Hosts that crash and restart while others go on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    told: list[str] = []

    async def main() -> None:
        async def worker(number: int) -> None:
            while True:
                await asyncio.sleep(0.1 + number / 100)
                told.append(f"{number} {uuid.uuid4()}")

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(worker(number), context=contextvars.Context())

    hosts = [Host(loop, name) for name in ("left", "right")]
    for host in hosts:
        host.start(main)
    for host in hosts * 2:
        await asyncio.sleep(0.35)
        host.restart()
    await asyncio.sleep(0.35)
    return told


PROGRAMS: dict[str, Program] = {
    program.__name__: program
    for program in (cancelled_group, waits, completions, gathering, queues, generators, jobs, crashes)
}


def heap_jitter(jitter: int) -> Callable[[], None]:
    """Return a hook that moves the addresses of all later objects about, differently for each `jitter`."""
    shaker, heap = random.Random(jitter), [bytearray(jitter % 97)]

    def shake() -> None:
        heap.extend(bytearray(shaker.randrange(600)) for _ in range(shaker.randrange(4)))
        del heap[shaker.randrange(len(heap)) :: 3]
        heap.append(bytearray(8))

    return shake


def digests(seed: int, jitter: int = 0) -> dict[str, str]:
    """Return the digest of each program, its result included, while the heap is shaken."""
    found = {}
    for name, program in PROGRAMS.items():
        world = World(seed)
        if jitter:
            world.loop.after_step.append(heap_jitter(jitter))
        result = world.run(program())
        found[name] = f"{world.trace.digest()} {result!r}"
    return found


if __name__ == "__main__":
    print(json.dumps(digests(int(sys.argv[1]), int(sys.argv[2]))))
