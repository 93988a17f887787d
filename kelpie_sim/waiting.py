"""Where a suspended task waits, as a line of text that is the same on every machine; and for whom, if it is a lock.

A lock does not know who holds it. But whoever is inside `async with lock:` keeps the lock's exit on the stack of its
coroutine, and the garbage collector can see that. So the holder is found when it is asked for, at no cost before. Who
took a lock by `acquire()` alone stays unknown.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, MethodType

from kelpie_sim.tasks import AnyTask

_DEPTH_MAX = 64
# Among more tasks than this, nobody looks for the holder of a lock: each one waiting would look at all the others.
_HOLDER_TASKS_MAX = 100
TOLD_MAX = 20

_ACQUIRE = frozenset(kind.acquire.__code__ for kind in (asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore))
_HELD = re.compile(r"^(?P<waiter>.+?) waits in .* for a \w+ held by (?P<holder>.+)$")


def await_site(task: AnyTask) -> str:
    """Return a task's name and its awaits, outermost first: `3:main waits in main (app.py:10) > get
    (queues.py:158)`; who waits for a lock is told who holds it: `... for a Lock held by 4:worker`."""
    places: list[str] = []
    frame: FrameType | None = None
    for awaited in _chain(task):
        place, inner = _place(awaited)
        if place:
            places.append(place)
            frame = inner
    return f"{task.get_name()} waits in {' > '.join(places) or 'code without a frame'}{_for_whom(task, frame)}"


def told_sites(tasks: Iterable[AnyTask]) -> str:
    """Return a line for each of the first tasks, indented, each after a line break."""
    lines = [await_site(task) for task in tasks]
    more = [f"and {len(lines) - TOLD_MAX} more"] if len(lines) > TOLD_MAX else []
    return "".join(f"\n  {line}" for line in (*lines[:TOLD_MAX], *more))


def lock_cycle(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names of tasks each of which waits for a lock that the next one holds, the last for the first's."""
    matches = [match for line in lines if (match := _HELD.match(line))]
    holders = {match["waiter"]: match["holder"] for match in matches}
    for start in holders:
        way = [start]
        while (following := holders.get(way[-1])) is not None:
            if following in way:
                return tuple(way[way.index(following) :])
            way.append(following)
    return ()


def _chain(task: AnyTask) -> Iterator[object]:
    """Yield what a task awaits, outermost first, coroutines and futures alike."""
    awaited: object = task.get_coro()
    for _ in range(_DEPTH_MAX):
        if awaited is None:
            return
        yield awaited
        awaited = _onward(awaited)


def _onward(awaited: object) -> object:
    for attribute in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(awaited, attribute):
            return getattr(awaited, attribute)
    return None


def _place(awaited: object) -> tuple[str, FrameType | None]:
    """Return where a coroutine, generator or async generator stands, and its frame."""
    for kind in ("cr", "gi", "ag"):
        code = getattr(awaited, f"{kind}_code", None)
        if isinstance(code, CodeType):
            frame = getattr(awaited, f"{kind}_frame", None)
            line = code.co_firstlineno if frame is None else frame.f_lineno
            return f"{code.co_name} ({os.path.basename(code.co_filename)}:{line})", frame
    return "", None


def _for_whom(task: AnyTask, frame: FrameType | None) -> str:
    """Return what lock a task waits for, and who holds it; nothing if it waits for anything else."""
    if frame is None or frame.f_code not in _ACQUIRE:
        return ""
    lock = frame.f_locals["self"]
    tasks: list[AnyTask] = getattr(task.get_loop(), "live_tasks", list)()
    names = [each.get_name() for each in tasks if len(tasks) <= _HOLDER_TASKS_MAX and _holds(each, lock)]
    held = f"held by {', '.join(names)}" if names else "whose holder is unknown"
    return f" for a {type(lock).__name__} {held}"


def _holds(task: AnyTask, lock: object) -> bool:
    """Say whether a task is inside `async with lock:`, and not on its way in."""
    inside = 0
    for awaited in _chain(task):
        inside += sum(
            isinstance(thing, MethodType) and thing.__self__ is lock and thing.__name__ == "__aexit__"
            for thing in gc.get_referents(awaited)
        )
        frame = getattr(awaited, "cr_frame", None)
        if frame is not None and frame.f_code.co_name == "__aenter__" and frame.f_locals.get("self") is lock:
            inside -= 1
    return inside > 0
