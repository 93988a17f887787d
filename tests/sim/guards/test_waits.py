"""Sleep, queues and locks keep their behaviour on quicker futures."""

import asyncio
import inspect
import threading
from types import CoroutineType

import pytest

from kelpie_sim.errors import Stalled
from kelpie_sim.tasks import SimFuture
from tests.sim.programs import World


def test_sleep_gives_its_result_and_takes_its_time():
    """sleep returns the given result after the given time, or at once after a turn for zero and less."""

    async def main():
        loop = asyncio.get_running_loop()
        results = [await asyncio.sleep(2, "a"), await asyncio.sleep(0, "b"), await asyncio.sleep(-1, "c")]
        return results, loop.time()

    assert (["a", "b", "c"], 2.0) == World().run(main())


def test_cancelled_sleep_leaves_no_timer():
    """Time does not move for a sleep that was cancelled."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.Event().wait()

    world = World()
    with pytest.raises(Stalled):
        world.run(main())
    assert 10**9 == world.loop.time_ns


def test_sleep_that_ends_as_it_is_cancelled_stays_cancelled():
    """A timer that fires in the instant of a cancellation does no harm."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(1.0, task.cancel)
        await asyncio.wait([task])
        return task.done()

    worlds = [World(seed) for seed in range(20)]
    done = [world.run(main()) for world in worlds]
    assert ([True] * 20, [()] * 20) == (done, [world.loop.lost_exceptions() for world in worlds])


def test_futures_of_the_program_still_hash_by_number():
    """Only what a program never sees is of the plain kind."""

    async def main():
        return type(asyncio.get_running_loop().create_future()) is SimFuture

    assert World().run(main()) is True


def test_queue_of_another_loop_is_refused():
    """A queue that was used in one run cannot be waited for in another."""

    async def main():
        task = asyncio.create_task(shared.get())
        await asyncio.sleep(1)
        task.cancel()

    async def other():
        with pytest.raises(RuntimeError, match="bound to a different event loop"):
            await shared.get()

    shared: asyncio.Queue[int] = asyncio.Queue()
    World().run(main())
    World().run(other())
    assert shared.empty()


def test_other_threads_wait_as_ever():
    """asyncio in a thread of the harness is not touched by a guarded run."""

    async def outside():
        await asyncio.sleep(0.001)
        lock = asyncio.Lock()
        async with lock:
            return await asyncio.wait_for(asyncio.sleep(0, "done"), 5)

    started, found = threading.Event(), []

    def outsider():
        with asyncio.Runner() as runner:
            started.set()
            found.append(runner.run(outside()))

    thread = threading.Thread(target=outsider)
    thread.start()
    started.wait(10)
    World().run(asyncio.sleep(1))
    thread.join()
    assert ["done"] == found


def test_sleep_is_a_coroutine_like_the_original():
    """It is one for whoever looks, shows what it awaits, and complains when nobody awaits it."""

    async def main():
        assert inspect.iscoroutinefunction(asyncio.sleep)
        short, long = asyncio.sleep(0), asyncio.sleep(9)
        assert {CoroutineType} == {type(short), type(long)}
        task = asyncio.create_task(long)
        await short
        await asyncio.sleep(1)
        awaited = inspect.getattr_static(long, "cr_await").__get__(long)
        assert type(awaited) is type(iter(asyncio.get_running_loop().create_future()))
        task.cancel()
        with pytest.warns(RuntimeWarning, match="sleep' was never awaited"):
            asyncio.sleep(0)  # type: ignore[unused-coroutine]

    World().run(main())
