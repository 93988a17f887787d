"""Async generators in the order of their first step."""

from kelpie_sim.asyncgens import AsyncGens


async def counting():
    """Yield once."""
    yield 1


def test_generators_are_taken_in_order():
    """They come in the order in which they were asked first, each once."""
    generators, registry = [counting() for _ in range(20)], AsyncGens()
    for generator in reversed(generators):
        registry.asked(generator)
    assert ([*reversed(generators)], 0) == ([g for g, _ in registry.take(lambda life: life is None)], len(registry))


def test_owner_decides():
    """Only generators of a wanted owner are taken."""
    registry, generator = AsyncGens(), counting()
    registry.asked(generator)
    assert ([], 1) == (registry.take(lambda life: life is not None), len(registry))


def test_finished_generators_are_forgotten():
    """A generator that is gone leaves no entry behind; nor does one that is finalized."""
    registry, generator = AsyncGens(), counting()
    registry.asked(counting())
    registry.asked(generator)
    assert (None, None, 0) == (registry.forget(generator), registry.forget(generator), len(registry))
