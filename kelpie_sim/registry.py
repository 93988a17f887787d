"""All tasks of a run, by age, and the errors that nobody has seen.

Why: asyncio knows its tasks by weak references, and finds a lost exception when the task is collected, so at a moment
that depends on the heap. Here a task is held from its birth until it has ended well; one that ended badly is held to
the end.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable, Mapping

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
    """Holds tasks strongly; `lost` are the errors found so far, until it is `sealed`.

    The loop adds to `held`, by serial, and past `held_max` it calls `drop_ended`."""

    __slots__ = ("held", "held_max", "lost", "sealed")

    def __init__(self) -> None:
        self.held: dict[int, AnyTask] = {}
        self.held_max = _HELD_MIN
        self.lost: list[LostException] = []
        self.sealed = False

    def drop_ended(self) -> None:
        """Let go of the tasks that have ended well."""
        self.held = {serial: task for serial, task in self.held.items() if not task.done() or task._log_traceback}
        self.held_max = max(_HELD_MIN, 2 * len(self.held))

    def live(self) -> list[AnyTask]:
        """Return the tasks that have not ended, by age, those of dead hosts left out."""
        live = [t for t in self.held.values() if not t.done() and (t.life is None or t.life.alive)]
        # An eager task may be registered after its children.
        return sorted(live, key=hash) if len(live) > 1 else live

    def report(self, context: Mapping[str, object]) -> None:
        """Take note of what asyncio would log; `context` is that of an exception handler.

        A cancellation is nobody's error: the standard library's streams let one out when a connection's handler is
        cancelled.
        """
        exception = context.get("exception")
        # After the run the futures of dead hosts are collected: that nobody saw their errors is the power loss's doing.
        if self.sealed or isinstance(exception, CancelledError):
            return
        task = context.get("task") or context.get("future")
        source = task.get_name() if isinstance(task, SimTask) else "callback"
        self.lost.append(
            LostException(
                source=source,
                message=str(context["message"]),
                exception=exception if isinstance(exception, BaseException) else None,
            )
        )

    def find_lost(self) -> None:
        """Add the exceptions of living hosts' tasks that nobody awaited, by age."""
        self._find_lost(self.held.values())

    def _find_lost(self, tasks: Iterable[AnyTask]) -> None:
        unseen = [task for task in tasks if task._log_traceback]
        for task in sorted(unseen, key=hash) if unseen else ():
            if task.life is not None and not task.life.alive:
                continue
            message = "task exception was never retrieved"
            self.lost.append(LostException(source=task.get_name(), message=message, exception=task.exception()))

    def abandon(self, life: Incarnation, graveyard: Graveyard) -> None:
        """Bring all tasks of a life to the graveyard."""
        self._bury([self.held.pop(task.serial) for task in list(self.held.values()) if task.life is life], graveyard)

    def seal(self, graveyard: Graveyard) -> None:
        """The run is over: count what is lost, and bring all tasks to the graveyard."""
        held, self.held = self.held, {}
        for task in held.values():
            # One look tells most runs: they leave nothing.
            if task._log_traceback or not task.done():
                self._find_lost(held.values())
                self.sealed = True
                self._bury(held.values(), graveyard)
                break
        self.sealed = True

    def _bury(self, tasks: Iterable[AnyTask], graveyard: Graveyard) -> None:
        for task in tasks:
            if not task.done():
                graveyard.keep_task(task)
            elif task._log_traceback:
                task.exception()  # Marked as seen: it must not complain when it is collected.
