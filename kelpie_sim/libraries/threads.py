"""Blocking jobs as steps of the loop.

A job runs in the loop's own thread, from its beginning to its end or to where it calls back into the loop and waits for
the answer. To wait there it needs a stack of its own: a greenlet. Without that package, a job that calls back is
refused, and all others run.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, ClassVar, TypeVar

from kelpie_sim.errors import HostDead
from kelpie_sim.incarnation import Jobs
from kelpie_sim.loop import SimLoop

try:
    import greenlet  # type: ignore[import-untyped]
except ImportError:  # an extra: most programs never call back from a thread
    greenlet = None

T = TypeVar("T")


class Job:
    """One blocking call. `result` is done when it has ended."""

    current: ClassVar[Job | None] = None
    """The job whose code is running."""

    def __init__(self, loop: SimLoop, work: Callable[[], object]) -> None:
        self.loop = loop
        self.result: asyncio.Future[Any] = loop.create_future()
        self._work = work
        self._stack: Any = None
        loop.call_soon(self._begin)

    def _begin(self) -> None:
        if self.result.cancelled():
            return
        if greenlet is None:
            self._step(self._run)
        else:
            self._stack = greenlet.greenlet(self._run)
            # A new stack has no context: what the job starts would be nobody's, and outlive its host.
            self._stack.gr_context = copy_context()
            self._step(self._stack.switch)

    def _step(self, go: Callable[[], object]) -> None:
        # In a real thread no loop would be running, and code may look for one.
        events._set_running_loop(None)
        Job.current = self
        Jobs.loop = self.loop
        try:
            go()
        finally:
            Job.current = None
            Jobs.loop = None
            events._set_running_loop(self.loop)

    def _run(self) -> None:
        time_left_ns = self.loop.job_timer()
        try:
            settle: Callable[[], None] = partial(self.result.set_result, self._work())
        except (KeyboardInterrupt, HostDead):
            raise
        except BaseException as error:
            settle = partial(self.result.set_exception, _settable(error))
        self.loop.end_job(self.result, settle, time_left_ns())
        # It holds an error, whose traceback holds this frame.
        del settle

    @property
    def waits(self) -> bool:
        """Whether it can wait for the loop where it stands."""
        return self._stack is not None

    def sleep_us(self, microseconds: int) -> None:
        """Let the loop run for so long. Only the job's own code may call it."""
        future: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_later(microseconds / 1_000_000, future.set_result, None)
        self.wait_for(future)

    def wait_for(self, future: asyncio.Future[T]) -> T:
        """Let the loop run until the future is done, and return its result. Only the job's own code may call it."""
        if self._stack is None:
            self.loop.refuse("a call into the loop from a blocking job", "it needs the package greenlet")
        future.add_done_callback(lambda done: self._step(self._stack.switch))
        self._stack.parent.switch()
        return future.result()


def _settable(error: BaseException) -> BaseException:
    """Return what a future can hold: a StopIteration would end the coroutine that awaits it."""
    if not isinstance(error, StopIteration):
        return error
    replacement = RuntimeError("coroutine raised StopIteration")
    replacement.__cause__ = error
    return replacement
