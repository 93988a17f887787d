"""The store in memory, beyond its contract in tests/contracts: its cost, and what it shares with callers."""

import asyncio
from typing import cast

from kelpie_core.keys import encode_key
from kelpie_core.memory_store import CHUNK_ENTRIES_MAX, MemoryStore
from kelpie_core.model.agent import AgentHead
from kelpie_core.optimistic import ABSENT, Commit, Range, Write
from kelpie_core.records import BY_KEY, HEADS, Table

TABLE = cast(Table[object], HEADS)


def write(number: int, *, version: int = ABSENT, body: bytes | None = b"") -> Write:
    return Write(table=TABLE, key=encode_key((number,)), version=version, body=body)


def keys_in(store: MemoryStore, low: int, high: int, *, limit: int = 10_000, descending: bool = False) -> list[bytes]:
    """Return the keys of a range of the heads."""
    wanted = Range(
        table=TABLE,
        index=BY_KEY,
        low=encode_key((low,)),
        high=encode_key((high,)),
        limit=limit,
        descending=descending,
    )
    return [row.key for row in asyncio.run(store.range(wanted))]


def filled(count: int) -> MemoryStore:
    """Return a store with that many heads, numbered from 0, written with a stride."""
    store = MemoryStore()
    numbers = [number * 7 % count for number in range(count)]
    asyncio.run(store.commit(Commit(writes=tuple(map(write, numbers)))))
    return store


def test_a_store_shares_nothing_with_its_callers() -> None:
    """A record is kept as bytes: changing what was put or read changes nothing stored."""
    store = MemoryStore()

    async def read() -> AgentHead | None:
        async with store.transaction() as tx:
            return await tx.get(HEADS, ("a",))

    async def put_and_read() -> tuple[AgentHead | None, AgentHead | None]:
        async with store.transaction() as tx:
            await tx.put(HEADS, AgentHead(agent_id="a"))
        return await read(), await read()

    one, other = asyncio.run(put_and_read())
    assert one == other == AgentHead(agent_id="a")
    assert one is not other


def test_versions_grow_with_every_commit() -> None:
    """All that one commit writes has one version, greater than any before, even for a key that was deleted."""
    store = MemoryStore()
    versions = []
    for commit in (
        Commit(writes=(write(1), write(2))),
        Commit(writes=(write(1, version=1, body=None),)),
        Commit(writes=(write(1),)),
    ):
        asyncio.run(store.commit(commit))
        rows = [asyncio.run(store.read(TABLE, encode_key((number,)))) for number in (1, 2)]
        versions.append([row and row.version for row in rows])
    assert versions == [[1, 1], [None, 1], [3, 1]]


def test_many_chunks_are_one_order() -> None:
    """Entries that fill several chunks are walked in order across their borders, both ways and from any place."""
    count = 5 * CHUNK_ENTRIES_MAX
    store = filled(count)
    expected = [encode_key((number,)) for number in range(count)]
    assert keys_in(store, 0, count) == expected
    assert keys_in(store, 0, count, descending=True) == expected[::-1]
    for border in range(0, count, CHUNK_ENTRIES_MAX // 4):
        assert keys_in(store, border, count, limit=3) == expected[border : border + 3]
        assert keys_in(store, 0, border, limit=3, descending=True) == expected[max(border - 3, 0) : border][::-1]


def test_emptied_chunks_take_new_entries() -> None:
    """What is left after all entries were deleted, from whichever end, takes new ones in order."""
    count = 3 * CHUNK_ENTRIES_MAX
    for numbers in (range(count), range(count - 1, -1, -1)):
        store = filled(count)
        gone = tuple(write(number, version=1, body=None) for number in numbers)
        asyncio.run(store.commit(Commit(writes=gone)))
        assert keys_in(store, 0, count) == []
        assert [len(entries._chunks) for entries in store._entries.values()] == [1]
        asyncio.run(store.commit(Commit(writes=tuple(write(number) for number in (5, 3, 2_000)))))
        assert keys_in(store, 0, count) == [encode_key((number,)) for number in (3, 5, 2_000)]
