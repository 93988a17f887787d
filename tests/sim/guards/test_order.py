"""What the standard library does in order of addresses."""

import asyncio

import pytest

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


def test_single_awaitable_is_refused_as_ever():
    """as_completed of what is no list is a TypeError."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0))
        with pytest.raises(TypeError):
            list(asyncio.as_completed(task))  # type: ignore[arg-type]
        await task

    assert World().run(main()) is None
