"""Guards are there for the run only."""

import asyncio
import gc
import importlib
import os
import random
import sys
import threading
import time
import uuid

import pytest

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards import batch, guarded
from tests.sim.programs import World

OWNERS = (
    asyncio,
    asyncio.tasks,
    os,
    random,
    random.Random,
    threading,
    threading.Thread,
    threading.Condition,
    time,
    uuid,
)


def attributes():
    """Return all attributes that guards might touch."""
    return [dict(vars(owner)) for owner in OWNERS], dict(vars(__import__("datetime").datetime))


def test_everything_is_put_back():
    """After the block each attribute is the very object that it was."""
    world = World()
    with guarded(world.loop, world.streams):
        pass
    before = attributes()
    with guarded(world.loop, world.streams):
        inside = attributes()
    world.loop.close()
    assert (before, False) == (attributes(), inside == before)


def test_everything_is_put_back_after_an_error():
    """An error in the block changes nothing about that."""
    before, world = attributes(), World()
    with pytest.raises(ValueError, match="planned"), guarded(world.loop, world.streams):
        raise ValueError("planned")
    world.loop.close()
    assert (before, True) == (attributes(), gc.isenabled())


def test_garbage_is_not_collected_meanwhile():
    """Collections wait, and go on as they were set before."""
    world = World()
    with guarded(world.loop, world.streams):
        inside = gc.isenabled()
    gc.disable()
    with guarded(world.loop, world.streams):
        pass
    after = gc.isenabled()
    gc.enable()
    world.loop.close()
    assert (False, False) == (inside, after)


def test_guards_do_not_nest():
    """A second guard is refused, and the first one stays."""
    world = World()
    with guarded(world.loop, world.streams):
        with pytest.raises(SimulationError, match="do not nest"), guarded(world.loop, world.streams):
            pass
        inside = time.monotonic()
    world.loop.close()
    assert 0.0 == inside


def test_guards_are_cheap():
    """Thousands of small runs do not wait for their guards: far below a millisecond each."""
    world = World()
    with guarded(world.loop, world.streams):
        pass
    start = time.process_time()
    for _ in range(200):
        with guarded(world.loop, world.streams):
            pass
    world.loop.close()
    assert (time.process_time() - start) / 200 < 0.001


async def reading():
    """Return what two clocks say."""
    await asyncio.sleep(1)
    return time.monotonic(), time.time()


def test_batch_keeps_the_guards_in_place():
    """In a batch the replacements stay, act as the originals between the runs, and are gone at its end."""
    before = attributes()
    with batch():
        first = World().run(reading())
        between = time.monotonic, abs(time.time() - 1767225601.0) < 1
        second = World().run(reading())
        kept = time.monotonic is between[0]
    assert ((1.0, 1767225601.0), (1.0, 1767225601.0), True, False) == (first, second, kept, between[1])
    assert before == attributes()


def test_batches_nest():
    """The outermost batch decides when the guards go."""
    before = attributes()
    with batch(), batch():
        World().run(reading())
    assert before == attributes()


def test_batch_is_undone_after_an_error():
    """An error in the block, or in a run of it, leaves nothing in place."""
    before = attributes()
    with pytest.raises(TypeError), batch():
        World().run(asyncio.sleep("x"))  # type: ignore[call-overload]
    assert before == attributes()


def test_module_imported_within_a_batch_is_searched_too(monkeypatch, tmp_path):
    """A name that a module imported between two runs of a batch is replaced in the next, and put back at the end."""
    (tmp_path / "batch_module.py").write_text("from time import time\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def main():
        return batch_module.time()

    real = time.time
    with batch():
        World().run(reading())
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", real)
            batch_module = importlib.import_module("batch_module")
        seen = World().run(main())
    assert (1767225600.0, real) == (seen, batch_module.time)
    del sys.modules["batch_module"]


def test_random_goes_on_after_each_run_of_a_batch():
    """What a run draws from the module's generator is nothing to the harness, which goes on where it was."""

    async def main():
        return random.random()

    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    drawn = [random.random()]
    with batch():
        first = World().run(main())
        drawn.append(random.random())
        second = World().run(main())
    assert ([*drawn, random.random()], first) == (expected, second)


def test_module_imported_later_is_searched_too(monkeypatch, tmp_path):
    """A name that a module imported after the first run is replaced in the next one, and put back."""
    World().loop.close()
    (tmp_path / "late_module.py").write_text("from time import time\n")
    monkeypatch.syspath_prepend(tmp_path)
    late_module = importlib.import_module("late_module")

    async def main():
        return late_module.time()

    assert (1767225600.0, time.time) == (World().run(main()), late_module.time)
    del sys.modules["late_module"]


def test_module_imported_inside_a_run_works_outside():
    """A replacement that was imported inside a run acts as the original outside, and as the clock in the next run."""

    async def main():
        return time.time

    replacement = World().run(main())

    async def again():
        await asyncio.sleep(1)
        return replacement()

    assert (1767225601.0, True) == (World().run(again()), abs(replacement() - time.time()) < 60)


def test_runs_of_a_batch_leave_each_other_nothing():
    """Within a batch each run of a seed makes the same time-based ids, though the instant is the same."""

    async def main():
        return [str(uuid.uuid1()) for _ in range(3)]

    with batch():
        first, second = World().run(main()), World().run(main())
    assert (first, 3) == (second, len(set(first)))
