"""Where a task waits."""

import asyncio
import re

from kelpie_sim.tasks import SimTask
from kelpie_sim.waiting import await_site
from tests.sim.programs import World


def sites(*coros):
    """Return where each of some coroutines waits after a second, without line numbers."""

    async def main():
        tasks = [world.loop.create_task(coro, name="it") for coro in coros]
        await asyncio.sleep(1)
        found = [re.sub(r":\d+", "", await_site(task)) for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return found

    world = World()
    return world.run(main())


async def inner(event):
    """Wait for an event."""
    await event.wait()


async def outer():
    """Wait for somebody who waits."""
    await inner(asyncio.Event())


def test_chain_of_awaits_is_named():
    """Outermost first, with file names but no paths."""
    expected = "it waits in outer (test_waiting.py) > inner (test_waiting.py) > wait (locks.py)"
    assert [expected] == sites(outer())


def test_generators_are_part_of_the_chain():
    """An async generator and an old-style coroutine have their place in it."""

    async def generator():
        await asyncio.Event().wait()
        yield 1

    async def reader():
        async for _ in generator():
            return

    class Awaitable:
        """Awaits by a plain generator."""

        def __await__(self):
            yield from asyncio.Event().wait().__await__()

    async def user():
        await Awaitable()

    assert [
        "it waits in reader (test_waiting.py)",
        "it waits in user (test_waiting.py) > __await__ (test_waiting.py)",
    ] == [site.removesuffix(" > wait (locks.py)") for site in sites(reader(), user())]


def test_ended_task_has_no_frame():
    """A task that has ended shows where its code begins."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0), name="it")
        await task
        assert isinstance(task, SimTask)
        return await_site(task)

    assert "it waits in sleep" == World().run(main()).partition(" (")[0]
