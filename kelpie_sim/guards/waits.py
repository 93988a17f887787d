"""The standard waits on futures of the quickest kind.

A future that hashes by number is a subclass, and a task awaits those more slowly than asyncio's own. The futures inside
`sleep`, queues and locks are never seen by a program, so no set can hold them, and they need no such hash. Steps, order
and results are those of the originals; only the cost differs.
"""

from __future__ import annotations

import asyncio
from asyncio import mixins
from collections.abc import Callable, Generator
from functools import partial
from inspect import CO_COROUTINE, CO_GENERATOR
from threading import get_ident
from types import FunctionType
from typing import Any

from kelpie_sim.guards.active import installed
from kelpie_sim.guards.patches import Patch
from kelpie_sim.loop import SimLoop


class PlainFutures:
    """What queues and locks see in place of their loop: all they ask it for is a future."""

    __slots__ = ("_loop", "create_future")

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.create_future: Callable[[], asyncio.Future[Any]] = partial(asyncio.Future, loop=loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def _get_loop_like(real: Callable[[Any], Any]) -> Callable[[Any], Any]:
    last: tuple[SimLoop | None, PlainFutures | None] = (None, None)

    def _get_loop(self: Any) -> Any:
        nonlocal last
        guard = installed()
        if guard is None or guard.thread != get_ident():
            return real(self)
        if last[0] is not guard.loop:
            last = guard.loop, PlainFutures(guard.loop)
        # Bound to the guarded loop, which is the one that runs; the original finds that out by a system call.
        return last[1] if self._loop is guard.loop or real(self) is guard.loop else self._loop

    return _get_loop


def _sleep_like(real: Callable[..., Any]) -> Callable[..., Any]:
    def sleep(delay: float, result: Any = None) -> Generator[Any, Any, Any]:
        if delay <= 0:
            yield
            return result
        guard = installed()
        if guard is None or guard.thread != get_ident():
            return (yield from real(delay, result))
        future: asyncio.Future[Any] = asyncio.Future(loop=guard.loop)
        timer = guard.loop.call_later(delay, _wake, future, result)
        try:
            return (yield from future)
        finally:
            timer.cancel()

    return _as_coroutine_function(sleep)


def _as_coroutine_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a generator function as an `async def`, flag for flag: but a bare `yield` gives way to others.

    Only thus can a coroutine do so by itself. The original awaits a generator for it, which takes longer.
    """
    code = function.__code__
    flags = code.co_flags & ~CO_GENERATOR | CO_COROUTINE
    names, defaults, cells = function.__globals__, function.__defaults__, function.__closure__
    return FunctionType(code.replace(co_flags=flags), names, function.__name__, defaults, cells)


def _wake(future: asyncio.Future[Any], result: object) -> None:
    if not future.cancelled():
        future.set_result(result)


def wait_patches() -> list[Patch]:
    """Return the patches of asyncio."""
    sleep = _sleep_like(asyncio.sleep)
    bound = mixins._LoopBoundMixin
    return [
        Patch(owner=asyncio, name="sleep", replacement=sleep),
        Patch(owner=asyncio.tasks, name="sleep", replacement=sleep),
        Patch(owner=bound, name="_get_loop", replacement=_get_loop_like(vars(bound)["_get_loop"])),
    ]
