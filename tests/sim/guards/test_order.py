"""What the standard library does in order of addresses."""

import asyncio

import pytest

from kelpie_sim.guards import batch
from tests.sim.programs import World, napping


def test_coroutines_start_in_the_order_given():
    """as_completed makes tasks of bare coroutines in their order, each once."""

    async def main():
        coros = [napping(0, 1) for _ in range(9)]
        tasks = []

        async def noted(coro):
            tasks.append(asyncio.current_task())
            return await coro

        jobs = [noted(coro) for coro in coros]
        results = [await one for one in asyncio.as_completed([*jobs, jobs[0]])]
        return len(results), [hash(task) for task in tasks]

    assert (9, list(range(2, 11))) == World(strategy="fifo").run(main())


def test_timeout_is_kept():
    """as_completed still times out."""

    async def main():
        for one in asyncio.as_completed([asyncio.sleep(10)], timeout=1):
            with pytest.raises(TimeoutError):
                await one
        return asyncio.get_running_loop().time()

    assert 1.0 == World().run(main())


def test_all_tasks_are_those_of_the_run():
    """all_tasks knows who runs, by age, whoever asks; outside of the run it knows nothing of them."""

    async def main():
        tasks = [asyncio.create_task(napping(number), name=f"nap {number}") for number in range(3)]
        await asyncio.sleep(0)
        seen = [task.get_name() for task in asyncio.all_tasks()]
        await asyncio.gather(*tasks)
        return seen, asyncio.all_tasks() == asyncio.all_tasks(asyncio.get_running_loop()) == {asyncio.current_task()}

    assert (["1:main", "nap 0", "nap 1", "nap 2"], True) == World().run(main())
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.all_tasks()


def test_set_of_all_tasks_is_left_as_it_was():
    """After a run the set that asyncio keeps has its own `add` again."""
    known = vars(asyncio.tasks)
    tasks = known.get("_scheduled_tasks", known.get("_all_tasks"))
    World().run(napping(1))
    assert "add" not in vars(tasks)


def test_tasks_of_other_loops_are_registered_as_ever():
    """In a batch, between two runs, a loop of asyncio's own finds its tasks."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0), name="child")
        names = {one.get_name() for one in asyncio.all_tasks()}
        await task
        return "child" in names

    with batch():
        World().run(napping(1))
        assert asyncio.run(main())


def test_single_awaitable_is_refused_as_ever():
    """as_completed of what is no list is a TypeError."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0))
        with pytest.raises(TypeError):
            list(asyncio.as_completed(task))  # type: ignore[arg-type]
        await task

    assert World().run(main()) is None
