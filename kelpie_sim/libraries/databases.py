"""aiosqlite: connections without threads.

A connection of aiosqlite owns a thread and a queue of calls. In the world the queue runs its calls itself, one per step
of the loop, in the order in which they came.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable
from typing import Any

from kelpie_sim.guards.active import Guard, current
from kelpie_sim.libraries.adapter import Adapter
from kelpie_sim.loop import SimLoop

Call = tuple[asyncio.Future[object] | None, Callable[[], object]]


class CallQueue:
    """Stands for both the queue of a connection and the thread that empties it."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._calls: deque[Call] = deque()

    def put_nowait(self, call: Call) -> None:
        """Take a call with the future of its result. Once the loop is closed, nobody runs it."""
        self._calls.append(call)
        if not self._loop.is_closed():
            self._loop.call_soon(self._run_oldest)

    def _run_oldest(self) -> None:
        # Steps may come in any order, calls must not.
        future, function = self._calls.popleft()
        events._set_running_loop(None)
        try:
            result = function()
        except Exception as error:
            if future and not future.done():
                future.set_exception(error)
        else:
            if future and not future.done():
                future.set_result(result)
        finally:
            events._set_running_loop(self._loop)


class NoThread:
    """A thread that has nothing to do."""

    def start(self) -> None:
        """Do nothing: the queue runs its calls."""


def _fit(core: Any) -> None:
    core.SimpleQueue = _instead(core.SimpleQueue, lambda guard: CallQueue(guard.loop))
    core.Thread = _instead(core.Thread, lambda guard: NoThread())


def _instead(real: Any, make: Callable[[Guard], object]) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        guard = current()
        return real(*args, **kwargs) if guard is None else make(guard)

    return made


DATABASES = (Adapter(library="aiosqlite", module="aiosqlite.core", known_from=(0, 22), known_before=(0, 23), fit=_fit),)
