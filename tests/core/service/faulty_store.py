"""A store in memory whose calls fail as a test says."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import attrs

from kelpie_core.errors import StoreError
from kelpie_core.memory_store import MemoryStore
from kelpie_core.optimistic import Commit, EntryRow, Range, Row, optimistic_transaction
from kelpie_core.ports import Transaction
from kelpie_core.records import Table


async def _nothing(number: int) -> None:
    """Do nothing before a call."""


@attrs.define(eq=False)
class FaultyStore:
    """A store whose calls (reads, scans, commits, counted from 1) fail where `fails` says so.

    A commit that `loses` says so of goes through, and the caller gets an error all the same. `before` is awaited with
    the number of each call before it is made.
    """

    inner: MemoryStore = attrs.field(factory=MemoryStore)
    fails: Callable[[int], bool] = lambda number: False
    loses: Callable[[int], bool] = lambda number: False
    retriable: bool = False
    before: Callable[[int], Awaitable[None]] = _nothing
    calls: int = 0

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction on the store, faults included."""
        return optimistic_transaction(self)

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return a row, or fail."""
        await self._call()
        return await self.inner.read(table, key)

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        """Return the rows of a range, or fail."""
        await self._call()
        return await self.inner.range(wanted)

    async def commit(self, commit: Commit) -> None:
        """Commit, or fail before or after."""
        await self._call()
        await self.inner.commit(commit)
        if self.loses(self.calls):
            raise StoreError(f"acknowledgement of call {self.calls} was lost", uncertain=True)

    async def _call(self) -> None:
        self.calls += 1
        await self.before(self.calls)
        if self.fails(self.calls):
            raise StoreError(f"call {self.calls} failed", retriable=self.retriable)
