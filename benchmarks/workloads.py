"""What loops are measured with: plain asyncio that runs on any of them.

Each program returns what it did, and that is checked, so that no loop is quick by doing less.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

import attrs

Main = Callable[[], Coroutine[Any, Any, object]]

TASKS, SLEEPS, YIELDS, ROUNDS, TIMEOUTS = 1_000, 100, 100, 100_000, 50
ECHO_CLIENTS, ECHO_LINES = 200, 50
EMPTY_RUNS, SMALL_RUNS = 2_000, 400
PORT = 7


@attrs.frozen(kw_only=True)
class Workload:
    """A program, what it returns when it is done, and how many events that is; `runs` times, each on a new loop."""

    main: Main
    events: int
    expected: object = None
    runs: int = 1


async def sleeps(tasks: int = TASKS, count: int = SLEEPS) -> int:
    """Sleep in many tasks, for ever other times; return the virtual time it took, in microseconds."""

    async def sleeper(number: int) -> None:
        for step in range(count):
            await asyncio.sleep(_pause_us(number, step) / 1_000_000)

    start = asyncio.get_running_loop().time()
    await asyncio.gather(*(sleeper(number) for number in range(tasks)))
    return round((asyncio.get_running_loop().time() - start) * 1_000_000)


def _pause_us(number: int, step: int) -> int:
    """Return a pause up to a tenth of a second: as varied as real ones, so that hardly two end in one instant."""
    return (number * 7_919 + step * 104_729) % 99_991 + 1


async def yields(tasks: int = TASKS, count: int = YIELDS) -> int:
    """Give way to the others in many tasks; return how often."""
    done = 0

    async def yielder() -> None:
        nonlocal done
        for _ in range(count):
            await asyncio.sleep(0)
            done += 1

    await asyncio.gather(*(yielder() for _ in range(tasks)))
    return done


async def ping_pong(rounds: int = ROUNDS) -> int:
    """Send a number forth and back through two queues; return the last one."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def pong() -> None:
        for _ in range(rounds):
            back.put_nowait(await there.get() + 1)

    answering = asyncio.create_task(pong())
    number = 0
    for _ in range(rounds):
        there.put_nowait(number)
        number = await back.get()
    await answering
    return number


async def timeouts(tasks: int = TASKS, count: int = TIMEOUTS) -> int:
    """Wait in many tasks for what never comes, with a timeout; return how many there were."""
    late = 0

    async def waiter(number: int) -> None:
        nonlocal late
        for step in range(count):
            try:
                await asyncio.wait_for(asyncio.get_running_loop().create_future(), _pause_us(number, step) / 1_000_000)
            except TimeoutError:
                late += 1

    await asyncio.gather(*(waiter(number) for number in range(tasks)))
    return late


async def echo(clients: int = ECHO_CLIENTS, lines: int = ECHO_LINES) -> int:
    """Send lines to a server that sends them back, over streams; return how many came back unchanged."""
    same = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def client(number: int) -> None:
        nonlocal same
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        for step in range(lines):
            line = b"client %d line %d\n" % (number, step)
            writer.write(line)
            await writer.drain()
            answer = await reader.readline()
            same += answer == line
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    await asyncio.gather(*(client(number) for number in range(clients)))
    server.close()
    return same


async def empty() -> None:
    """Do nothing: what remains is the cost of a run."""


async def small() -> int:
    """Ask a server with a queue and two workers, as three clients who lose patience; return the answers."""
    requests: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()
    answers = 0

    async def worker() -> None:
        while True:
            number, answer = await requests.get()
            await asyncio.sleep(number % 3 / 10)
            if not answer.done():
                answer.set_result(number + 1)

    async def client(number: int) -> None:
        nonlocal answers
        for step in range(5):
            answer = asyncio.get_running_loop().create_future()
            requests.put_nowait((number + step, answer))
            async with asyncio.timeout(10):
                await answer
            answers += 1

    workers = [asyncio.create_task(worker()) for _ in range(2)]
    await asyncio.gather(*(client(number) for number in range(3)))
    for task in workers:
        task.cancel()
    return answers


WORKLOADS = {
    "sleeps": Workload(
        main=sleeps,
        events=TASKS * SLEEPS,
        expected=max(sum(_pause_us(number, step) for step in range(SLEEPS)) for number in range(TASKS)),
    ),
    "yields": Workload(main=yields, events=TASKS * YIELDS, expected=TASKS * YIELDS),
    "ping-pong": Workload(main=ping_pong, events=ROUNDS, expected=ROUNDS),
    "timeouts": Workload(main=timeouts, events=TASKS * TIMEOUTS, expected=TASKS * TIMEOUTS),
    "echo": Workload(main=echo, events=ECHO_CLIENTS * ECHO_LINES, expected=ECHO_CLIENTS * ECHO_LINES),
    "empty": Workload(main=empty, events=EMPTY_RUNS, runs=EMPTY_RUNS),
    "small": Workload(main=small, events=SMALL_RUNS, expected=15, runs=SMALL_RUNS),
}


def measured_s(runner: Callable[[Main, int], object], workload: Workload) -> float:
    """Return the CPU seconds of a workload, after small runs to warm up.

    Raise RuntimeError if it did not do what it should.
    """
    for seed in range(3):
        runner(empty, seed)
    start_s = time.process_time()
    for seed in range(workload.runs):
        result = runner(workload.main, seed)
        # Loops count time in ticks of their own, so that a sum of times may be a little off.
        if result != workload.expected and not _is_close(result, workload.expected):
            raise RuntimeError(f"the workload returned {result!r}, not {workload.expected!r}")
    return time.process_time() - start_s


def _is_close(result: object, expected: object) -> bool:
    return (
        isinstance(result, float | int) and isinstance(expected, int) and math.isclose(result, expected, rel_tol=0.05)
    )
