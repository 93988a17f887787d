"""All tasks of a run, by age, and the errors that nobody has seen.

Why: asyncio knows its tasks by weak references, and finds a lost exception when the task is collected, so at a moment
that depends on the heap. Here a task is held from its birth until it has ended well; one that ended badly is held to
the end.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kelpie_sim.graveyard import Graveyard
from kelpie_sim.incarnation import Incarnation
from kelpie_sim.tasks import AnyTask, SimTask

# Past so many, those that have ended well are dropped, so that memory stays flat.
_HELD_MIN = 1_024


@attrs.frozen(kw_only=True)
class LostException:
    """An error that nobody was there to see: the task or callback it came from, and the error if there was one."""

    source: str
    message: str
    exception: BaseException | None = attrs.field(default=None, eq=False)


class TaskRegistry:
    """Holds tasks strongly; `lost` are the errors found so far."""

    __slots__ = ("_held_limit", "_tasks", "lost")

    def __init__(self) -> None:
        self._tasks: dict[int, AnyTask] = {}
        self._held_limit = _HELD_MIN
        self.lost: list[LostException] = []

    def add(self, task: AnyTask) -> None:
        """Hold a task."""
        self._tasks[task.serial] = task
        if len(self._tasks) > self._held_limit:
            self._tasks = {s: t for s, t in self._tasks.items() if not t.done() or _is_unseen(t)}
            self._held_limit = max(_HELD_MIN, 2 * len(self._tasks))

    def live(self) -> list[AnyTask]:
        """Return the tasks that have not ended, by age, those of dead hosts left out."""
        live = (t for t in self._tasks.values() if not t.done() and (t.life is None or t.life.alive))
        return sorted(live, key=hash)  # An eager task may be registered after its children.

    def report(self, context: Mapping[str, object]) -> None:
        """Take note of what asyncio would log; `context` is that of an exception handler."""
        task = context.get("task") or context.get("future")
        source = task.get_name() if isinstance(task, SimTask) else "callback"
        exception = context.get("exception")
        self.lost.append(
            LostException(
                source=source,
                message=str(context["message"]),
                exception=exception if isinstance(exception, BaseException) else None,
            )
        )

    def find_lost(self) -> None:
        """Add the exceptions of living hosts' tasks that nobody awaited, by age."""
        for task in sorted(self._tasks.values(), key=hash):
            if _is_unseen(task) and (task.life is None or task.life.alive):
                message = "task exception was never retrieved"
                self.lost.append(LostException(source=task.get_name(), message=message, exception=task.exception()))

    def abandon(self, life: Incarnation, graveyard: Graveyard) -> None:
        """Bring all tasks of a life to the graveyard."""
        self._bury([task for task in self._tasks.values() if task.life is life], graveyard)

    def abandon_all(self, graveyard: Graveyard) -> None:
        """Bring all tasks to the graveyard."""
        self._bury(list(self._tasks.values()), graveyard)

    def _bury(self, tasks: list[AnyTask], graveyard: Graveyard) -> None:
        for task in tasks:
            del self._tasks[task.serial]
            if not task.done():
                graveyard.keep_task(task)
            elif not task.cancelled():
                task.exception()  # Marked as seen: it must not complain when it is collected.


def _is_unseen(task: AnyTask) -> bool:
    return task.done() and bool(task._log_traceback)
