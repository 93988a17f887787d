"""Programs that run on and on: time passes for them, and in the end they are stopped and told apart.

A loop that never waits would see no time pass, and so never meet its own timeout. So after many steps in one instant,
time moves as it would on a real machine. And no run may take more steps than it was allowed; the last steps before that
limit are counted, because who took them is who does not get on.
"""

from __future__ import annotations

from kelpie_sim.errors import StepLimit
from kelpie_sim.tasks import SimTask
from kelpie_sim.waiting import await_site

# Now and then the loop comes here; so seldom that it costs nothing.
_LOOK_STEPS = 4_096
# So many looks in one instant count as spinning; then each further one passes the time the steps would really take.
_SPIN_LOOKS = 16
_SPIN_STEP_NS = 1_000
# So many of the last steps are counted, and so many of the busiest told.
LAST_STEPS = 1_024
BUSIEST_TOLD = 5


def next_look_at(steps: int, step_limit: int) -> int:
    """Return the step at which the loop has to look next; most runs are over by then, and need no watch."""
    if step_limit >= steps + _LOOK_STEPS + LAST_STEPS:
        return steps + _LOOK_STEPS
    return max(steps + 1, step_limit + 1 - LAST_STEPS)


class Watch:
    """Keeps an eye on one run."""

    __slots__ = ("_counts", "_instant_ns", "_limit", "_looks")

    def __init__(self, step_limit: int) -> None:
        self._limit = step_limit
        self._counts: dict[object, int] = {}
        self._instant_ns = 0
        self._looks = 0

    def look(self, steps: int, time_ns: int, callback: object) -> tuple[int, int]:
        """Return the step of the next look, and how much time shall pass now; `callback` is about to run.

        Raise StepLimit, which names the busiest, when the run took more steps than it was allowed.
        """
        if steps > self._limit:
            raise StepLimit(f"the run took more than {self._limit} steps, at {time_ns} ns{self._told()}")
        if steps > self._limit - LAST_STEPS:
            self._count(callback)
            return steps + 1, 0
        self._looks = self._looks + 1 if self._instant_ns == time_ns else 0
        self._instant_ns = time_ns
        return next_look_at(steps, self._limit), _LOOK_STEPS * _SPIN_STEP_NS if self._looks > _SPIN_LOOKS else 0

    def _count(self, callback: object) -> None:
        owner = getattr(callback, "__self__", None)
        who = owner if isinstance(owner, SimTask) else getattr(callback, "__qualname__", type(callback).__name__)
        self._counts[who] = self._counts.get(who, 0) + 1

    def _told(self) -> str:
        total = sum(self._counts.values())
        # Stable: of equally busy ones, those come first that were seen first.
        busiest = sorted(self._counts.items(), key=lambda entry: -entry[1])[:BUSIEST_TOLD]
        return "".join(f"\n  {count} of the last {total}: {_shown(who)}" for who, count in busiest)


def _shown(who: object) -> str:
    if not isinstance(who, SimTask):
        return f"callback {who}"
    return f"{who.get_name()} has ended" if who.done() else await_site(who)
