"""Where a suspended task waits, as a line of text that is the same on every machine; and for whom, if it is a lock.

A lock does not know who holds it. But whoever is inside `async with lock:` keeps the lock's exit on the stack of its
coroutine, and the garbage collector can see that. So the holder is found when it is asked for, at no cost before. Who
took a lock by `acquire()` alone stays unknown.

What there is to know is taken at once, since the coroutines are closed later; text is made of it when somebody reads.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType, MethodType
from typing import Any

from kelpie_sim.tasks import AnyTask

_DEPTH_MAX = 64
# Among more tasks than this, nobody looks for the holder of a lock: each one waiting would look at all the others.
_HOLDER_TASKS_MAX = 100
TOLD_MAX = 20

_ACQUIRE = frozenset(kind.acquire.__code__ for kind in (asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore))
_HELD = re.compile(r"^(?P<waiter>.+?) waits in .* for a \w+ held by (?P<holder>.+)$")


# What a coroutine, generator or async generator calls its code, its frame and what it awaits.
_KINDS: dict[type, tuple[str, str, str]] = {
    CoroutineType: ("cr_code", "cr_frame", "cr_await"),
    GeneratorType: ("gi_code", "gi_frame", "gi_yieldfrom"),
    AsyncGeneratorType: ("ag_code", "ag_frame", "ag_await"),
}


class Sites:
    """A line per task, about the moment at which this was made; it travels between processes as a tuple of text.

    Nothing of the run is held meanwhile, but code and names.
    """

    __slots__ = ("_holders", "_waits")

    def __init__(self, tasks: Sequence[AnyTask]) -> None:
        self._waits = [_Wait(task) for task in tasks]
        self._holders = _holders(tasks, self._waits)
        for wait in self._waits:
            wait.chain, wait.frames = [], []

    def lines(self) -> tuple[str, ...]:
        """Return all lines."""
        return tuple(wait.told(self._holders) for wait in self._waits)

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines())

    def __repr__(self) -> str:
        return repr(self.lines())

    def __reduce__(self) -> tuple[type, tuple[tuple[str, ...]]]:
        return tuple, (self.lines(),)


def await_site(task: AnyTask) -> str:
    """Return a task's name and its awaits, outermost first: `3:main waits in main (app.py:10) > get
    (queues.py:158)`; who waits for a lock is told who holds it: `... for a Lock held by 4:worker`."""
    return Sites((task,)).lines()[0]


def told_sites(tasks: Sequence[AnyTask]) -> str:
    """Return a line for each of the first tasks, indented, each after a line break."""
    more = [f"and {len(tasks) - TOLD_MAX} more"] if len(tasks) > TOLD_MAX else []
    return "".join(f"\n  {line}" for line in (*Sites(tasks[:TOLD_MAX]).lines(), *more))


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


class _Wait:
    """Where one task waits: a look along all that it awaits, outermost first.

    Locks are told by their addresses, which hold for the moment at which all tasks are looked at. Only for so long the
    `chain` and its frames are held.
    """

    __slots__ = ("chain", "frames", "lock", "lock_kind", "name", "places")

    def __init__(self, task: AnyTask) -> None:
        self.name = task.get_name()
        chain: list[object] = []
        frames: list[FrameType | None] = []
        self.chain, self.frames = chain, frames
        places: list[tuple[CodeType, int]] = []
        self.places = places
        code: CodeType | None = None
        frame: FrameType | None = None
        awaited: Any = task.get_coro()
        while len(chain) < _DEPTH_MAX:
            if type(awaited) is CoroutineType:
                code, frame, onward = awaited.cr_code, awaited.cr_frame, awaited.cr_await
            elif names := _names_of(awaited):
                code, frame, onward = [getattr(awaited, name) for name in names]
            else:
                break
            places.append((code, code.co_firstlineno if frame is None else frame.f_lineno))
            chain.append(awaited)
            frames.append(frame)
            awaited = onward
        # The lock that it waits for; 0 if it is anything else.
        self.lock, self.lock_kind = 0, ""
        if code in _ACQUIRE and frame is not None:
            lock = frame.f_locals["self"]
            self.lock, self.lock_kind = id(lock), type(lock).__name__

    def told(self, holders: dict[int, list[str]]) -> str:
        """Return a line of text."""
        places = [f"{code.co_name} ({os.path.basename(code.co_filename)}:{line})" for code, line in self.places]
        line = f"{self.name} waits in {' > '.join(places) or 'code without a frame'}"
        if not self.lock:
            return line
        names = holders.get(self.lock)
        held = f"held by {', '.join(names)}" if names else "whose holder is unknown"
        return f"{line} for a {self.lock_kind} {held}"

    def locks(self) -> list[int]:
        """Return the locks whose `async with` the task is inside of, and not on its way in, among other things."""
        # All at once: the interpreter tells its audit hooks of each call.
        things = gc.get_referents(*self.chain)
        inside = [id(each.__self__) for each in things if type(each) is MethodType and each.__name__ == "__aexit__"]
        if not inside:
            return inside
        entering = [
            id(frame.f_locals.get("self"))
            for (code, _), frame in zip(self.places, self.frames, strict=True)
            if code.co_name == "__aenter__" and frame is not None
        ]
        return [lock for lock in inside if inside.count(lock) > entering.count(lock)]


def _names_of(awaited: object) -> tuple[str, str, str] | None:
    """Return the names of its parts, None if it has none. Compiled code has types of its own, with the same names."""
    names = _KINDS.get(type(awaited))
    if names is None and not isinstance(awaited, asyncio.Future):
        names = next(
            (names for names in _KINDS.values() if isinstance(getattr(awaited, names[0], None), CodeType)), None
        )
    return names


def _holders(tasks: Sequence[AnyTask], waits: Sequence[_Wait]) -> dict[int, list[str]]:
    """Return the names of those who hold the locks that are waited for."""
    wanted = {wait.lock: None for wait in waits if wait.lock}
    live: list[AnyTask] = getattr(tasks[0].get_loop(), "live_tasks", list)() if wanted else []
    if not live or len(live) > _HOLDER_TASKS_MAX:
        return {}
    known = {id(task): wait for task, wait in zip(tasks, waits, strict=True)}
    inside = [(wait.name, wait.locks()) for task in live for wait in (known.get(id(task)) or _Wait(task),)]
    return {lock: [name for name, entered in inside if lock in entered] for lock in wanted}
