"""What crashed hosts leave behind."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator

import pytest

from kelpie_sim.errors import Stalled, Unsupported
from kelpie_sim.world.host import current_host
from tests.sim.programs import World


def crashed(program):
    """Run a program on a host, crash it after a second, and return the world when the run is over."""

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        host.crash()
        gc.collect()
        world.trace.record("after the crash")
        await asyncio.sleep(1)

    world = World()
    host = world.host("server")
    world.run(main())
    return world


def test_dead_code_ends_in_a_dead_context():
    """The burial runs `finally` blocks in the name of their own host, in order of age."""

    async def child(name):
        try:
            await asyncio.Event().wait()
        finally:
            host = current_host()
            assert host is not None
            seen.append((name, host.name, host.alive))

    async def program():
        await asyncio.gather(*(child(name) for name in ("a", "b", "c")))

    seen = list[object]()
    crashed(program)
    assert [(name, "server", False) for name in ("a", "b", "c")] == seen


def test_dead_code_may_fail_as_it_likes(capsys):
    """Errors, awaits and refusals to end are of no account at the burial, and make no noise."""

    async def failing():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("planned")

    async def awaiting():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)

    async def unkillable():
        while True:
            try:
                await asyncio.Event().wait()
            except GeneratorExit:
                await asyncio.sleep(1)

    async def generator():
        try:
            yield 1
        finally:
            raise ValueError("planned")

    async def program():
        held = generator()
        await anext(held)
        tasks = [asyncio.create_task(make()) for make in (failing, awaiting, unkillable)]
        await asyncio.gather(*tasks)

    hook = sys.unraisablehook
    world = crashed(program)
    gc.collect()
    assert (("", ""), (), True) == (
        tuple(capsys.readouterr()),
        world.loop.lost_exceptions(),
        sys.unraisablehook is hook,
    )


def test_dead_code_logs_nothing(caplog):
    """What code logs because it is buried is dropped, however grave; what is logged before and after is not."""
    logger = logging.getLogger("tests.graveyard")

    async def program():
        logger.info("alive")
        try:
            await asyncio.Event().wait()
        finally:
            logger.log(2 * logging.CRITICAL, "buried")

    with caplog.at_level(logging.INFO):
        crashed(program)
        logger.info("over")
    assert ["alive", "over"] == [record.message for record in caplog.records]


def test_refusals_at_the_burial_are_not_counted():
    """What living code asks for in vain is remembered, what dying code asks for is not."""

    async def main():
        with pytest.raises(Unsupported):
            time.sleep(1)
        try:
            await asyncio.Event().wait()
        finally:
            time.sleep(2)

    world = World()
    with pytest.raises(Stalled):
        world.run(main())
    assert ["time.sleep"] == world.loop.refusals


def test_interrupt_at_the_burial_comes_through():
    """A user who loses patience is heard."""

    async def program():
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crashed(program)


def test_what_a_dropped_timer_holds_stays_suspended():
    """A coroutine that only a timer of the dead refers to is not closed before the run is over."""

    class Turn:
        """Gives way once."""

        def __await__(self):
            yield

    async def suspended():
        try:
            await Turn()
        finally:
            seen.append(world.loop.is_closed())

    async def program():
        coro = suspended()
        coro.send(None)
        asyncio.get_running_loop().call_later(100, coro.close)
        asyncio.get_running_loop().call_later(1.5, coro.close)

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        host.crash()
        gc.collect()
        await asyncio.sleep(1)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [True] == seen


def test_generator_of_a_dying_step_stays_suspended():
    """A generator that is asked and dropped by code that caught its own death is buried like the rest."""

    async def generator():
        try:
            yield 1
        finally:
            seen.append(world.loop.is_closed())

    async def program():
        try:
            host.crash()
        finally:
            held = generator()
            await anext(held)
            del held

    async def main():
        host.start(program)
        await asyncio.sleep(1)

    world, seen = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert [True] == seen


def test_dropped_generator_of_the_dead_stays_suspended():
    """A dead host's generator is not closed when the last reference to it goes."""

    async def generator():
        try:
            yield 1
        finally:
            seen.append(world.loop.is_closed())

    async def program():
        box.append(generator())
        await anext(box[0])
        await asyncio.sleep(100)

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        host.crash()
        box.clear()
        gc.collect()
        await asyncio.sleep(1)

    world, seen, box = World(), list[object](), list[AsyncIterator[int]]()
    host = world.host("server")
    world.run(main())
    assert [True] == seen


def test_generator_that_was_asked_rests_after_the_burial(monkeypatch):
    """A generator that waits for something of its own when its host dies is buried with the rest, and says nothing."""

    async def generator():
        yield await asyncio.Queue().get()

    async def program():
        async for _ in generator():
            pass

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        host.crash()

    world, complaints = World(), list[object]()
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    host = world.host("server")
    world.run(main())
    del world
    gc.collect()
    assert [] == complaints
