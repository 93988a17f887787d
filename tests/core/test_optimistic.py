"""The optimistic transaction: what it asks its backend, and what it hands over in the end.

What holds for every store, seen from outside, is in tests/contracts; here are the calls between the two.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import attrs
import pytest

from kelpie_core.errors import Conflict, Refused, StoreError
from kelpie_core.keys import encode_key
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import AgentHead
from kelpie_core.model.sweep import Sweep
from kelpie_core.optimistic import (
    ABSENT,
    Commit,
    EntryRow,
    Range,
    Read,
    Row,
    Scan,
    Write,
    optimistic_transaction,
    validate,
)
from kelpie_core.ports import Transaction
from kelpie_core.records import BY_KEY, HEADS, SWEEPS, Table

HEADS_TABLE, SWEEPS_TABLE = cast(Table[object], HEADS), cast(Table[object], SWEEPS)
A, B = encode_key(("a",)), encode_key(("b",))


def head(key: str = "a", seq_next: int = 0) -> AgentHead:
    return AgentHead(agent_id=key, seq_next=seq_next)


def at(second: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, 0, 0, second, tzinfo=dt.UTC)


def sweep(key: str, second: int) -> Sweep:
    return Sweep(id=key, agent_ids=(), due_at=at(second))


@attrs.define(eq=False)
class Recorder:
    """A backend that notes each call before it passes it on."""

    backend: MemoryStore = attrs.field(factory=MemoryStore)
    calls: list[object] = attrs.field(factory=list)

    async def read(self, table: Table[object], key: bytes) -> Row | None:
        self.calls.append(("read", table.name, key))
        return await self.backend.read(table, key)

    async def range(self, wanted: Range) -> Sequence[EntryRow]:
        self.calls.append(wanted)
        return await self.backend.range(wanted)

    async def commit(self, commit: Commit) -> None:
        self.calls.append(commit)
        await self.backend.commit(commit)


def calls_of(body: Callable[[Transaction], Awaitable[object]], *, stored: Sequence[Sweep] = ()) -> list[object]:
    """Return the calls that a transaction makes, on a backend with some sweeps; an error of the block is expected."""
    recorder = Recorder()

    async def run() -> None:
        async with recorder.backend.transaction() as tx:
            for record in stored:
                await tx.put(SWEEPS, record)
        try:
            async with optimistic_transaction(recorder) as tx:
                await body(tx)
        except (Refused, StoreError, asyncio.CancelledError) as error:
            recorder.calls.append(type(error))

    asyncio.run(run())
    return recorder.calls


def read_call(key: bytes) -> object:
    return ("read", "heads", key)


def absent(key: bytes) -> Read:
    return Read(table=HEADS_TABLE, key=key, version=ABSENT)


# What is asked of the backend


def test_reads_are_asked_once() -> None:
    """A record is read once, absent or not, and never if a scan has found it or the transaction wrote it."""

    async def body(tx: Transaction) -> None:
        await tx.scan(SWEEPS, limit=1)
        await tx.get(SWEEPS, ("a",))
        await tx.put(HEADS, head("a"))
        await tx.get(HEADS, ("a",))
        await tx.get(HEADS, ("b",))
        await tx.get(HEADS, ("b",))
        await tx.delete(HEADS, ("b",))

    scan, read, commit = calls_of(body, stored=[sweep("a", 1)])
    assert isinstance(scan, Range)
    assert read == read_call(B)
    assert isinstance(commit, Commit)


@pytest.mark.parametrize(
    ("after", "descending", "low", "high"),
    [
        (None, False, b"", b"\xff"),
        (None, True, b"", b"\xff"),
        ((at(1),), False, encode_key((at(1),)) + b"\xff", b"\xff"),
        ((at(1),), True, b"", encode_key((at(1),))),
    ],
)
def test_a_scan_is_a_range_of_bytes(
    after: tuple[dt.datetime] | None, descending: bool, low: bytes, high: bytes
) -> None:
    """A position cuts the range of a scan: beyond all that starts with it forwards, before it backwards."""

    async def body(tx: Transaction) -> None:
        await tx.scan(SWEEPS, "by_due", after=after, limit=2, descending=descending)

    wanted = Range(table=SWEEPS_TABLE, index="by_due", low=low, high=high, limit=2, descending=descending)
    assert calls_of(body) == [wanted]


def test_what_is_fixed_bounds_a_range() -> None:
    """A scan with a fixed part asks for what starts with it."""

    async def body(tx: Transaction) -> None:
        await tx.scan(SWEEPS, equals=("a",), after=("b",), limit=1)

    assert calls_of(body) == [Range(table=SWEEPS_TABLE, index=BY_KEY, low=A + B + b"\xff", high=A + b"\xff", limit=1)]


def test_a_scan_asks_for_as_many_more_as_it_hides() -> None:
    """Each stored entry in the range that the transaction changed or deleted makes the range one longer, no other."""

    async def body(tx: Transaction) -> None:
        await tx.delete(SWEEPS, ("a",))
        await tx.get(SWEEPS, ("b",))
        await tx.put(SWEEPS, sweep("b", 9))
        await tx.delete(SWEEPS, ("d",))
        await tx.put(SWEEPS, sweep("e", 3))
        found = await tx.scan(SWEEPS, "by_due", after=(at(0),), limit=1)
        assert [record.id for record in found] == ["c"]

    stored = [sweep("a", 1), sweep("b", 2), sweep("c", 3), sweep("d", 0)]
    (wanted,) = [call for call in calls_of(body, stored=stored) if isinstance(call, Range)]
    assert wanted.limit == 3


# What is handed over


def test_a_commit_says_what_was_read_scanned_and_written() -> None:
    """The commit names reads with their versions, scans with their entries, writes with entries gone and new."""

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.get(HEADS, ("b",))
        await tx.put(HEADS, head("b"))
        await tx.scan(SWEEPS, limit=9)
        await tx.put(SWEEPS, sweep("a", 2))
        await tx.delete(SWEEPS, ("b",))

    def due(second: int, key: str) -> tuple[str, bytes]:
        return ("by_due", encode_key((at(second), key)))

    everything = Range(table=SWEEPS_TABLE, index=BY_KEY, low=b"", high=b"\xff", limit=9)
    never_ran = ("by_last_run", encode_key(("", None, "b")))
    expected = Commit(
        reads=(absent(A),),
        scans=(Scan(range=everything, seen=((A, 1), (B, 1))),),
        writes=(
            Write(table=HEADS_TABLE, key=B, version=ABSENT, body=HEADS.encode(head("b")), added=(never_ran,)),
            Write(
                table=SWEEPS_TABLE,
                key=A,
                version=1,
                body=SWEEPS.encode(sweep("a", 2)),
                removed=(due(1, "a"),),
                added=(due(2, "a"),),
            ),
            Write(table=SWEEPS_TABLE, key=B, version=1, body=None, removed=(due(1, "b"),)),
        ),
    )
    assert calls_of(body, stored=[sweep("a", 1), sweep("b", 1)])[-1] == expected


def test_an_entry_that_stays_is_not_written() -> None:
    """An update that moves nothing in an index changes no entry."""

    async def body(tx: Transaction) -> None:
        await tx.get(SWEEPS, ("a",))
        await tx.put(SWEEPS, attrs.evolve(sweep("a", 1), agent_ids=("x",)))

    commit = calls_of(body, stored=[sweep("a", 1)])[-1]
    assert isinstance(commit, Commit)
    assert [(write.removed, write.added) for write in commit.writes] == [((), ())]


def test_reading_alone_is_checked_only_if_it_was_more_than_one_call() -> None:
    """No call or one is atomic and needs no commit; two are checked by a commit without writes."""

    async def two(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.get(HEADS, ("b",))

    async def one(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))

    async def none(tx: Transaction) -> None:
        await asyncio.sleep(0)

    assert calls_of(none) == []
    assert calls_of(one) == [read_call(A)]
    assert calls_of(two) == [read_call(A), read_call(B), Commit(reads=(absent(A), absent(B)))]


def test_an_error_checks_what_was_read_and_writes_nothing() -> None:
    """A block that raises hands over its reads alone, those of what it wrote included, and its error comes through."""

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.get(HEADS, ("b",))
        await tx.put(HEADS, head("b"))
        raise Refused("no")

    assert calls_of(body)[2:] == [Commit(reads=(absent(A), absent(B))), Refused]


@pytest.mark.parametrize("error", [Refused("no"), StoreError("down"), asyncio.CancelledError()])
def test_an_error_needs_no_check(error: BaseException) -> None:
    """An error after one read, an error of the store, and a cancellation call the backend no more."""

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        if not isinstance(error, Refused):
            await tx.get(HEADS, ("b",))
        raise error

    assert [call for call in calls_of(body) if isinstance(call, Commit)] == []
    assert calls_of(body)[-1] is type(error)


# What comes back


def test_a_corrupt_record_is_named_but_not_shown() -> None:
    """Stored bytes that hold no record raise StoreError, final, with table and key and nothing of the content."""
    store = MemoryStore()

    async def body() -> None:
        write = Write(table=HEADS_TABLE, key=A, version=ABSENT, body=b'{"agent_id": "secret')
        await store.commit(Commit(writes=(write,)))
        async with store.transaction() as tx:
            await tx.get(HEADS, ("a",))

    with pytest.raises(StoreError) as caught:
        asyncio.run(body())
    assert str(caught.value) == f"table heads: the record with key {A!r} is corrupt"
    assert [caught.value.retriable, caught.value.uncertain] == [False, False]


def test_a_record_that_cannot_be_encoded_is_refused_by_its_put() -> None:
    """A put of what JSON cannot hold raises there and then, not at the end."""

    async def body() -> None:
        async with MemoryStore().transaction() as tx:
            with pytest.raises(TypeError, match="object"):
                await tx.put(SWEEPS, Sweep(id="a", agent_ids=(object(),), due_at=at(1)))  # type: ignore[arg-type]

    asyncio.run(body())


def test_a_range_holds_its_low_end_only() -> None:
    """An entry lies in a range from its low end on, up to its high end."""
    wanted = Range(table=HEADS_TABLE, index=BY_KEY, low=b"b", high=b"d", limit=1)
    assert [wanted.holds(entry) for entry in (b"a", b"b", b"c", b"d")] == [False, True, True, False]


@pytest.mark.parametrize(
    "commit",
    [
        Commit(reads=(absent(A),)),
        Commit(writes=(Write(table=HEADS_TABLE, key=A, version=2, body=None),)),
        Commit(scans=(Scan(range=Range(table=HEADS_TABLE, index=BY_KEY, low=b"", high=b"z", limit=1), seen=()),)),
    ],
)
def test_validate_finds_each_difference(commit: Commit) -> None:
    """A read, a write or a scan that does not match what is there now is a conflict, which names the table's noun."""

    def check(version: int, entries: Sequence[tuple[bytes, int]]) -> None:
        validate(commit, lambda table, key: version, lambda wanted: entries)

    check(2 if commit.writes else ABSENT, ())
    with pytest.raises(Conflict, match="head record"):
        check(1, ((A, 1),))
