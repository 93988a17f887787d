"""Where the work of the SQLite store runs: one owner for one connection, jobs in, outcomes out.

`ThreadRunner` is the real one: a thread that owns the connection, so that the loop never waits for the disk. Jobs that
pile up while it works are taken together: first all calls, whose answers leave at once, then all members of a group as
one. So many transactions share one sync of the disk, and many answers one wake-up of the loop.

`InlineRunner` is for simulation: each job runs at once on the loop, in groups of one. All else is the same code.

A caller that is cancelled while it waits stops nothing: its job runs, nobody hears of it.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol, TypeVar, cast

import attrs

from kelpie_core.errors import StoreError

T = TypeVar("T")
M = TypeVar("M")
Group = Callable[[Sequence[M]], Sequence[BaseException | None]]
"""Runs all members at once; gives for each the exception to raise, or None."""

BATCH_JOBS_MAX = 256


class Runner(Protocol):
    """Runs jobs one after the other. After `stop`, any job is refused with StoreError."""

    async def call(self, job: Callable[[], T]) -> T:
        """Run a job; return what it returns, raise what it raises."""

    async def join(self, group: Group[M], member: M) -> None:
        """Run a group with this member and whoever else is waiting; raise what it gives for the member."""

    async def stop(self, last: Callable[[], None]) -> None:
        """Run what was asked for before, then `last`, then nothing more; return at once if stopped already."""


def _closed() -> StoreError:
    return StoreError("the store is closed", retriable=False)


class InlineRunner:
    """Runs each job at once where it is asked for."""

    def __init__(self) -> None:
        self._stopped = False

    async def call(self, job: Callable[[], T]) -> T:
        """Run a job at once."""
        if self._stopped:
            raise _closed()
        return job()

    async def join(self, group: Group[M], member: M) -> None:
        """Run a group of one at once."""
        (outcome,) = await self.call(lambda: group((member,)))
        if outcome is not None:
            raise outcome

    async def stop(self, last: Callable[[], None]) -> None:
        """Run `last` at once, then nothing more."""
        if not self._stopped:
            self._stopped = True
            last()


@attrs.define(eq=False)
class _Waiter:
    """A caller: the loop and the future on which it waits, and what it will hear."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[object]"
    result: object = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Tell the caller, on its loop, unless it was cancelled meanwhile."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


@attrs.define(eq=False, kw_only=True)
class _Call(_Waiter):
    work: Callable[[], object]

    def run(self) -> None:
        # Whatever it raises belongs to its caller: the thread must outlive it.
        try:
            self.result = self.work()
        except BaseException as error:
            self.error = error


@attrs.define(eq=False, kw_only=True)
class _Last(_Call):
    """The job behind which nothing runs."""


@attrs.define(eq=False, kw_only=True)
class _Member(_Waiter):
    group: Group[object]
    member: object


class ThreadRunner:
    """Runs jobs on a thread of its own, which starts with the runner and ends with `stop`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Call | _Member] = queue.SimpleQueue()
        self._stopped = False
        # Nothing may enter the queue behind the last job: its caller would wait for ever.
        self._entry = threading.Lock()
        # A daemon, so that a store that nobody closed does not keep the process alive; what was committed is safe.
        self._thread = threading.Thread(target=self._work, name="kelpie-sqlite", daemon=True)
        self._thread.start()

    async def call(self, job: Callable[[], T]) -> T:
        """Run a job on the thread."""
        loop = asyncio.get_running_loop()
        call = _Call(loop=loop, future=loop.create_future(), work=job)
        self._put(call)
        return cast(T, await call.future)

    async def join(self, group: Group[M], member: M) -> None:
        """Run a group on the thread, with this member and all that wait by then."""
        loop = asyncio.get_running_loop()
        joined = _Member(loop=loop, future=loop.create_future(), group=cast(Group[object], group), member=member)
        self._put(joined)
        await joined.future

    async def stop(self, last: Callable[[], None]) -> None:
        """Run what was asked for before, then `last`, and end the thread."""
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        end = _Last(loop=loop, future=loop.create_future(), work=last)
        self._put(end)
        try:
            await end.future
        finally:
            self._thread.join()

    def _put(self, job: _Call | _Member) -> None:
        with self._entry:
            if self._stopped:
                raise _closed()
            self._stopped = isinstance(job, _Last)
            self._jobs.put(job)

    def _work(self) -> None:
        last = None
        while last is None:
            batch, last = self._take()
            calls = [job for job in batch if isinstance(job, _Call)]
            members = [job for job in batch if isinstance(job, _Member)]
            for call in calls:
                call.run()
            _deliver(calls)
            for group, joined in groupby(members, key=lambda member: member.group):
                _run_group(group, list(joined))
            _deliver(members)
        last.run()
        _deliver([last])

    def _take(self) -> tuple[list[_Call | _Member], _Last | None]:
        """Wait for a job, then take all that are there, up to a bound; the last of all comes apart."""
        batch: list[_Call | _Member] = []
        job = self._jobs.get()
        while not isinstance(job, _Last):
            batch.append(job)
            if len(batch) == BATCH_JOBS_MAX or self._jobs.empty():
                return batch, None
            job = self._jobs.get()
        return batch, job


def _run_group(group: Group[object], joined: Sequence[_Member]) -> None:
    # A group that fails as a whole has broken its contract; all its callers hear it, and the thread outlives it.
    try:
        outcomes = group([each.member for each in joined])
    except BaseException as error:
        outcomes = [error] * len(joined)
    for each, outcome in zip(joined, outcomes, strict=True):
        each.error = outcome


def _deliver(waiters: Sequence[_Waiter]) -> None:
    """Tell all callers, with one wake-up for each of their loops."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.loop, []).append(waiter)
    for loop, told in by_loop.items():
        # A closed loop refuses with RuntimeError: nobody waits on it any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, told)


def _settle(waiters: Sequence[_Waiter]) -> None:
    for waiter in waiters:
        waiter.settle()
