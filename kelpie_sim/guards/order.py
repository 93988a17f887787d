"""What the standard library does in the order of addresses, made to follow the order of the program.

Sets of tasks and futures are safe as they are, because those hash by number. `as_completed` also puts bare coroutines
into a set; here they become tasks first, in the order given, each once. `all_tasks` asks the loop's own registry, and
its tasks stay out of asyncio's set of weak references, which costs as much as making the task.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.guards.patches import Patch
from kelpie_sim.loop import SimLoop
from kelpie_sim.tasks import AnyTask, SimTask


def _in_order(awaitables: Any) -> Any:
    """Return tasks and futures, without doubles; what is no iterable of awaitables is left to the original to
    refuse."""
    if current() is None or asyncio.isfuture(awaitables) or asyncio.iscoroutine(awaitables):
        return awaitables
    return [asyncio.ensure_future(awaitable) for awaitable in dict.fromkeys(awaitables)]


def _all_tasks_like(real: Callable[..., set[Any]]) -> Callable[..., set[Any]]:
    def all_tasks(loop: Any = None) -> set[Any]:
        # The original also knows tasks that are in their eager first step.
        found = real(loop)
        asked = asyncio.get_running_loop() if loop is None else loop
        if isinstance(asked, SimLoop):
            found.update(asked.live_tasks())
        return found

    return all_tasks


class TaskSet:
    """Keeps the tasks of simulated loops out of asyncio's set of all tasks: shadows the set's method `add`."""

    def __init__(self) -> None:
        known = vars(asyncio.tasks)
        self._tasks: Any = known["_scheduled_tasks"] if "_scheduled_tasks" in known else known["_all_tasks"]

    def apply(self) -> None:
        """Look at each task before it is added."""
        self._tasks.add = _adding(self._tasks.add)

    def undo(self) -> None:
        """Add all again."""
        vars(self._tasks).pop("add", None)


def _adding(real: Callable[[AnyTask], None]) -> Callable[[AnyTask], None]:
    def add(task: AnyTask) -> None:
        if type(task) is not SimTask:
            real(task)

    return add


def order_patches() -> list[Patch]:
    """Return the patches of asyncio."""
    all_tasks = _all_tasks_like(asyncio.all_tasks)
    real = asyncio.as_completed

    def as_completed(fs: Any, *, timeout: float | None = None) -> Any:
        return real(_in_order(fs), timeout=timeout)

    def as_completed_lazily(fs: Any, *, timeout: float | None = None) -> Iterator[Any]:
        # Up to 3.12 the original is a generator: nothing starts before the first result is asked for.
        yield from real(_in_order(fs), timeout=timeout)

    replacement = as_completed if sys.version_info >= (3, 13) else as_completed_lazily
    return [
        Patch(owner=asyncio, name="all_tasks", replacement=all_tasks),
        Patch(owner=asyncio.tasks, name="all_tasks", replacement=all_tasks),
        Patch(owner=asyncio, name="as_completed", replacement=replacement),
        Patch(owner=asyncio.tasks, name="as_completed", replacement=replacement),
    ]
