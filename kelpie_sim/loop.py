"""A full asyncio event loop on virtual time: one step at a time, and a strategy says whose.

Time is an integer of nanoseconds. It moves only when nothing is ready, and then straight to the next timer; timers of
one instant become ready together. Ready handles are owned by the strategy. Nothing in here reads the real world.

Laws:
- A timer that fires finds `time() >= when`, else code that checks its own deadline would set the same timer for ever.
- Timers of one instant keep the order in which they were set, so nothing ever depends on addresses.
- A handle belongs to the incarnation in its context. A dead one never runs, and what a dead step schedules never
happens; a paused or slow one waits (brakes.py).
- Nothing left to run while someone waits is an error (Stalled); so is running longer than allowed (StepLimit,
TimeLimit).
- A program that spins without ever waiting still sees time pass, as it would on a real machine (livelock.py).
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
from functools import partial
from types import CoroutineType, FunctionType
from typing import Any, TypeVarTuple

from kelpie_sim.asyncgens import AnyGenerator, AsyncGens
from kelpie_sim.brakes import Brakes, admits
from kelpie_sim.errors import HostDead, SimulationError, Stalled, TimeLimit
from kelpie_sim.graveyard import Graveyard
from kelpie_sim.incarnation import INCARNATION, Incarnation, context_of, is_dead
from kelpie_sim.livelock import Watch, next_look_at
from kelpie_sim.real_world import NoRealWorld
from kelpie_sim.registry import LostException, TaskRegistry
from kelpie_sim.strategies import Strategy, picks_of
from kelpie_sim.tasks import (
    AnyTask,
    BlankTimer,
    Handle,
    Ready,
    SimFuture,
    SimHandle,
    SimTask,
    SimTimer,
    hosted_call_soon,
    hostless_call_soon,
    name_of,
    on_no_host,
    shown_callback,
)
from kelpie_sim.timers import Timers
from kelpie_sim.trace import LOG_BIRTH, LOG_SHIFT, LOG_TIME, Trace
from kelpie_sim.waiting import Sites, told_sites

Ts = TypeVarTuple("Ts")
OwnedGenerator = tuple[AnyGenerator, Incarnation | None]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_LIMIT = 10_000_000
TIME_LIMIT_NS = 366 * 86_400 * 1_000_000_000
SECOND_NS = 1_000_000_000


def _since_epoch_ns(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1) * 1_000


_START_NS = _since_epoch_ns(START)
# Made once: a union is made, and looked through, at each use.
_FATAL = (SystemExit, KeyboardInterrupt)
_new_task = SimTask[Any].__new__
_init_task = asyncio.Task.__init__
# Up to 3.11 it is a function in Python that asks this.
_current_task: Any = vars(asyncio.tasks)["_current_tasks"].get if sys.version_info < (3, 12) else asyncio.current_task


class SimLoop(NoRealWorld):
    """The simulated loop. `time_ns` is the virtual time, `after_step` the hooks that run after each step, and `stepped`
    the context of that step, for the hooks; `hooked` tells whether somebody else listens to async generators for it,
    and calls `generator_asked` and `generator_dropped`."""

    # Slots: the hot path reads them, and past thirty attributes an instance's dictionary is slower.
    __slots__ = (
        "_add", "_asyncgens_open", "_brakes", "_check_at", "_eager", "_graveyard", "_hosted", "_serial",
        "_start_ns", "_step_limit", "_strategy", "_tasks", "_time_limit_ns", "_time_s", "_timers", "_watch",
        "after_step", "call_soon", "hooked", "stepped", "steps", "time_ns", "trace",
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
        self.stepped = Context()
        self._strategy = strategy
        self._add = strategy.add
        self._time_s = 0.0
        self._start_ns = _START_NS if start is START else _since_epoch_ns(start)
        self._time_limit_ns = time_limit_ns
        self._step_limit = step_limit
        self._check_at = next_look_at(0, step_limit)
        self._watch: Watch | None = None
        self._serial = 0
        self._timers = Timers()
        self._tasks = TaskRegistry()
        self._eager: dict[str, bool] = {}
        self._hosted = False
        self._graveyard = Graveyard()
        self._brakes = Brakes(self._timers, self._graveyard)
        self._asyncgens_open: AsyncGens | None = None
        self.hooked = False
        self.call_soon = hostless_call_soon(strategy.add)
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
            limit = f"the next timer is due at {time_ns} ns, and the run ends at {self._time_limit_ns} ns"
            raise TimeLimit(limit + told_sites(self.live_tasks()))
        self.time_ns = time_ns
        self._time_s = time_ns / SECOND_NS
        self.trace.log.append(time_ns << LOG_SHIFT | LOG_TIME)
        self._timers.take(time_ns, self._add)

    def _advance(self) -> None:
        """Nothing is ready: move to the next timer. Raise Stalled if there is none."""
        time_ns = self._timers.next_ns()
        if time_ns is None:
            raise Stalled(Sites(self.live_tasks()), self._brakes.paused())
        self._move_to(time_ns)

    # --- scheduling

    # Adds a callback to those that are ready; raises RuntimeError once the loop is closed. No method, because every
    # step asks for it, and a slot is found quicker; nor bound to the loop, which would then hold itself.
    call_soon: Callable[..., asyncio.Handle]  # type: ignore[assignment]

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do the same: there is one thread only."""
        return self.call_soon(callback, *args, context=context)

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
        if context is None:
            context = copy_context()
        timer = BlankTimer()
        timer._when = when
        timer._callback = callback
        timer._args = args
        timer._context = context
        if when == math.inf or (self._hosted and not admits(self._graveyard, callback, args, context)):
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

    # --- tasks and futures

    def next_serial(self) -> int:
        """Return a number that no task or future of this loop has."""
        self._serial += 1
        return self._serial

    def current_serial(self) -> int:
        """Return the serial of the running task, 0 if none runs."""
        if self._thread_id is None:
            return 0
        task = _current_task(self)
        return task.serial if type(task) is SimTask else 0

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future that hashes by number."""
        return SimFuture(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None, **options: Any) -> AnyTask:
        """Start a task; it belongs to the host in `context`, or else to the current one."""
        if self._closed:
            self._check_closed()
        self._serial = serial = self._serial + 1
        life = INCARNATION.get()
        if context is None:
            context = copy_context()
            if life is None and INCARNATION not in context:
                context = on_no_host(context)
        elif INCARNATION in context:
            life = context[INCARNATION]
        elif life is not None:
            context.run(INCARNATION.set, life)
        if name is None:
            what = coro.__name__ if type(coro) is CoroutineType else name_of(coro)
            name = f"{serial}:{what}" if life is None else f"{life.host.name}/{serial}:{what}"
        else:
            name = str(name)
        trace, mark = self.trace, serial << LOG_SHIFT
        trace.log.append(mark | LOG_BIRTH)
        trace.names.append(name)
        # Before the C constructor, which puts it into the line, where a strategy asks whose step it is.
        task = _new_task(SimTask)
        task.serial, task.mark, task.life = serial, mark, life
        if options or self._eager:
            options = self._eager | options
            _init_task(task, coro, loop=self, name=name, context=context, **options)
        else:
            _init_task(task, coro, loop=self, name=name, context=context)
        registry = self._tasks
        held = registry.held
        held[serial] = task
        if len(held) > registry.held_max:
            registry.drop_ended()
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

    def _main_ended(self, task: asyncio.Task[Any]) -> None:
        # With these two the run is over already.
        if task.cancelled() or not isinstance(task.exception(), _FATAL):
            self._stopping = True

    def run_forever(self) -> None:
        """Run until stop() is called. Raise Stalled, StepLimit, TimeLimit, or what a hook raises."""
        if self._closed or events._get_running_loop() is not None:
            self._check_closed()
            self._check_running()
        hooks_before = None
        if not self.hooked:
            hooks_before = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(self.generator_asked, self.generator_dropped)
        self._thread_id = threading.get_ident()
        events._set_running_loop(self)
        try:
            self._drive()
        finally:
            self._stopping = False
            self._thread_id = None
            events._set_running_loop(None)
            if hooks_before is not None:
                sys.set_asyncgen_hooks(*hooks_before)

    def _drive(self) -> None:
        """Step until stopped. This is the hot path: each line of it counts in every figure."""
        log, after_step, braked = self.trace.log, self.after_step, self._brakes.lives
        steps, check_at = self.steps, self._check_at
        callback = context = args = None
        taken: Any
        for taken in picks_of(self._strategy):
            if type(taken) is tuple:
                callback, context = taken
                if braked and self._brakes.stops(SimHandle(callback, (), context), self.time_ns):
                    continue
                try:
                    log.append(callback.__self__.mark)
                except AttributeError:  # A task that somebody made by hand.
                    log.append(0)
                args = None
            elif taken is None:
                if self._stopping:
                    break
                self._advance()
                continue
            else:
                callback, context, args = taken._callback, taken._context, taken._args
                if callback is None or (braked and self._brakes.stops(taken, self.time_ns)):
                    continue
                owner = None if type(callback) is FunctionType else getattr(callback, "__self__", None)  # Quicker.
                log.append(owner.mark if type(owner) is SimTask else 0)
            self.steps = steps = steps + 1
            if steps >= check_at:
                check_at = self._check(callback)
            try:
                # A call without unpacking is quicker. Steps of tasks have no arguments, callbacks of futures one.
                if not args:
                    context.run(callback)
                elif len(args) == 1:
                    context.run(callback, args[0])
                else:
                    context.run(callback, *args)
            except BaseException as error:
                self._step_failed(error, callback, context)
            if after_step:
                self.stepped = context
                for hook in after_step:
                    hook()
            if self._stopping:
                break
        # The traceback of an error in the last step holds this frame: it must not hold the task that has the error.
        taken = callback = context = args = owner = None

    def _check(self, callback: object) -> int:
        """Now and then: look at the limit of steps, trim the log, and let time pass for a program that only spins;
        return at which step to come back."""
        if self._watch is None:
            self._watch = Watch(self._step_limit)
        self._check_at, pass_ns = self._watch.look(self.steps, self.time_ns, callback)
        self.trace.trim()
        if pass_ns:
            self._move_to(self.time_ns + pass_ns)
        return self._check_at

    def _step_failed(self, error: BaseException, callback: object, context: Context) -> None:
        """Raise what ends the run; report the rest as asyncio does."""
        life = context.get(INCARNATION)
        if isinstance(error, SystemExit) and life is not None:
            life.host.exit(error)
        elif isinstance(error, SystemExit | KeyboardInterrupt | SimulationError):
            raise error
        elif not (isinstance(error, HostDead) and is_dead(context)):
            message = f"Exception in callback {shown_callback(SimHandle, callback)}"
            self.call_exception_handler({"message": message, "exception": error})

    # --- async generators

    def generator_asked(self, generator: AnyGenerator) -> None:
        """Take note of a generator's first step."""
        if self._asyncgens_open is None:
            self._asyncgens_open = AsyncGens()
        self._asyncgens_open.asked(generator)

    def knows_generator(self, generator: AnyGenerator) -> bool:
        """Return whether a generator was asked in this run first, and was not dropped yet."""
        return self._asyncgens_open is not None and id(generator) in self._asyncgens_open._entries

    def generator_dropped(self, generator: AnyGenerator) -> None:
        """Close a dropped generator in a task of its host; a dead host's goes to the graveyard."""
        life = None if self._asyncgens_open is None else self._asyncgens_open.forget(generator)
        if life is not None and not life.alive:
            self._graveyard.keep_generator(generator, life)
        elif not self.is_closed():
            context = copy_context()
            context.run(INCARNATION.set, life)
            # Not made before its step comes: the run may be over by then.
            self.call_soon(lambda: self.create_task(generator.aclose()), context=context)

    def has_open_generators(self) -> bool:
        """Return whether any async generator is unfinished."""
        return self._asyncgens_open is not None and self._asyncgens_open.any_open()

    def _take_generators(self, wanted: Callable[[Incarnation | None], bool]) -> list[OwnedGenerator]:
        return [] if self._asyncgens_open is None else self._asyncgens_open.take(wanted)

    async def shutdown_asyncgens(self) -> None:
        """Close all unfinished async generators, by age of their first step."""
        self._asyncgens_shutdown_called = True
        closings = [
            self.create_task(generator.aclose(), context=None if life is None else context_of(life))
            for generator, life in self._take_generators(lambda life: True)
        ]
        for error in await asyncio.gather(*closings, return_exceptions=True):
            if isinstance(error, Exception):
                self.call_exception_handler({"message": "error while closing an async generator", "exception": error})

    # --- pause, crash and end

    def host_started(self) -> None:
        """From here on, look at whose handles are scheduled."""
        self._hosted = True
        self.call_soon = hosted_call_soon(self._add, partial(admits, self._graveyard))

    def hold(self, life: Incarnation) -> None:
        """Pause: from the next step on, set aside what `life` would run; its timers come due, and are set aside too."""
        self._brakes.hold(life)

    def release(self, life: Incarnation) -> None:
        """End a pause: what was set aside becomes ready, in the order in which it came up."""
        self._brakes.release(life, self.time_ns, self._add)

    def release_all(self) -> None:
        """End all pauses: a paused task could not even be cancelled."""
        self._brakes.release_all(self.time_ns, self._add)

    def slow(self, life: Incarnation, step_ns: int) -> None:
        """Make each step of `life` take so much virtual time; 0 ends that. Raise ValueError for a negative time."""
        self._brakes.slow(life, step_ns, self.time_ns)

    def abandon(self, life: Incarnation) -> None:
        """Power loss: whatever belongs to `life` (already marked dead) runs no more, not even its `finally` blocks."""
        self._brakes.bury(life)
        self._tasks.abandon(life, self._graveyard)
        for generator, _ in self._take_generators(lambda owner: owner is life):
            self._graveyard.keep_generator(generator, life)
        self._timers.keep(self._outlives_crash)

    def _outlives_crash(self, timer: Handle) -> bool:
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
        self._tasks.seal(self._graveyard)
        for generator, life in self._take_generators(lambda life: True) if self._asyncgens_open is not None else ():
            self._graveyard.keep_generator(generator, life)
        # Closed first: what dying code schedules has nowhere to go. Nor does it count what else it asks for in vain.
        self.close()
        refused = len(self.refusals)
        self._graveyard.bury()
        del self.refusals[refused:]
        # A sealed trace asks nobody; and who keeps it shall not keep the loop, nor leave it to the garbage collection.
        self.trace.bind(_NOBODY)

    def __del__(self) -> None:
        if not self._closed:
            super().__del__()

    def close(self) -> None:
        """Close the loop: scheduling raises RuntimeError from here on."""
        if self._thread_id is not None:
            raise RuntimeError("Cannot close a running event loop")
        self._closed = True
        self._timers.clear()
        self._add = _refuse_closed
        if self._hosted:
            self.call_soon = hosted_call_soon(_refuse_closed, partial(admits, self._graveyard))
        else:
            self.call_soon = _CLOSED_CALL_SOON


class _Nobody:
    """A clock for a trace that is sealed."""

    steps = time_ns = 0

    def current_serial(self) -> int:
        return 0


_NOBODY = _Nobody()


def _refuse_closed(handle: Ready) -> None:
    raise RuntimeError("Event loop is closed")


_CLOSED_CALL_SOON = hostless_call_soon(_refuse_closed)
