"""anyio in the world: threads that are none, scopes in order, limits per host."""

import asyncio
import threading
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio._backends import _asyncio

from kelpie_sim import libraries
from tests.sim.programs import World, simulated


def test_worker_thread_is_a_step():
    """A function runs in the only thread there is, and its result comes back."""
    thread = threading.get_ident()

    async def main():
        return await anyio.to_thread.run_sync(threading.get_ident)

    assert thread == World().run(main())


def test_worker_thread_knows_that_it_is_one():
    """Code in a worker finds anyio's own marks: no running loop, calls back, and whether it is cancelled."""

    def work():
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        anyio.from_thread.check_cancelled()
        slept = anyio.from_thread.run(anyio.sleep, 1)
        return slept, anyio.from_thread.run_sync(anyio.current_time)

    async def main():
        return await anyio.to_thread.run_sync(work)

    assert (None, 1.0) == World().run(main())


def test_error_crosses_both_ways():
    """What a coroutine raises reaches the worker that called it, and what the worker raises its caller."""

    async def fail():
        raise KeyError("inner")

    def work():
        with pytest.raises(KeyError, match="inner"):
            anyio.from_thread.run(fail)
        raise ValueError("outer")

    async def main():
        with pytest.raises(ValueError, match="outer"):
            await anyio.to_thread.run_sync(work)

    World().run(main())


def test_cancelled_scope_reaches_what_a_worker_has_called():
    """A scope that is cancelled ends the coroutine that a worker within it waits for."""
    seen = []

    def work():
        try:
            anyio.from_thread.run(anyio.sleep, 100)
        finally:
            seen.append("worker ended")

    async def main():
        with anyio.move_on_after(1) as scope:
            await anyio.to_thread.run_sync(work)
        return scope.cancelled_caught, anyio.current_time()

    assert (True, 1.0) == World().run(main())
    assert ["worker ended"] == seen


def test_crashed_host_gives_its_threads_back():
    """What a host had borrowed of the limit of threads when it lost power is not missing on the next one."""
    world = World()
    host, other = world.host("one"), world.host("two")

    async def hog():
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        await limiter.acquire_on_behalf_of("nobody")
        await anyio.sleep_forever()

    async def work():
        return await anyio.to_thread.run_sync(lambda: "ran")

    async def main():
        host.start(hog)
        await asyncio.sleep(1)
        elsewhere = await other.start(work)
        host.crash()
        return elsewhere, await host.start(work)

    assert ("ran", "ran") == world.run(main())


def test_run_variables_are_per_host():
    """A run variable that one host has set is unset on another, and for the harness."""
    variable: anyio.lowlevel.RunVar[str] = anyio.lowlevel.RunVar("variable", "default")
    world = World()

    async def set_it():
        variable.set("set")
        return variable.get()

    async def read():
        return variable.get()

    async def main():
        return [await world.host("one").start(set_it), await world.host("two").start(read), variable.get()]

    assert ["set", "default", "default"] == world.run(main())


def test_scopes_are_cancelled_in_order():
    """Cancelling a group reaches the scopes of its tasks in an order that is the same in each run of a seed."""

    async def main():
        seen = []

        async def child(number):
            with anyio.CancelScope():
                try:
                    await anyio.sleep_forever()
                finally:
                    seen.append(number)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(child, number)
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        return seen

    runs: list[tuple[Any, str]] = []
    for _ in range(5):
        runs.append(simulated(main, strategy="fifo"))
        keep_addresses_moving = [object() for _ in range(len(runs) * 137)]
        assert keep_addresses_moving
    assert [runs[0]] * 5 == runs
    assert list(range(20)) == sorted(runs[0][0])


def test_tasks_that_died_in_a_scope_are_forgotten():
    """A task that lost power within a scope is gone from anyio's books when the next run starts."""
    world = World()
    host = world.host("server")

    async def wait():
        with anyio.CancelScope():
            await anyio.sleep_forever()

    async def main():
        host.start(wait)
        await asyncio.sleep(1)
        host.crash()

    world.run(main())
    assert 1 == len(_asyncio._task_states)
    libraries.apply()
    assert 0 == len(_asyncio._task_states)


def test_outside_of_a_run_anyio_is_as_ever():
    """After a run has adapted it, anyio uses real threads again for everybody else."""
    World().run(anyio.sleep(1))

    async def main():
        scope = anyio.CancelScope()
        scopes = {scope}
        back = await anyio.to_thread.run_sync(lambda: (threading.get_ident(), anyio.from_thread.run(anyio.sleep, 0)))
        return back[0] != threading.get_ident(), scope in scopes

    assert (True, True) == anyio.run(main)
