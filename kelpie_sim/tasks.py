"""Tasks, futures, handles and timers of the simulated loop.

Why own classes: asyncio keeps tasks and futures in sets (TaskGroup, wait, as_completed, all_tasks) and hashes them by
address, so their order differs from run to run. Here they hash by the number of their creation. They stay subclasses of
the C classes, which are several times quicker than the Python ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from types import MethodType, NoneType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kelpie_sim.incarnation import INCARNATION, Incarnation

if TYPE_CHECKING:
    from kelpie_sim.loop import SimLoop

T = TypeVar("T")


class SimTask(asyncio.Task[T], Generic[T]):
    """A task that hashes by its serial number; `mark` is its entry in the log of a trace, computed once.

    Only the loop makes them, and sets the three before the C constructor.
    """

    __slots__ = ("life", "mark", "serial")

    serial: int
    mark: int
    life: Incarnation | None

    def __hash__(self) -> int:
        return self.serial


class SimFuture(asyncio.Future[T], Generic[T]):
    """A future that hashes by a number, given at the first hash: most futures are never in a set, and pay nothing."""

    __slots__ = ("serial",)

    serial: int

    def __hash__(self) -> int:
        try:
            return self.serial
        except AttributeError:
            loop: SimLoop = self.get_loop()  # type: ignore[assignment]  # Only SimLoop makes them.
            self.serial = loop.next_serial()
            return self.serial


class SimHandle(asyncio.Handle):
    """A callback that waits for its turn. It leaves most fields of its base unset: nothing here reads them."""

    __slots__ = ()

    _callback: Callable[..., object] | None
    _args: tuple[object, ...]
    _context: Context

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context) -> None:
        self._callback = callback
        self._args = args
        self._context = context

    def cancel(self) -> None:
        """Drop the callback: its turn passes without a step."""
        self._callback = None
        self._args = ()

    def cancelled(self) -> bool:
        """Return whether it was cancelled."""
        return self._callback is None

    def __repr__(self) -> str:
        return shown_callback(SimHandle, self._callback)


class SimTimer(asyncio.TimerHandle):
    """A callback that waits for a virtual instant. Cancelled, it keeps its place, but time does not move for its
    sake."""

    __slots__ = ()

    _callback: Callable[..., object] | None
    _args: tuple[object, ...]
    _context: Context
    _when: float

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[object, ...], context: Context
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._when = when

    def when(self) -> float:
        """Return the instant, in seconds of the loop's clock."""
        return self._when

    def cancel(self) -> None:
        """Drop the callback."""
        self._callback = None
        self._args = ()

    def cancelled(self) -> bool:
        """Return whether it was cancelled."""
        return self._callback is None

    def __repr__(self) -> str:
        return shown_callback(SimTimer, self._callback)


class BlankHandle(SimHandle):
    """A handle for the loop itself, who fills it in: a constructor in Python would be a third of the cost of making
    one, and the loop makes one for each step."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__


class BlankTimer(SimTimer):
    """The same for timers."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__


# The next step of a task, in its context. It is asked for by the task itself, who keeps no handle; so nobody can cancel
# it, and it needs none, which saves a tenth of a step.
Step = tuple[Callable[[], object], Context]


class _Catcher:
    """A loop as far as a new task looks: it catches the callback by which the task asks for its first step."""

    caught: object = None

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: object, *args: object, context: object = None) -> asyncio.Handle:
        self.caught = callback
        return BlankHandle()


def _step_type() -> type:
    """Return the type of the callbacks by which tasks ask for their steps, which nobody else can make; without C tasks
    there is none."""

    async def nothing() -> None: ...

    catcher, coro = _Catcher(), nothing()
    task = asyncio.Task(coro, loop=catcher)  # type: ignore[arg-type]  # It is loop enough.
    asyncio.tasks._unregister_task(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # The C task has it.
    coro.close()
    return NoneType if isinstance(catcher.caught, MethodType) else type(catcher.caught)


STEP_TYPE = _step_type()
# What a task is given for a step.
NO_HANDLE = BlankHandle()


def hostless_call_soon(add: Callable[[Ready], None]) -> Callable[..., SimHandle]:
    """Return the `call_soon` of a loop that has no hosts: it gives the handle to `add`, and has nothing to look at."""

    def call_soon(callback: Callable[..., object], *args: object, context: Context | None = None) -> SimHandle:
        if type(callback) is STEP_TYPE and context is not None:
            add((callback, context))
            return NO_HANDLE
        handle = BlankHandle()
        handle._callback = callback
        handle._args = args
        handle._context = copy_context() if context is None else context
        add(handle)
        return handle

    return call_soon


def hosted_call_soon(
    add: Callable[[Ready], None], admits: Callable[[Callable[..., object], tuple[object, ...], Context], bool]
) -> Callable[..., SimHandle]:
    """Return the `call_soon` of a loop that has hosts: it asks whether the one that runs may still schedule."""

    def call_soon(callback: Callable[..., object], *args: object, context: Context | None = None) -> SimHandle:
        if context is None:
            context = copy_context()
        ready: Ready
        if type(callback) is STEP_TYPE:
            handle, ready = NO_HANDLE, (callback, context)
        else:
            handle = ready = BlankHandle()
            handle._callback = callback
            handle._args = args
            handle._context = context
        if admits(callback, args, context):
            add(ready)
        return handle

    return call_soon


# Of whatever result.
AnyTask = SimTask[Any]
# What waits for its turn, with a handle and without.
Handle = SimHandle | SimTimer
Ready = Handle | Step


def callback_of(ready: Ready) -> Callable[..., object] | None:
    """Return what is called when its turn comes; None if it was cancelled."""
    return ready[0] if isinstance(ready, tuple) else ready._callback


def _no_host() -> Context:
    context = Context()
    context.run(INCARNATION.set, None)
    return context


_NO_HOST = _no_host()


def on_no_host(context: Context) -> Context:
    """Return a context that says outright that it belongs to no host: else the first host that wakes the harness's task
    would make it its own."""
    if not context:
        return _NO_HOST.copy()
    context.run(INCARNATION.set, None)
    return context


def name_of(coro: object) -> str:
    """Return what to call what a task runs, of whatever type."""
    return getattr(coro, "__name__", "") or type(coro).__name__


def shown_callback(kind: type, callback: object) -> str:
    """Return a handle of a kind as text without an address."""
    name = getattr(callback, "__qualname__", type(callback).__name__)
    return f"<{kind.__name__} {name if callback is not None else 'cancelled'}>"
