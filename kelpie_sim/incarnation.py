"""Which host the running code belongs to: one context variable, inherited by tasks, timers and callbacks.

An incarnation is one life of a host, from its start to its crash. Everything that a host makes carries its
incarnation, so that a crash can drop all of it and touch nothing of the next life. It stands alone, below the loop and
the hosts, because both need it.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kelpie_sim.world.host import Host


class Incarnation:
    """One life of a host."""

    __slots__ = ("alive", "host", "number")

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.number = number
        self.alive = True


class Jobs:
    """The loop whose blocking job runs: to the job itself no loop does, as in a thread."""

    loop: asyncio.AbstractEventLoop | None = None


def loop_at_work() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs, or whose job does."""
    return asyncio._get_running_loop() or Jobs.loop


INCARNATION: ContextVar[Incarnation | None] = ContextVar("kelpie_sim incarnation", default=None)


def is_dead(context: Context) -> bool:
    """Return whether `context` belongs to a host that has crashed."""
    life = context.get(INCARNATION)
    return life is not None and not life.alive


def context_of(life: Incarnation) -> Context:
    """Return a fresh context that belongs to `life`: what a new process would start with."""
    context = Context()
    context.run(INCARNATION.set, life)
    return context
