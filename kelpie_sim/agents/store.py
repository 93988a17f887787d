"""The simulated store: a durable backend that outlives hosts, seen by one life of one host through faults.

The backend is a production store (in memory, or SQLite), so the code that plans and applies a commit is the code in
production; what is simulated is the way to it. A commit is atomic on the backend. A crash of the host loses what was
not committed, and whether a commit on the way went through is for the fault to say.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from kelpie_core.errors import Conflict, StoreError
from kelpie_core.optimistic import Backend, Commit, EntryRow, Range, Row, optimistic_transaction
from kelpie_core.ports import Transaction
from kelpie_core.records import COMMIT, Access, Table, operation_of
from kelpie_sim.agents.faults import (
    STORE,
    CrashAfterCommit,
    CrashBeforeCommit,
    DiskFull,
    LostAcknowledgement,
    StorageLatency,
    StorageReadFail,
    StorageWriteFail,
    StoreConflict,
)
from kelpie_sim.faults import Fault, Verdict
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host, check_alive

_NOT_APPLIED = (StoreConflict, CrashBeforeCommit)
_APPLIED = (CrashAfterCommit, LostAcknowledgement)
Committed = Callable[[Commit], None]


class SimStore:
    """A `Store`, and the faulty `Backend` under it, for one life of one host.

    `committed` is told each commit right after it took effect; `latency_ms_max` is what each call takes at most when
    nothing goes wrong, 0 for a mere change of turns.
    """

    def __init__(
        self, world: World, host: Host, durable: Backend, committed: Committed, latency_ms_max: int = 0
    ) -> None:
        self._world = world
        self._host = host
        self._incarnation = host.incarnation
        self._durable = durable
        self._committed = committed
        self._latency_ms_max = latency_ms_max
        self._latency = world.streams.stream(f"store/latency/{host.name}")

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction of this host's life."""
        return optimistic_transaction(self)

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return a row; raise StoreError, HostDead."""
        await self._meet(operation_of(table, Access.READ), StorageReadFail)
        return await self._durable.read(table, key)

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        """Return a range; raise StoreError, HostDead."""
        await self._meet(operation_of(wanted.table, Access.SCAN), StorageReadFail)
        rows = await self._durable.range(wanted)
        if rows:
            self._fail(operation_of(wanted.table, Access.READ), StorageReadFail)
        return rows

    async def commit(self, commit: Commit) -> None:
        """Apply a commit; raise Conflict, StoreError, HostDead."""
        for write in commit.writes:
            if write.body is None:
                self._fail(operation_of(write.table, Access.DELETE), StorageWriteFail)
            else:
                self._fail(operation_of(write.table, Access.WRITE), StorageWriteFail, DiskFull)
        await self._wait(COMMIT)
        self._before()
        await self._durable.commit(commit)
        self._committed(commit)
        self._after()
        await asyncio.sleep(0)
        check_alive(self._host, self._incarnation)

    def _before(self) -> None:
        verdict = self._verdict(COMMIT, *_NOT_APPLIED)
        if verdict is None:
            return
        verdict.fire()
        if isinstance(verdict.fault, CrashBeforeCommit):
            self._host.crash()
        raise Conflict("the store found a conflict")

    def _after(self) -> None:
        verdict = self._verdict(COMMIT, *_APPLIED)
        if verdict is None:
            return
        verdict.fire()
        if isinstance(verdict.fault, CrashAfterCommit):
            self._host.crash()
        raise StoreError("the store did not acknowledge the commit", uncertain=True)

    async def _meet(self, operation: str, *kinds: type[Fault]) -> None:
        await self._wait(operation)
        self._fail(operation, *kinds)

    async def _wait(self, operation: str) -> None:
        check_alive(self._host, self._incarnation)
        delay_ms = self._latency.between(0, self._latency_ms_max) if self._latency_ms_max else 0
        verdict = self._verdict(operation, StorageLatency)
        if verdict is not None and isinstance(verdict.fault, StorageLatency):
            verdict.fire()
            delay_ms += verdict.fault.latency_ms
        await asyncio.sleep(delay_ms / 1_000)
        check_alive(self._host, self._incarnation)

    def _fail(self, operation: str, *kinds: type[Fault]) -> None:
        verdict = self._verdict(operation, *kinds)
        if verdict is not None:
            verdict.fire()
            full = isinstance(verdict.fault, DiskFull)
            raise StoreError(f"{operation} failed: {'no room' if full else 'input/output error'}", retriable=not full)

    def _verdict(self, operation: str, *kinds: type[Fault]) -> Verdict | None:
        return self._world.faults.verdict(STORE, operation, host=self._host.name, applies=kinds)
