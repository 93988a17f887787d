"""The tasks of a run, and the errors that nobody saw."""

import asyncio
import gc

from kelpie_sim.registry import LostException
from tests.sim.programs import World, napping


def test_live_tasks_come_by_age():
    """Tasks that have not ended are listed, oldest first."""

    async def main():
        tasks = [asyncio.create_task(napping(number), name=str(number)) for number in range(5)]
        early = asyncio.create_task(asyncio.sleep(0), name="early")
        await early
        assert 5 == len(tasks)
        return [task.get_name() for task in world.loop.live_tasks()]

    world = World()
    assert ["1:main", "0", "1", "2", "3", "4"] == world.run(main())


def test_ended_tasks_do_not_pile_up():
    """A program that makes tasks for ever keeps few of them."""

    async def main():
        for _ in range(10_000):
            await asyncio.create_task(asyncio.sleep(0))
        return len(world.loop._tasks.held)

    world = World()
    assert world.run(main()) < 2_000


def test_error_of_long_ago_is_kept():
    """However many tasks come after it, one that failed unseen is still reported."""

    async def failing():
        raise ValueError("planned")

    async def main():
        world.loop.create_task(failing(), name="failing")
        for _ in range(5_000):
            await asyncio.create_task(asyncio.sleep(0))

    world = World()
    world.run(main())
    expected = LostException(source="failing", message="task exception was never retrieved")
    assert (expected,) == world.loop.lost_exceptions()


def test_pending_task_that_nobody_holds_goes_on():
    """A task is held by the loop: it cannot be collected in the middle of its work."""

    async def main():
        asyncio.create_task(asyncio.sleep(5)).add_done_callback(lambda task: done.append(world.loop.time()))
        await asyncio.sleep(10)

    world, done = World(), list[object]()
    world.run(main())
    assert [5.0] == done


def test_a_cancellation_is_nobodys_error():
    """A callback that lets a cancellation out has not failed; any other error of a callback is reported."""

    async def main():
        def cancelled():
            raise asyncio.CancelledError

        def failed():
            raise ValueError("planned")

        loop = asyncio.get_running_loop()
        loop.call_soon(cancelled)
        loop.call_soon(failed)
        await asyncio.sleep(1)

    world = World()
    world.run(main())
    assert ["ValueError('planned')"] == [repr(lost.exception) for lost in world.loop.lost_exceptions()]


def test_error_that_died_with_its_host_is_nobodys():
    """A job fails, and its host loses power before the waiting task hears of it: that is no lost error."""

    failed = []

    def fail():
        failed.append(True)
        raise OSError("planned")

    async def program():
        await asyncio.to_thread(fail)

    async def main():
        host = world.host("box")

        def crash_after_the_job():
            if failed:
                host.crash()

        world.loop.after_step.append(crash_after_the_job)
        host.start(program)
        await asyncio.sleep(1)
        return host.alive

    world = World()
    alive = world.run(main())
    gc.collect()
    assert (False, ()) == (alive, world.loop.lost_exceptions())
