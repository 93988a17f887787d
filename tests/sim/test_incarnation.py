"""Whose code is running."""

import asyncio
import contextvars

from kelpie_sim.incarnation import INCARNATION, Incarnation, context_of, is_dead, loop_at_work
from tests.sim.programs import World


def test_context_belongs_to_its_incarnation():
    """A context made for a life carries it and nothing else, and is dead when the life is."""
    world = World()
    life = Incarnation(world.host("server"), 1)
    world.loop.close()
    context = context_of(life)
    before = is_dead(context)
    life.alive = False
    assert ([INCARNATION], life, False, True) == (list(context), context[INCARNATION], before, is_dead(context))


def test_nobodys_context_is_never_dead():
    """The harness does not die."""
    context = contextvars.Context()
    empty = is_dead(context)
    context.run(INCARNATION.set, None)
    assert (False, False) == (empty, is_dead(context))


def test_loop_at_work():
    """The loop is known to its steps and to its blocking jobs, and to nobody else."""

    async def main():
        return [loop_at_work(), await asyncio.to_thread(loop_at_work)]

    world = World()
    before = loop_at_work()
    assert ([world.loop] * 2, None, None) == (world.run(main()), before, loop_at_work())
