"""anyio: worker threads become steps of the loop, cancel scopes and events hash by number, run variables are per host.

Why: a real thread would let virtual time race ahead of it; a cancelled scope walks the set of its children; and the
limiter of threads is kept per loop, so that what a crashed host had borrowed would never come back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.libraries.adapter import Adapter
from kelpie_sim.libraries.local import HostLocal, at_start, hash_by_serial
from kelpie_sim.libraries.threads import Job
from kelpie_sim.tasks import SimTask

KNOWN_FROM, KNOWN_BEFORE = (4, 9), (5,)


def _fit_backend(backend: Any) -> None:
    for name in ("CancelScope", "Event"):
        setattr(backend, name, _numbered(getattr(backend, name)))
    asyncio_backend = backend.AsyncIOBackend
    for name, like in (
        ("run_sync_in_worker_thread", _to_thread_like),
        ("run_async_from_thread", _from_thread_like),
        ("run_sync_from_thread", _sync_from_thread_like),
    ):
        setattr(asyncio_backend, name, classmethod(like(backend, getattr(asyncio_backend, name))))
    at_start.append(partial(_forget_tasks, backend._task_states))


def _forget_tasks(states: Any) -> None:
    """Forget the tasks that earlier runs left in the middle of a scope: each keeps itself alive by its state."""
    # The dictionary inside, since a run is to start quickly, and most often there is nothing to forget.
    if states.data:
        for task in [task for task in states if isinstance(task, SimTask)]:
            states.pop(task, None)


def _numbered(real: Any) -> Any:
    """Return the class with hashes by number. A subclass, because its instances have room for named attributes only."""
    body = {"__slots__": ("sim_serial",), "__hash__": hash_by_serial, "__module__": real.__module__}
    return type(real.__name__, (real,), body)


def _to_thread_like(backend: Any, real: Callable[..., Any]) -> Callable[..., Any]:
    async def run_sync_in_worker_thread(
        cls: Any, func: Callable[..., Any], args: tuple[Any, ...], abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        guard = current()
        if guard is None:
            return await real(func, args, abandon_on_cancel, limiter)
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            with backend.CancelScope(shield=not abandon_on_cancel) as scope:
                asking = scope if abandon_on_cancel else scope._parent_scope or scope
                return await Job(guard.loop, _in_thread(backend, guard.loop, func, args, asking)).result

    return run_sync_in_worker_thread


def _in_thread(
    backend: Any, loop: object, func: Callable[..., Any], args: tuple[Any, ...], scope: Any
) -> Callable[[], Any]:
    """Return a call that finds what it would find in a worker thread of anyio."""
    context = backend.copy_context()
    context.run(backend.set_current_async_library, None)

    def work() -> Any:
        with backend.claim_worker_thread(backend.AsyncIOBackend, loop):
            backend.threadlocals.current_cancel_scope = scope
            try:
                return context.run(func, *args)
            finally:
                del backend.threadlocals.current_cancel_scope

    return work


def _from_thread_like(backend: Any, real: Callable[..., Any]) -> Callable[..., Any]:
    def run_async_from_thread(cls: Any, func: Callable[..., Any], args: tuple[Any, ...], token: object) -> Any:
        job = Job.current
        if job is None:
            return real(func, args, token)
        scope = backend.threadlocals.current_cancel_scope

        async def called() -> Any:
            task = backend.current_task()
            backend._task_states[task] = backend.TaskState(None, scope)
            scope._tasks.add(task)
            try:
                return await func(*args)
            finally:
                scope._tasks.discard(task)

        return _away(backend, job, called)

    return run_async_from_thread


def _sync_from_thread_like(backend: Any, real: Callable[..., Any]) -> Callable[..., Any]:
    def run_sync_from_thread(cls: Any, func: Callable[..., Any], args: tuple[Any, ...], token: object) -> Any:
        job = Job.current
        if job is None:
            return real(func, args, token)

        async def called() -> Any:
            return func(*args)

        return _away(backend, job, called)

    return run_sync_from_thread


def _away(backend: Any, job: Job, called: Callable[[], Any]) -> Any:
    """Run a coroutine on the loop while the job waits; meanwhile the thread of the job is another's."""
    locals_of_thread = backend.threadlocals.__dict__
    kept = dict(locals_of_thread)
    locals_of_thread.clear()
    context = backend.copy_context()
    context.run(backend.set_current_async_library, "asyncio")
    try:
        return job.wait_for(context.run(job.loop.create_task, called(), context=context))
    finally:
        locals_of_thread.update(kept)


def _fit_run_vars(lowlevel: Any) -> None:
    run_var = lowlevel.RunVar
    real = run_var._current_vars.fget
    per_host: HostLocal[dict[Any, Any]] = HostLocal(dict)

    def _current_vars(self: object) -> Any:
        return real(self) if current() is None or INCARNATION.get() is None else per_host.get()

    run_var._current_vars = property(_current_vars)


ANYIO = (
    Adapter(
        library="anyio",
        module="anyio._backends._asyncio",
        known_from=KNOWN_FROM,
        known_before=KNOWN_BEFORE,
        fit=_fit_backend,
    ),
    Adapter(
        library="anyio", module="anyio.lowlevel", known_from=KNOWN_FROM, known_before=KNOWN_BEFORE, fit=_fit_run_vars
    ),
)
