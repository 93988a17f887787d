"""A small complete store in memory: the reference behaviour, and the default for embedding in tests.

It keeps encoded bytes as every store does, so nothing that a caller holds is shared with it. A commit never waits, so
it is atomic among the tasks of one loop; threads must not share a store. What it holds dies with it.

A simulated world that wants to fail or delay its calls wraps it as a `Backend` and runs `optimistic_transaction` on
the wrapper.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice

from kelpie_core.optimistic import (
    ABSENT,
    Commit,
    EntryRow,
    Range,
    Row,
    Write,
    optimistic_transaction,
    validate,
)
from kelpie_core.ports import Transaction
from kelpie_core.records import BY_KEY, Table

CHUNK_ENTRIES_MAX = 1_024


class MemoryStore:
    """A `Store` and a `Backend`. A read costs what it returns, a write the logarithm of what is there."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, bytes], Row] = {}
        self._entries: dict[tuple[str, str], _SortedEntries] = {}
        self._version_last = ABSENT

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that commits when its block ends."""
        return optimistic_transaction(self)

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return the row with that key, or None."""
        return self._rows.get((table.name, key))

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        """Return the rows of a range, in the order of the scan."""
        return [
            EntryRow(entry=entry, key=key, version=row.version, body=row.body) for entry, key, row in self._find(wanted)
        ]

    async def commit(self, commit: Commit) -> None:
        """Write all of a commit; raise Conflict, with nothing written, if a seen thing changed."""
        validate(commit, self._version_of, self._versions_in)
        self._version_last += 1
        for write in commit.writes:
            self._apply(write)

    def _version_of(self, table: Table[object], key: bytes) -> int:
        row = self._rows.get((table.name, key))
        return ABSENT if row is None else row.version

    def _versions_in(self, wanted: Range) -> Iterator[tuple[bytes, int]]:
        return ((entry, row.version) for entry, _, row in self._find(wanted))

    def _find(self, wanted: Range) -> Iterator[tuple[bytes, bytes, Row]]:
        """Yield (entry, key, row) for the entries of a range."""
        table = wanted.table.name
        for entry, key in self._sorted(table, wanted.index).between(wanted):
            yield entry, key, self._rows[table, key]

    def _apply(self, write: Write) -> None:
        table = write.table.name
        if write.body is not None:
            self._rows[table, write.key] = Row(version=self._version_last, body=write.body)
            if write.version == ABSENT:
                self._sorted(table, BY_KEY).add(write.key, write.key)
        elif write.version != ABSENT:
            del self._rows[table, write.key]
            self._sorted(table, BY_KEY).remove(write.key)
        for index, entry in write.removed:
            self._sorted(table, index).remove(entry)
        for index, entry in write.added:
            self._sorted(table, index).add(entry, write.key)

    def _sorted(self, table: str, index: str) -> "_SortedEntries":
        entries = self._entries.get((table, index))
        if entries is None:
            entries = self._entries[table, index] = _SortedEntries()
        return entries


class _SortedEntries:
    """The entries of one index in order, each with the key that it leads to.

    They lie in chunks of bounded length: one flat list would move half of a million pointers with every insertion.
    `_firsts` is the first entry of each chunk, so that one bisection finds the chunk; no chunk but a lone one is empty.
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, bytes] = {}
        self._chunks: list[list[bytes]] = [[]]
        self._firsts: list[bytes] = [b""]

    def add(self, entry: bytes, key: bytes) -> None:
        """Add an entry that is not there."""
        self._keys[entry] = key
        number = self._chunk_of(entry)
        chunk = self._chunks[number]
        insort(chunk, entry)
        if len(chunk) > CHUNK_ENTRIES_MAX:
            upper = chunk[CHUNK_ENTRIES_MAX // 2 :]
            del chunk[CHUNK_ENTRIES_MAX // 2 :]
            self._chunks.insert(number + 1, upper)
            self._firsts.insert(number + 1, upper[0])

    def remove(self, entry: bytes) -> None:
        """Remove an entry that is there."""
        del self._keys[entry]
        number = self._chunk_of(entry)
        chunk = self._chunks[number]
        del chunk[bisect_left(chunk, entry)]
        # The first chunk stays even when empty: it takes whatever sorts before all others.
        if not chunk and number:
            del self._chunks[number], self._firsts[number]

    def between(self, wanted: Range) -> Iterator[tuple[bytes, bytes]]:
        """Yield (entry, key) for the entries of a range, in the order of the scan."""
        walk = self._down(wanted.high) if wanted.descending else self._up(wanted.low)
        for entry in islice(walk, wanted.limit):
            if not wanted.holds(entry):
                return
            yield entry, self._keys[entry]

    def _chunk_of(self, entry: bytes) -> int:
        return bisect_right(self._firsts, entry) - 1

    def _up(self, low: bytes) -> Iterator[bytes]:
        """Yield the entries from `low` on."""
        number = self._chunk_of(low)
        chunk = self._chunks[number]
        yield from chunk[bisect_left(chunk, low) :]
        for later in range(number + 1, len(self._chunks)):
            yield from self._chunks[later]

    def _down(self, high: bytes) -> Iterator[bytes]:
        """Yield the entries below `high`, the greatest first."""
        number = self._chunk_of(high)
        chunk = self._chunks[number]
        yield from reversed(chunk[: bisect_left(chunk, high)])
        for earlier in range(number - 1, -1, -1):
            yield from reversed(self._chunks[earlier])
