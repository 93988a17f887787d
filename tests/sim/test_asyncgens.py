"""Async generators in the order of their first step."""

import asyncio
import gc
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import suppress

from kelpie_sim.asyncgens import AsyncGens
from kelpie_sim.world.host import current_host
from tests.sim.programs import World


async def counting():
    """Yield once."""
    yield 1


def test_generators_are_taken_in_order():
    """They come in the order in which they were asked first, each once."""
    generators, registry = [counting() for _ in range(20)], AsyncGens()
    for generator in reversed(generators):
        registry.asked(generator)
    assert ([*reversed(generators)], False) == (
        [g for g, _ in registry.take(lambda life: life is None)],
        registry.any_open(),
    )


def test_owner_decides():
    """Only generators of a wanted owner are taken."""
    registry, generator = AsyncGens(), counting()
    registry.asked(generator)
    assert ([], True) == (registry.take(lambda life: life is not None), registry.any_open())


def test_finished_generators_are_forgotten():
    """A generator that is gone leaves no entry behind; nor does one that is finalized."""
    registry, generator = AsyncGens(), counting()
    registry.asked(counting())
    registry.asked(generator)
    before = registry.any_open()
    registry.forget(generator)
    assert (True, False) == (before, registry.any_open())


def test_finished_generators_do_not_pile_up():
    """A program that asks generators for ever keeps few entries, and those that live."""
    registry, held = AsyncGens(), [counting() for _ in range(1_000)]
    for number in range(1_000):
        registry.asked(held[number])
    del held[10:]
    for _ in range(5_000):
        registry.asked(counting())
    entries = len(registry._entries)
    assert (held, True) == ([g for g, _ in registry.take(lambda life: True)], entries < 2_000)


def test_dropped_generator_is_closed_in_the_name_of_its_host():
    """The task that closes a dropped generator belongs to the host that asked it first."""

    async def closing():
        try:
            yield 1
        finally:
            seen.append(current_host())

    async def program():
        held.append(closing())
        await anext(held[0])

    async def main():
        await host.start(program)
        held.clear()
        await asyncio.sleep(1)

    world, seen, held = World(), list[object](), list[AsyncIterator[int]]()
    host = world.host("server")
    world.run(main())
    assert [host] == seen


def test_generator_that_is_dropped_as_the_run_ends_makes_no_noise(monkeypatch):
    """One that was to be closed in a step that never came is let go of without a complaint."""

    async def main():
        generator = counting()
        await anext(generator)
        del generator
        raise SystemExit

    complaints = list[object]()
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with warnings.catch_warnings(action="error"), suppress(SystemExit):
        World().run(main())
    gc.collect()
    assert [] == complaints
