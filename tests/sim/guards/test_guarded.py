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
from kelpie_sim.guards import guarded
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
