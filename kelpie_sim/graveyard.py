"""What crashed hosts leave behind: kept until the run is over, then buried.

Why: a power loss runs no `finally`. But as soon as nothing refers to a suspended coroutine, Python closes it, and its
`finally` blocks run after all, in the context of whoever happened to run. So everything of a dead host is held here.
After the trace is sealed the coroutines are closed one by one, in a dead context, where each port raises HostDead.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextvars import Context
from functools import partial

from kelpie_sim.asyncgens import AnyGenerator
from kelpie_sim.incarnation import Incarnation, context_of
from kelpie_sim.tasks import AnyTask


class Graveyard:
    """Holds tasks, handles and async generators of dead hosts."""

    __slots__ = ("_generators", "_tasks", "_things")

    def __init__(self) -> None:
        self._tasks: list[AnyTask] = []
        self._generators: list[tuple[AnyGenerator, Incarnation | None]] = []
        self._things: list[object] = []

    def keep(self, thing: object) -> None:
        """Hold `thing` so that nothing is finalized before the burial."""
        self._things.append(thing)

    def keep_task(self, task: AnyTask) -> None:
        """Hold a suspended task, and take it out of asyncio's registry: nobody shall cancel it or wait for it."""
        asyncio.tasks._unregister_task(task)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # The C task has it.
        self._tasks.append(task)

    def keep_generator(self, generator: AnyGenerator, life: Incarnation | None) -> None:
        """Hold an unfinished async generator."""
        self._generators.append((generator, life))

    def bury(self) -> None:
        """Close everything in the order in which it came; what the dead raise meanwhile is of no account."""
        if not (self._tasks or self._generators):
            self._things.clear()
            return
        # Silence "Exception ignored in", and all logs: the dead may fail as they like.
        heard, sys.unraisablehook = sys.unraisablehook, _unheard
        logged_above = logging.root.manager.disable
        logging.disable(sys.maxsize)
        try:
            for task in self._tasks:
                _bury_task(task)
            for generator, life in self._generators:
                _close(partial(_end_generator, generator), life)
            self._tasks.clear()
            self._generators.clear()
            self._things.clear()
        finally:
            logging.disable(logged_above)
            sys.unraisablehook = heard


def _unheard(unraisable: object) -> None:
    """Say nothing."""


def _bury_task(task: AnyTask) -> None:
    coro = task.get_coro()
    if not task.done() and coro is not None:
        _close(coro.close, task.life)
    elif task.done() and not task.cancelled():
        # It crashed its own host, and so ended by HostDead: seen, and of no account.
        task.exception()


def _end_generator(generator: AnyGenerator) -> None:
    """Run the generator's clean-up.

    One that was asked for an item when its host died is still inside that await. Up to Python 3.12 it counts as running
    for ever, and cannot be closed; then what it awaits is, which is what would touch the closed loop later.
    """
    inner = getattr(generator, "ag_await", None)
    if inner is not None and hasattr(inner, "close"):
        inner.close()
    generator.aclose().send(None)


def _close(close: Callable[[], object], life: Incarnation | None) -> None:
    context = Context() if life is None else context_of(life)
    try:
        context.run(close)
    except BaseException as error:
        # A coroutine may answer its end with anything (HostDead, "ignored GeneratorExit"): the run is over, and none of
        # it counts. Only the user who interrupts is heard.
        if isinstance(error, KeyboardInterrupt):
            raise
