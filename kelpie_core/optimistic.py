"""The optimistic transaction: what every store shares, and the small `Backend` that each store is.

A transaction buffers its writes and remembers what it saw: the version of each record, the entries of each scan. At
the end it hands all of that over as one `Commit`; the backend compares what was seen with what is there now, and
writes only if nothing differs. Laws:

- Serializable: a commit takes effect as if the whole transaction had run at that moment. Versions are never used twice
  in a store, so what was deleted and created again differs from what was read.
- Atomic: one `Commit` is written whole or not at all; a difference raises `Conflict` and writes nothing.
- Nothing is believed that was never true: reads of one transaction may straddle another's commit, so one that made
  more than one read is checked at its end even if it wrote nothing, and even if its block raised: an error that rests
  on such reads turns into `Conflict`. One single read is atomic by itself.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast

import attrs

from kelpie_core.errors import Conflict, InvariantBroken, StoreError
from kelpie_core.keys import Key, encode_key, prefix_end
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.ports import Transaction
from kelpie_core.records import BY_KEY, Table

R = TypeVar("R")
ABSENT = 0
"""The version of a record that is not there. Every stored version is greater."""


@attrs.frozen(kw_only=True)
class Row:
    """A stored record: its version and its encoded bytes."""

    version: int
    body: bytes


@attrs.frozen(kw_only=True)
class EntryRow:
    """A record as a scan finds it: the index entry, the key that the entry leads to, and the row."""

    entry: bytes
    key: bytes
    version: int
    body: bytes


@attrs.frozen(kw_only=True)
class Range:
    """The first `limit` entries with `low <= entry < high` of an index, from its other end if `descending`.

    `limit` may exceed PAGE_ITEMS_MAX by as many entries as the transaction itself takes out of the range.
    """

    table: Table[object]
    index: str
    low: bytes
    high: bytes
    limit: int
    descending: bool = False

    def holds(self, entry: bytes) -> bool:
        """Tell whether an entry lies in the range, the limit aside."""
        return self.low <= entry < self.high


@attrs.frozen(kw_only=True)
class Read:
    """That a record had this version, or was ABSENT."""

    table: Table[object]
    key: bytes
    version: int


@attrs.frozen(kw_only=True)
class Scan:
    """That a range held exactly these entries, each with the version of its record."""

    range: Range
    seen: tuple[tuple[bytes, int], ...]


@attrs.frozen(kw_only=True)
class Write:
    """The new bytes of a record, None to delete it. `version` is the one to replace, ABSENT for a creation.

    `removed` and `added` are index entries as (index name, entry), the index "key" not among them. A delete of what is
    ABSENT changes nothing.
    """

    table: Table[object]
    key: bytes
    version: int
    body: bytes | None
    removed: tuple[tuple[str, bytes], ...] = ()
    added: tuple[tuple[str, bytes], ...] = ()


@attrs.frozen(kw_only=True)
class Commit:
    """All that a transaction saw and wants. What it writes is not among `reads`: the write says the version."""

    reads: tuple[Read, ...] = ()
    scans: tuple[Scan, ...] = ()
    writes: tuple[Write, ...] = ()


class Backend(Protocol):
    """What a store must be able to do. Each call is atomic and raises StoreError when it fails."""

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        """Return the row with that key, or None."""

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        """Return the rows of a range, in the order of the scan."""

    async def commit(self, commit: Commit) -> None:
        """Write all of it, with versions never used before.

        Raise Conflict, with nothing written, if anything that the commit saw is different now.
        """


def optimistic_transaction(backend: Backend) -> AbstractAsyncContextManager[Transaction]:
    """Return a transaction on a backend: commits when the block ends, forgets everything when it raises."""
    return OptimisticTransaction(backend)


def validate(
    commit: Commit,
    version_of: Callable[[Table[object], bytes], int],
    versions_in: Callable[[Range], Iterable[tuple[bytes, int]]],
) -> None:
    """Raise Conflict if anything that a commit saw is different now.

    For backends that can look without waiting: `version_of` gives a record's version or ABSENT, `versions_in` the
    entries of a range with their records' versions.
    """
    expectations: tuple[Read | Write, ...] = (*commit.reads, *commit.writes)
    for expected in expectations:
        if version_of(expected.table, expected.key) != expected.version:
            raise _conflict(expected.table)
    for scan in commit.scans:
        if tuple(versions_in(scan.range)) != scan.seen:
            raise _conflict(scan.range.table)


def _conflict(table: Table[object]) -> Conflict:
    return Conflict(f"another transaction changed a {table.noun} record meanwhile")


@attrs.frozen
class _Seen:
    """A record as this transaction first saw it."""

    version: int
    record: object | None


@attrs.frozen
class _Change:
    """A record as this transaction leaves it, with its entries by index before and after, the index "key" included."""

    version: int
    record: object | None
    body: bytes | None
    before: dict[str, tuple[bytes, ...]]
    after: dict[str, tuple[bytes, ...]]


class OptimisticTransaction:
    """A `Transaction` and its own context manager. For one task: calls on it do not overlap."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._seen: dict[tuple[Table[object], bytes], _Seen] = {}
        self._reads: dict[tuple[Table[object], bytes], Read] = {}
        self._scans: list[Scan] = []
        self._changes: dict[Table[object], dict[bytes, _Change]] = {}
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        if error is None:
            await self._commit(self._writes())
        elif isinstance(error, Exception) and not isinstance(error, StoreError):
            await self._commit(())

    async def get(self, table: Table[R], key: Key) -> R | None:
        """Return the record with that key, or None."""
        self._check_open()
        return cast("R | None", await self._current(cast("Table[object]", table), encode_key(key)))

    async def put(self, table: Table[R], record: R) -> None:
        """Write a record: an update if this transaction has read its key (or found it in a scan), else a creation."""
        self._check_open()
        self._change(cast("Table[object]", table), table.key_of(record), record)

    async def delete(self, table: Table[R], key: Key) -> None:
        """Delete the record with that key; nothing happens if there is none."""
        self._check_open()
        erased, encoded = cast("Table[object]", table), encode_key(key)
        if await self._current(erased, encoded) is not None:
            self._change(erased, encoded, None)

    async def scan(
        self,
        table: Table[R],
        index: str = BY_KEY,
        equals: Key = (),
        *,
        after: Key | None = None,
        limit: int,
        descending: bool = False,
    ) -> Sequence[R]:
        """Return up to `limit` records in the order of an index, as `ports.Transaction` says.

        Raise ValueError for a limit outside 1..PAGE_ITEMS_MAX: bounds on what callers ask for are checked earlier.
        """
        self._check_open()
        if not 1 <= limit <= PAGE_ITEMS_MAX:
            raise ValueError(f"limit of a scan is {limit}, must be 1 to {PAGE_ITEMS_MAX}")
        wanted = _range(cast("Table[object]", table), index, equals, after, limit, descending)
        return cast("Sequence[R]", await self._scan(wanted))

    async def _current(self, table: Table[object], key: bytes) -> object | None:
        """Return a record as this transaction sees it, from the backend if it has not seen it yet."""
        change = self._changes.get(table, {}).get(key)
        if change is not None:
            return change.record
        seen = self._seen.get((table, key))
        if seen is not None:
            return seen.record
        row = await self._backend.read(table, key)
        version = ABSENT if row is None else row.version
        self._reads[table, key] = Read(table=table, key=key, version=version)
        return self._observe(table, key, version, None if row is None else row.body)

    def _observe(self, table: Table[object], key: bytes, version: int, body: bytes | None) -> object | None:
        """Remember a record at its first sight and return it; raise Conflict if it is not what was seen before."""
        seen = self._seen.get((table, key))
        if seen is None:
            seen = self._seen[table, key] = _Seen(version, None if body is None else _decode(table, key, body))
        elif seen.version != version:
            raise _conflict(table)
        return seen.record

    def _change(self, table: Table[object], key: bytes, record: object | None) -> None:
        # A put of what was never read expects absence; `_observe` then refuses to see it in a scan.
        seen = self._seen.setdefault((table, key), _Seen(ABSENT, None))
        self._changes.setdefault(table, {})[key] = _Change(
            version=seen.version,
            record=record,
            body=None if record is None else table.encode(record),
            before=_entries(table, key, seen.record),
            after=_entries(table, key, record),
        )

    async def _scan(self, wanted: Range) -> list[object]:
        """Return the records of a range, with the transaction's own changes laid over what the backend has."""
        changes = self._changes.get(wanted.table, {})
        hidden, own = 0, []
        for change in changes.values():
            hidden += sum(map(wanted.holds, change.before.get(wanted.index, ())))
            own += [(entry, change.record) for entry in change.after.get(wanted.index, ()) if wanted.holds(entry)]
        wider = attrs.evolve(wanted, limit=wanted.limit + hidden) if hidden else wanted
        rows = await self._backend.range(wider)
        self._scans.append(Scan(range=wider, seen=tuple((row.entry, row.version) for row in rows)))
        stored = [(row, self._observe(wanted.table, row.key, row.version, row.body)) for row in rows]
        found = [(row.entry, record) for row, record in stored if row.key not in changes]
        if own:
            found = sorted(found + own, key=_entry_of, reverse=wanted.descending)
        return [record for _, record in found[: wanted.limit]]

    def _writes(self) -> tuple[Write, ...]:
        return tuple(
            Write(
                table=table,
                key=key,
                version=change.version,
                body=change.body,
                removed=_missing(change.before, change.after),
                added=_missing(change.after, change.before),
            )
            for table, changes in self._changes.items()
            for key, change in changes.items()
        )

    async def _commit(self, writes: tuple[Write, ...]) -> None:
        if not writes and len(self._reads) + len(self._scans) <= 1:
            return
        written = {(write.table, write.key) for write in writes}
        reads = tuple(read for place, read in self._reads.items() if place not in written)
        await self._backend.commit(Commit(reads=reads, scans=tuple(self._scans), writes=writes))

    def _check_open(self) -> None:
        if self._ended:
            raise InvariantBroken("a transaction was used after its block had ended: its writes would be lost")


def _range(table: Table[object], index: str, equals: Key, after: Key | None, limit: int, descending: bool) -> Range:
    """Return the range of bytes that the arguments of a scan mean; raise KeyError for an unknown index."""
    name, prefix = table.index(index).name, encode_key(equals)
    low, high = prefix, prefix_end(prefix)
    if after is not None and descending:
        high = prefix + encode_key(after)
    elif after is not None:
        low = prefix_end(prefix + encode_key(after))
    return Range(table=table, index=name, low=low, high=high, limit=limit, descending=descending)


def _decode(table: Table[object], key: bytes, body: bytes) -> object:
    """Return the record in stored bytes; raise StoreError, which names its key but no content, if they are corrupt."""
    try:
        return table.decode(body)
    except ValueError as error:  # msgspec's errors and UnicodeDecodeError alike
        raise StoreError(f"table {table.name}: the record with key {key!r} is corrupt", retriable=False) from error


def _entries(table: Table[object], key: bytes, record: object | None) -> dict[str, tuple[bytes, ...]]:
    """Return the entries of a record by index, the index "key" first; none at all for None."""
    if record is None:
        return {}
    return {BY_KEY: (key,)} | {index.name: tuple(table.entries_of(index, record)) for index in table.indexes}


def _missing(these: dict[str, tuple[bytes, ...]], those: dict[str, tuple[bytes, ...]]) -> tuple[tuple[str, bytes], ...]:
    """Return the (index, entry) pairs of `these` that `those` have not, the index "key" aside."""
    known = {(index, entry) for index, entries in those.items() for entry in entries}
    pairs = ((index, entry) for index, entries in these.items() if index != BY_KEY for entry in entries)
    return tuple(pair for pair in pairs if pair not in known)


def _entry_of(found: tuple[bytes, object]) -> bytes:
    return found[0]
