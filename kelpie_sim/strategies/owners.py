"""Whose step a handle is, and how a task is recognized in another run.

The papers speak of threads; here a thread is a task. What is no step of a task belongs to the task that it wakes, or to
the task whose end it tells: so a program of n tasks has n threads, as the bounds of the papers want it, and a timer has
no priority of its own to be unlucky with. What wakes nobody known (a callback of a protocol) is a thread of one step.
"""

from __future__ import annotations

import asyncio
from zlib import crc32

from kelpie_sim.tasks import Ready, SimTask

NOBODY = 0


def owner_of(handle: Ready) -> int:
    """Return the serial of the task that a handle belongs to, NOBODY if it is a thread of its own."""
    callback, args = (handle[0], ()) if isinstance(handle, tuple) else (handle._callback, handle._args)
    owner = getattr(callback, "__self__", None)
    if type(owner) is SimTask:
        return owner.serial
    subject = owner if isinstance(owner, asyncio.Future) else args[0] if args else None
    if type(subject) is SimTask:
        return subject.serial
    return _woken(subject) if isinstance(subject, asyncio.Future) else NOBODY


def _woken(future: asyncio.Future[object]) -> int:
    """Return the serial of the first task that waits for a future."""
    for callback, _ in future._callbacks or ():
        task = getattr(callback, "__self__", None)
        if type(task) is SimTask:
            return task.serial
    return NOBODY


class Kin:
    """Names tasks by descent: the n-th child of its parent has the same key in each run, whatever the order of steps.

    A serial or a task's own name would not do: they count births in the order in which they happened.
    """

    __slots__ = ("_children", "_keys", "parents")

    def __init__(self) -> None:
        self._keys: dict[int, int] = {}
        self._children: dict[int, int] = {}
        self.parents: dict[int, int] = {}
        """Key of each child to the key of its parent."""

    def key(self, serial: int) -> int:
        """Return the key of a task; ask first when the task has its first handle, while its parent runs."""
        key = self._keys.get(serial)
        if key is None:
            key = self._keys[serial] = self._born()
        return key

    def _born(self) -> int:
        parent = None if asyncio._get_running_loop() is None else asyncio.current_task()
        above = self._keys.get(parent.serial, 0) if isinstance(parent, SimTask) else 0
        number = self._children[above] = self._children.get(above, 0) + 1
        key = crc32(b"%d.%d" % (above, number))
        self.parents[key] = above
        return key
