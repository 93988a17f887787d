"""Whose step a handle is, and keys of tasks by descent."""

import asyncio

from kelpie_sim.loop import SimLoop
from kelpie_sim.run import run
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import Fifo
from kelpie_sim.strategies.owners import NOBODY, Kin, owner_of
from kelpie_sim.tasks import SimTask
from kelpie_sim.trace import Trace


class Watching(Fifo):
    """First come, first served, noting whose each handle is."""

    def __init__(self):
        super().__init__()
        self.kin = Kin()
        self.owners: list[int] = []
        self.keys: dict[int, int] = {}
        plain = self.add

        def add(handle):
            plain(handle)
            owner = owner_of(handle)
            self.owners.append(owner)
            if owner != NOBODY:
                self.keys.setdefault(owner, self.kin.key(owner))

        self.add = add


def watched(main):
    """Run a program first come first served, and return the strategy that watched."""
    strategy = Watching()
    run(SimLoop(strategy, Trace()), Streams(1), main)
    return strategy


def serial(task=None):
    """Return the serial of a task, or of the one that runs."""
    task = task or asyncio.current_task()
    assert isinstance(task, SimTask)
    return task.serial


def test_steps_and_wake_ups_are_the_tasks():
    """A task's steps, the timer that wakes it and the wake-up itself are all its own."""
    seen = []

    async def main():
        seen.append(serial())
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1, future.set_result, 1)
        await future

    owners = watched(main()).owners
    # First step, second, timer, wake-up, the timer of the future and its wake-up, and the end that the loop hears of.
    assert [seen[0]] * 7 == owners[:7]


def test_end_of_a_task_is_its_own():
    """What a task's end calls back belongs to that task."""
    ended = []

    async def child():
        pass

    async def main():
        task = asyncio.ensure_future(child())
        task.add_done_callback(lambda done: ended.append(serial(done)))
        await asyncio.sleep(1)
        return task

    strategy = watched(main())
    assert (1, 2) == (len(ended), strategy.owners.count(ended[0]))


def test_other_callbacks_are_nobodys():
    """A plain callback is a thread of its own."""

    async def main():
        asyncio.get_running_loop().call_soon(list)
        asyncio.get_running_loop().call_later(1, list)
        await asyncio.sleep(2)

    assert 2 == watched(main()).owners.count(NOBODY)


async def _nest(turn):
    """Start two children, which start two each, in an order that `turn` says."""
    keys = {}

    async def grandchild(name):
        keys[name] = serial()

    async def child(name):
        for _ in range(3 if (name == "a") == turn else 0):
            await asyncio.sleep(0)
        await asyncio.gather(grandchild(f"{name}1"), grandchild(f"{name}2"))

    await asyncio.gather(child("a"), child("b"))
    return keys


def test_keys_are_by_descent():
    """A task has the same key in each run, though its serial depends on who came first."""
    found = []
    for turn in (False, True):
        serials: dict[str, int] = {}

        async def main(turn=turn, serials=serials):
            serials.update(await _nest(turn))

        keys = watched(main()).keys
        found.append(({name: keys[serial] for name, serial in serials.items()}, serials))
    (one, one_serials), (other, other_serials) = found
    assert (one, 4, True) == (other, len(set(one.values())), one_serials != other_serials)
