"""A full asyncio event loop on virtual time: one step at a time, and a strategy says whose.

Time is an integer of nanoseconds. It moves only when nothing is ready, and then straight to the next timer; timers of
one instant become ready together. Ready handles are owned by the strategy. Nothing in here reads the real world.

Laws:
- A timer that fires finds `time() >= when`, else code that checks its own deadline would set the same timer for ever.
- Timers of one instant keep the order in which they were set, so nothing ever depends on addresses.
- A handle belongs to the incarnation in its context. A dead one never runs, and what a dead step schedules never
happens.
- Nothing left to run while someone waits is an error (Stalled); so is running longer than allowed (StepLimit,
TimeLimit).
- A program that spins without ever waiting still sees time pass, as it would on a real machine; see `_check`.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from asyncio import events
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVarTuple

from kelpie_sim.asyncgens import AnyGenerator, AsyncGens
from kelpie_sim.errors import HostDead, SimulationError, Stalled, StepLimit, TimeLimit
from kelpie_sim.graveyard import Graveyard
from kelpie_sim.incarnation import INCARNATION, Incarnation, context_of, is_dead
from kelpie_sim.real_world import NoRealWorld
from kelpie_sim.registry import LostException, TaskRegistry
from kelpie_sim.strategies import Ready, Strategy
from kelpie_sim.tasks import AnyTask, SimFuture, SimHandle, SimTask, SimTimer
from kelpie_sim.timers import Timers
from kelpie_sim.trace import LOG_BIRTH, LOG_SHIFT, LOG_TIME, Trace
from kelpie_sim.waiting import await_site

Ts = TypeVarTuple("Ts")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_LIMIT = 10_000_000
TIME_LIMIT_NS = 366 * 86_400 * 1_000_000_000
SECOND_NS = 1_000_000_000

# Now and then the loop looks at its limits; so often that it costs nothing.
_CHECK_STEPS = 4_096
# So many checks in one instant count as spinning; then each further one passes the time the steps would really take.
_SPIN_CHECKS = 16
_SPIN_STEP_NS = 1_000


class SimLoop(NoRealWorld):
    """The simulated loop. `time_ns` is the virtual time, `after_step` the hooks that run after each step."""

    # Slots: the hot path reads them, and past thirty attributes an instance's dictionary is slower.
    __slots__ = (
        "_add", "_asyncgens_open", "_check_at", "_checks_in_instant", "_eager", "_graveyard", "_hosted", "_serial",
        "_start_ns", "_step_limit", "_strategy", "_tasks", "_time_limit_ns", "_time_s", "_timers",
        "after_step", "steps", "time_ns", "trace",
    )  # fmt: skip

    def __init__(
        self,
        strategy: Strategy,
        trace: Trace,
        *,
        start: datetime = START,
        step_limit: int = STEP_LIMIT,
        time_limit_ns: int = TIME_LIMIT_NS,
    ) -> None:
        super().__init__()
        self.trace = trace
        self.steps = 0
        self.time_ns = 0
        self.after_step: list[Callable[[], None]] = []
        self._strategy = strategy
        self._add = strategy.add
        self._time_s = 0.0
        self._start_ns = (start - EPOCH) // timedelta(microseconds=1) * 1_000
        self._step_limit = step_limit
        self._time_limit_ns = time_limit_ns
        self._check_at = min(_CHECK_STEPS, step_limit)
        self._checks_in_instant = (0, 0)
        self._serial = 0
        self._timers = Timers()
        self._tasks = TaskRegistry()
        self._eager: dict[str, bool] = {}
        self._hosted = False
        self._graveyard = Graveyard()
        self._asyncgens_open = AsyncGens()
        trace.bind(self)

    # --- time

    def time(self) -> float:
        """Return the virtual time in seconds; it starts at 0."""
        return self._time_s

    def wall_ns(self) -> int:
        """Return the nanoseconds since 1970 on a perfect clock."""
        return self._start_ns + self.time_ns

    def _move_to(self, time_ns: int) -> None:
        """Set the time, and make ready whatever is due."""
        if time_ns > self._time_limit_ns:
            raise TimeLimit(f"the next timer is due at {time_ns} ns, and the run ends at {self._time_limit_ns} ns")
        self.time_ns = time_ns
        self._time_s = time_ns / SECOND_NS
        self.trace.log.append(time_ns << LOG_SHIFT | LOG_TIME)
        self._timers.take(time_ns, self._add)

    def _advance(self) -> None:
        """Nothing is ready: move to the next timer. Raise Stalled if there is none."""
        time_ns = self._timers.next_ns()
        if time_ns is None:
            raise Stalled(tuple(await_site(task) for task in self.live_tasks()))
        self._move_to(time_ns)

    # --- scheduling

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Add a callback to those that are ready. Raise RuntimeError once the loop is closed."""
        handle = SimHandle(callback, args, copy_context() if context is None else context)
        if not self._hosted or self._admits(handle):
            self._add(handle)
        return handle

    call_soon_threadsafe = call_soon  # There is one thread only.

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds of virtual time."""
        return self._timer(self._time_s + delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at an instant of the loop's clock; at infinity, never."""
        return self._timer(when, callback, args, context)

    def _timer(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> SimTimer:
        timer = SimTimer(when, callback, args, copy_context() if context is None else context)
        if when == math.inf or (self._hosted and not self._admits(timer)):
            return timer
        when_ns = round(when * SECOND_NS)
        # Rounded down, it would fire before its instant, and code that then waits for the rest would wait for ever.
        while when_ns / SECOND_NS < when:
            when_ns += 1
        if when_ns > self.time_ns and not self._closed:
            self._timers.add(when_ns, timer)
        else:
            self._add(timer)
        return timer

    def _admits(self, handle: Ready) -> bool:
        """Give the handle to the current host if it has none; refuse what dead code schedules."""
        life = INCARNATION.get()
        if life is None:
            return True
        if INCARNATION not in handle._context:
            handle._context.run(INCARNATION.set, life)
        if life.alive:
            return True
        self._graveyard.keep((handle._callback, handle._args))
        return False

    # --- tasks and futures

    def next_serial(self) -> int:
        """Return a number that no task or future of this loop has."""
        self._serial += 1
        return self._serial

    def current_serial(self) -> int:
        """Return the serial of the running task, 0 if none runs."""
        task = asyncio.current_task(self)
        return task.serial if isinstance(task, SimTask) else 0

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future that hashes by number."""
        return SimFuture(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None, **options: Any) -> AnyTask:
        """Start a task; it belongs to the host in `context`, or else to the current one."""
        self._check_closed()
        self._serial = serial = self._serial + 1
        life = INCARNATION.get()
        if context is None:
            context = copy_context()
            if life is None and INCARNATION not in context:
                # Said outright: else the first host that wakes the harness's task would make it its own.
                context.run(INCARNATION.set, None)
        elif INCARNATION in context:
            life = context[INCARNATION]
        elif life is not None:
            context.run(INCARNATION.set, life)
        if name is None:
            host = "" if life is None else f"{life.host.name}/"
            name = f"{host}{serial}:{getattr(coro, '__name__', type(coro).__name__)}"
        self.trace.log.append(serial << LOG_SHIFT | LOG_BIRTH)
        self.trace.names.append(str(name))
        task = SimTask(
            coro, loop=self, name=str(name), context=context, serial=serial, life=life, **(self._eager | options)
        )
        self._tasks.add(task)
        return task

    def live_tasks(self) -> list[AnyTask]:
        """Return the tasks that have not ended, by age, those of dead hosts left out."""
        return self._tasks.live()

    def set_task_factory(self, factory: Any) -> None:
        """Take asyncio.eager_task_factory or None. Raise Unsupported for others: their tasks would hash by address."""
        eager = getattr(asyncio, "eager_task_factory", None)
        if factory is not None and factory is not eager:
            self.refuse("loop.set_task_factory", "only asyncio.eager_task_factory and None are")
        self._eager = {} if factory is None else {"eager_start": True}
        self._task_factory = factory

    # --- running

    def run_forever(self) -> None:
        """Run until stop() is called. Raise Stalled, StepLimit, TimeLimit, or what a hook raises."""
        self._check_closed()
        self._check_running()
        hooks_before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._asyncgens_open.asked, finalizer=self._finalize_generator)
        self._thread_id = threading.get_ident()
        events._set_running_loop(self)
        try:
            self._drive()
        finally:
            self._stopping = False
            self._thread_id = None
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks_before)

    def _drive(self) -> None:
        """Step until stopped. This is the hot path: each line of it counts in every figure."""
        ready, take = self._strategy.ready, self._strategy.take
        log, after_step, graveyard = self.trace.log, self.after_step, self._graveyard
        while True:
            if not ready:
                if self._stopping:
                    return
                self._advance()
            handle = take()
            callback = handle._callback
            if callback is None:
                continue
            context, args = handle._context, handle._args
            if graveyard.used and is_dead(context):
                graveyard.keep((callback, args))
                continue
            owner = getattr(callback, "__self__", None)
            log.append(owner.mark if type(owner) is SimTask else 0)
            self.steps = steps = self.steps + 1
            if steps >= self._check_at:
                self._check(steps)
            try:
                # Steps of tasks have no arguments, and a call without unpacking is a good deal quicker.
                if args:
                    context.run(callback, *args)
                else:
                    context.run(callback)
            except BaseException as error:
                self._step_failed(handle, error)
            if after_step:
                for hook in after_step:
                    hook()
            if self._stopping:
                return

    def _check(self, steps: int) -> None:
        """Look at the limits, trim the log, and let time pass for a program that only spins."""
        if steps > self._step_limit:
            raise StepLimit(f"the run took more than {self._step_limit} steps, at {self.time_ns} ns")
        self._check_at = min(steps + _CHECK_STEPS, self._step_limit + 1)
        self.trace.trim()
        instant, checks = self._checks_in_instant
        checks = checks + 1 if instant == self.time_ns else 0
        if checks > _SPIN_CHECKS:
            self._move_to(self.time_ns + _CHECK_STEPS * _SPIN_STEP_NS)
        self._checks_in_instant = (self.time_ns, checks)

    def _step_failed(self, handle: Ready, error: BaseException) -> None:
        """Raise what ends the run; report the rest as asyncio does."""
        life = handle._context.get(INCARNATION)
        if isinstance(error, SystemExit) and life is not None:
            life.host.exit(error)
        elif isinstance(error, SystemExit | KeyboardInterrupt | SimulationError):
            raise error
        elif not (isinstance(error, HostDead) and is_dead(handle._context)):
            self.call_exception_handler({"message": f"Exception in callback {handle!r}", "exception": error})

    # --- async generators

    def _finalize_generator(self, generator: AnyGenerator) -> None:
        """Close a dropped generator in a task of its host; a dead host's goes to the graveyard."""
        life = self._asyncgens_open.forget(generator)
        if life is not None and not life.alive:
            self._graveyard.keep_generator(generator, life)
        elif not self.is_closed():
            context = copy_context()
            context.run(INCARNATION.set, life)
            self.call_soon(self.create_task, generator.aclose(), context=context)

    def has_open_generators(self) -> bool:
        """Return whether any async generator is unfinished."""
        return self._asyncgens_open.any_open()

    async def shutdown_asyncgens(self) -> None:
        """Close all unfinished async generators, by age of their first step."""
        self._asyncgens_shutdown_called = True
        closings = [
            self.create_task(generator.aclose(), context=None if life is None else context_of(life))
            for generator, life in self._asyncgens_open.take(lambda life: True)
        ]
        for error in await asyncio.gather(*closings, return_exceptions=True):
            if isinstance(error, Exception):
                self.call_exception_handler({"message": "error while closing an async generator", "exception": error})

    # --- crash and end

    def host_started(self) -> None:
        """From here on, look at whose handles are scheduled."""
        self._hosted = True

    def abandon(self, life: Incarnation) -> None:
        """Power loss: whatever belongs to `life` (already marked dead) runs no more, not even its `finally` blocks."""
        self._graveyard.used = True
        self._tasks.abandon(life, self._graveyard)
        for generator, _ in self._asyncgens_open.take(lambda owner: owner is life):
            self._graveyard.keep_generator(generator, life)
        self._timers.keep(self._outlives_crash)

    def _outlives_crash(self, timer: SimTimer) -> bool:
        dead = is_dead(timer._context)
        if dead:
            self._graveyard.keep((timer._callback, timer._args))
        return not dead

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember the error instead of logging it; see `lost_exceptions`."""
        self._tasks.report(context)

    def lost_exceptions(self) -> tuple[LostException, ...]:
        """Return the errors that nobody has seen: those of callbacks, then of tasks that nobody awaited, by age."""
        self._tasks.find_lost()
        return tuple(self._tasks.lost)

    def finish(self) -> None:
        """End the run: seal the trace, count what was lost, bury all that is left, and close."""
        self.trace.seal()
        self.lost_exceptions()
        self._graveyard.used = True
        self._tasks.abandon_all(self._graveyard)
        for generator, life in self._asyncgens_open.take(lambda life: True):
            self._graveyard.keep_generator(generator, life)
        # Closed first: what dying code schedules has nowhere to go.
        self.close()
        self._graveyard.bury()

    def close(self) -> None:
        """Close the loop: scheduling raises RuntimeError from here on."""
        super().close()
        self._timers.clear()
        self._add = _refuse_closed


def _refuse_closed(handle: Ready) -> None:
    raise RuntimeError("Event loop is closed")
