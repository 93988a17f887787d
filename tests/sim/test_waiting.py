"""Where a task waits."""

import asyncio
import pickle
import re

import pytest

from kelpie_sim.errors import Stalled
from kelpie_sim.tasks import SimTask
from kelpie_sim.waiting import await_site, lock_cycle, told_sites
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


def told(main):
    """Run a program, which returns tasks; return their sites without places."""

    async def asked():
        tasks = await main()
        found = [re.sub(r"[^>]* waits in .*?(?= for a |$)", "", await_site(task)) for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return found

    return World().run(asked())


async def held(lock, inner=None):
    """Hold a lock, and then another or for ever."""
    async with lock:
        await asyncio.sleep(1)
        if inner is None:
            await asyncio.Event().wait()
        async with inner:
            await asyncio.Event().wait()


def start(coro, name):
    """Start a task by name."""
    return asyncio.get_running_loop().create_task(coro, name=name)


def test_holder_of_a_lock_is_named():
    """Who waits for a lock is told who is inside it, and others who wait for it are not."""

    async def main():
        lock = asyncio.Lock()
        tasks = [start(held(lock), name) for name in ("holder", "second", "third")]
        await asyncio.sleep(5)
        return tasks

    # Any of them may have been first.
    holders = {line.partition(" held by ")[2] for line in told(main) if line}
    assert 1 == len(holders)
    assert holders < {"holder", "second", "third"}


def test_holder_that_took_a_lock_by_hand_is_unknown():
    """A lock taken by `acquire()` alone has no holder that could be found; a semaphore may have several."""

    async def by_hand(lock):
        await lock.acquire()
        await asyncio.Event().wait()

    async def main():
        lock, places = asyncio.Lock(), asyncio.Semaphore(2)
        tasks = [start(by_hand(lock), "a"), start(held(places), "b"), start(held(places), "c")]
        await asyncio.sleep(5)
        tasks += [start(by_hand(lock), "d"), start(by_hand(places), "e")]
        await asyncio.sleep(5)
        return tasks

    assert ["", "", "", " for a Lock whose holder is unknown", " for a Semaphore held by b, c"] == told(main)


def test_task_that_locks_itself_out_is_its_own_holder():
    """Locks cannot be entered twice, and whoever tries waits for itself."""

    async def main():
        lock = asyncio.Lock()
        task = start(held(lock, lock), "twice")
        await asyncio.sleep(5)
        return [task]

    assert [" for a Lock held by twice"] == told(main)


def test_lock_cycle_is_found():
    """Two tasks that took two locks in opposite orders wait for each other."""

    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()
        start(held(a, b), "3:one")
        start(held(b, a), "4:other")
        await asyncio.Event().wait()

    with pytest.raises(Stalled) as caught:
        World().run(main())
    assert ["3:one", "4:other"] == sorted(lock_cycle(caught.value.waiting))
    assert () == lock_cycle(caught.value.waiting[:2])


def test_cycle_may_have_a_tail():
    """Only the tasks that wait for each other are told, not those that wait for them."""
    lines = [f"{waiter} waits in f (a.py:1) for a Lock held by {holder}" for waiter, holder in ("ab", "bc", "cb")]
    assert ("b", "c") == lock_cycle(lines)


def test_only_the_first_tasks_are_told():
    """A long list of tasks is cut, and says by how much."""

    async def main():
        tasks = [start(asyncio.sleep(9), str(number)) for number in range(25)]
        await asyncio.sleep(1)
        return told_sites(tasks).splitlines()

    lines = World().run(main())
    assert (22, "", "  and 5 more") == (len(lines), lines[0], lines[-1])
    assert "  19 waits in sleep" == lines[20].partition(" (")[0]


def test_stall_is_told_when_it_is_read():
    """The lines are about the moment of the stall, though the coroutines are closed by the time they are made."""

    async def main():
        lock = asyncio.Lock()
        await asyncio.gather(start(held(lock), "a"), start(held(lock), "a"))

    with pytest.raises(Stalled) as caught:
        World().run(main())
    told_later = [re.sub(r":\d+\)", ")", line) for line in caught.value.waiting]
    holding = "a waits in held (test_waiting.py) > wait (locks.py)"
    waiting = "a waits in held (test_waiting.py) > __aenter__ (locks.py) > acquire (locks.py) for a Lock held by a"
    assert ["1:main waits in main (test_waiting.py)", *sorted([holding, waiting])] == [
        told_later[0],
        *sorted(told_later[1:]),
    ]


def test_stall_travels_as_text():
    """Between processes an error carries its lines."""

    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Stalled) as caught:
        World().run(main())
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (str(caught.value), caught.value.waiting) == (str(travelled), travelled.waiting)
    assert repr(caught.value) == repr(travelled)
