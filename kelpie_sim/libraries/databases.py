"""aiosqlite: connections without threads.

A connection of aiosqlite owns a thread and a queue of calls. In the world the queue runs its calls itself, as blocking
jobs, one after the other in the order in which they came. So a call takes the time that its disk takes, and one that
finds the database locked waits as long as its timeout says, while others go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from kelpie_sim.errors import HostDead
from kelpie_sim.guards.active import Guard, current
from kelpie_sim.libraries.adapter import Adapter
from kelpie_sim.libraries.threads import Job
from kelpie_sim.loop import SimLoop

Call = tuple[asyncio.Future[object] | None, Callable[[], object]]


class CallQueue:
    """Stands for both the queue of a connection and the thread that empties it."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._calls: deque[Call] = deque()
        self._works = False

    def put_nowait(self, call: Call) -> None:
        """Take a call with the future of its result. Once the loop is closed, nobody runs it."""
        self._calls.append(call)
        if not self._works:
            self._begin_oldest()

    def _begin_oldest(self) -> None:
        self._works = bool(self._calls) and not self._loop.is_closed()
        if self._works:
            future, function = self._calls.popleft()
            Job(self._loop, function).result.add_done_callback(partial(self._end, future))

    def _end(self, future: asyncio.Future[object] | None, ended: asyncio.Future[object]) -> None:
        error = ended.exception()
        if future is not None and not future.done():
            if error is None:
                future.set_result(ended.result())
            else:
                future.set_exception(error)
        self._begin_oldest()


class NoThread:
    """A thread that has nothing to do."""

    def start(self) -> None:
        """Do nothing: the queue runs its calls."""


def _fit(core: Any) -> None:
    core.SimpleQueue = _instead(core.SimpleQueue, lambda guard: CallQueue(guard.loop))
    core.Thread = _instead(core.Thread, lambda guard: NoThread())
    kind = core.Connection
    kind.__del__ = _for_threads(kind.__del__, lambda: True)
    kind.stop = _for_threads(kind.stop, _after_the_run)
    kind._execute = _while_it_runs(kind._execute)


def _after_the_run() -> bool:
    """Say whether a coroutine is closed that its run has left, and does what comes last in it."""
    return asyncio._get_running_loop() is None


def _is_ours(connection: Any) -> bool:
    return isinstance(getattr(connection, "_tx", None), CallQueue)


def _for_threads(real: Callable[[Any], Any], idle: Callable[[], bool]) -> Callable[[Any], Any]:
    """Return a method that stops a thread, and does nothing where there is none, lest it makes a real loop."""
    return lambda self: None if idle() and _is_ours(self) else real(self)


def _while_it_runs(real: Callable[..., Any]) -> Callable[..., Any]:
    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        if _after_the_run() and _is_ours(self):
            raise HostDead("the run of this connection is over")
        return await real(self, *args, **options)

    return execute


def _instead(real: Any, make: Callable[[Guard], object]) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        guard = current()
        return real(*args, **kwargs) if guard is None else make(guard)

    return made


DATABASES = (Adapter(library="aiosqlite", module="aiosqlite.core", known_from=(0, 22), known_before=(0, 23), fit=_fit),)
