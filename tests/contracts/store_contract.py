"""What every store must do, whatever it is made of: one behaviour per function, each given a fresh empty store.

A new store is held to all of them by one line in test_stores.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from kelpie_core.errors import Conflict, InvariantBroken, Refused
from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.ports import Store, Transaction
from kelpie_core.records import AGENTS, BY_KEY, HEADS, MESSAGES, SWEEPS, Table
from tests.contracts.made import agent, at, delete, head, increment, message, put, sweep

R = TypeVar("R")
Behaviour = Callable[[Store], Awaitable[None]]
BEHAVIOURS: list[Behaviour] = []


def behaviour(function: Behaviour) -> Behaviour:
    """Add a behaviour to the contract."""
    BEHAVIOURS.append(function)
    return function


async def read(store: Store, table: Table[R], *key: str | int) -> R | None:
    """Return one record, in a transaction of its own."""
    async with store.transaction() as tx:
        return await tx.get(table, key)


async def found(
    tx: Transaction,
    index: str = BY_KEY,
    equals: Key = (),
    *,
    table: Table[R] = AGENTS,  # type: ignore[assignment]
    after: Key | None = None,
    limit: int = 100,
    descending: bool = False,
) -> list[object]:
    """Return the first part of the key of each record that a scan finds; for messages their seq."""
    records = await tx.scan(table, index, equals, after=after, limit=limit, descending=descending)
    return [getattr(record, table.key[-1]) for record in records]


async def pages(store: Store, table: Table[R], index: str, equals: Key, order: tuple[str, ...]) -> list[list[object]]:
    """Return the keys of a scan page by page, two by two: forwards, then backwards."""
    walks = []
    for descending in (False, True):
        walk: list[object] = []
        after: Key | None = None
        for _ in range(10):
            async with store.transaction() as tx:
                page = await tx.scan(table, index, equals, after=after, limit=2, descending=descending)
            walk += [getattr(record, table.key[-1]) for record in page]
            if len(page) < 2:
                break
            after = tuple(getattr(page[-1], name) for name in order)
        walks.append(walk)
    return walks


async def refused(
    store: Store, body: Callable[[Transaction], Awaitable[None]], kind: type[Exception] = Conflict
) -> Exception:
    """Return the error of that kind that a transaction with that body must end with."""
    with pytest.raises(kind) as caught:
        await within(store, body)
    return caught.value


async def within(store: Store, body: Callable[[Transaction], Awaitable[None]]) -> None:
    """Run a body in a transaction."""
    async with store.transaction() as tx:
        await body(tx)


# Reading and writing


@behaviour
async def a_record_is_read_back_equal(store: Store) -> None:
    """What was put is read back equal, by its key and by a scan; what was not is None."""
    record = agent("a", tags=("x", "y"), second=7, system="\x00 \U0001f99e ü")
    await put(store, AGENTS, record)
    assert await read(store, AGENTS, "a") == record
    assert await read(store, AGENTS, "b") is None
    async with store.transaction() as tx:
        assert list(await tx.scan(AGENTS, limit=5)) == [record]


@behaviour
async def an_update_replaces(store: Store) -> None:
    """A put of a record that was read, or found by a scan, replaces it."""
    await put(store, AGENTS, agent("a", name="old"))
    await put(store, AGENTS, agent("a", name="new"))
    assert await read(store, AGENTS, "a") == agent("a", name="new")
    async with store.transaction() as tx:
        await tx.scan(AGENTS, limit=1)
        await tx.put(AGENTS, agent("a", name="newer"))
    assert await read(store, AGENTS, "a") == agent("a", name="newer")


@behaviour
async def a_delete_removes_everywhere(store: Store) -> None:
    """A deleted record is in no index any more; deleting what is not there does nothing."""
    await put(store, AGENTS, agent("a", tags=("x", "y")), agent("b", tags=("x",)))
    await delete(store, AGENTS, "a")
    await delete(store, AGENTS, "a")
    assert await read(store, AGENTS, "a") is None
    async with store.transaction() as tx:
        assert [await found(tx), await found(tx, "by_tag", ("o",)), await found(tx, "by_name", ("o", "n"))] == [
            ["b"]
        ] * 3


@behaviour
async def a_big_body_is_kept(store: Store) -> None:
    """A record of five megabytes is stored like any other, by creation and by update."""
    for letter in "xy":
        await put(store, AGENTS, agent("a", system=letter * 5_000_000))
        assert await read(store, AGENTS, "a") == agent("a", system=letter * 5_000_000)


@behaviour
async def an_error_rolls_back(store: Store) -> None:
    """A block that raises leaves nothing behind, and its error comes through."""
    await put(store, HEADS, head(seq_next=1))

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.put(HEADS, head(seq_next=2))
        await tx.put(AGENTS, agent("b"))
        raise Refused("no")

    await refused(store, body, Refused)
    assert await read(store, HEADS, "a") == head(seq_next=1)
    assert await read(store, AGENTS, "b") is None


@behaviour
async def a_transaction_ends_with_its_block(store: Store) -> None:
    """A transaction that is used after its block says so, since its writes would be lost."""
    async with store.transaction() as tx:
        pass
    for late in (tx.get(HEADS, ("a",)), tx.put(HEADS, head()), tx.delete(HEADS, ("a",)), tx.scan(HEADS, limit=1)):
        with pytest.raises(InvariantBroken):
            await late


# A transaction sees its own writes


@behaviour
async def own_writes_are_read(store: Store) -> None:
    """A get sees what the transaction itself put or deleted, and a put after a delete creates anew."""
    await put(store, HEADS, head(seq_next=1))
    async with store.transaction() as tx:
        await tx.delete(HEADS, ("a",))
        assert await tx.get(HEADS, ("a",)) is None
        await tx.put(HEADS, head(seq_next=2))
        assert await tx.get(HEADS, ("a",)) == head(seq_next=2)
        await tx.put(HEADS, head(seq_next=3))
    assert await read(store, HEADS, "a") == head(seq_next=3)


@behaviour
async def what_is_created_and_deleted_never_was(store: Store) -> None:
    """A record that one transaction creates and deletes is nowhere afterwards."""
    async with store.transaction() as tx:
        await tx.put(AGENTS, agent("a", tags=("x",)))
        await tx.delete(AGENTS, ("a",))
        assert await found(tx) == []
    async with store.transaction() as tx:
        assert await tx.get(AGENTS, ("a",)) is None
        assert [await found(tx), await found(tx, "by_tag", ("o", "x"))] == [[], []]


@behaviour
async def own_writes_are_scanned(store: Store) -> None:
    """A scan has own creations, updates and deletes in their places, up to its limit, from its position, both ways."""
    await put(store, AGENTS, *(agent(key, second=second) for second, key in enumerate("bdfh")))
    async with store.transaction() as tx:
        await tx.delete(AGENTS, ("d",))
        await tx.put(AGENTS, agent("a"))
        await tx.put(AGENTS, agent("g"))
        await tx.get(AGENTS, ("f",))
        await tx.put(AGENTS, agent("f", name="mine"))
        assert await found(tx) == ["a", "b", "f", "g", "h"]
        assert await found(tx, limit=3) == ["a", "b", "f"]
        assert await found(tx, limit=3, descending=True) == ["h", "g", "f"]
        assert await found(tx, after=("b",), limit=2) == ["f", "g"]
        assert await found(tx, after=("g",), limit=3, descending=True) == ["f", "b", "a"]
        assert await found(tx, "by_name", ("o", "mine")) == ["f"]
        assert await found(tx, "by_name", ("o", "n"), limit=1, descending=True) == ["h"]
    async with store.transaction() as tx:
        assert await found(tx) == ["a", "b", "f", "g", "h"]


@behaviour
async def own_moves_between_index_entries_are_scanned(store: Store) -> None:
    """An own update leaves the entries of the old values and takes those of the new, before and after the commit."""
    await put(store, AGENTS, agent("a", tags=("x", "y")), agent("b", tags=("x",)))
    async with store.transaction() as tx:
        await tx.get(AGENTS, ("a",))
        await tx.put(AGENTS, agent("a", tags=("y", "z", "z")))
        mine = [await found(tx, "by_tag", ("o", tag)) for tag in "xyz"]
    async with store.transaction() as tx:
        stored = [await found(tx, "by_tag", ("o", tag)) for tag in "xyz"]
    assert [mine, stored] == [[["b"], ["a"], ["a"]]] * 2


# Conflicts


@behaviour
async def creating_what_exists_conflicts(store: Store) -> None:
    """A put of what was not read is a creation: if the record exists, the whole transaction is refused."""
    await put(store, HEADS, head(seq_next=1))

    async def body(tx: Transaction) -> None:
        await tx.put(HEADS, head("b"))
        await tx.put(HEADS, head(seq_next=2))

    await refused(store, body)
    assert [await read(store, HEADS, "a"), await read(store, HEADS, "b")] == [head(seq_next=1), None]

    async def scanning(tx: Transaction) -> None:
        await tx.put(HEADS, head(seq_next=2))
        await tx.scan(HEADS, limit=1)

    await refused(store, scanning)


@behaviour
async def a_lost_update_conflicts(store: Store) -> None:
    """Of two that read a record and change it, the second is refused, whether the other changed or deleted it."""

    async def update_during(other: Awaitable[None]) -> None:
        async with store.transaction() as tx:
            await tx.get(HEADS, ("a",))
            await tx.put(HEADS, head(seq_next=2))
            await other

    for other in (put(store, HEADS, head(seq_next=5)), delete(store, HEADS, "a")):
        await put(store, HEADS, head(seq_next=1))
        with pytest.raises(Conflict):
            await update_during(other)
    assert await read(store, HEADS, "a") is None


@behaviour
async def a_creation_by_two_conflicts(store: Store) -> None:
    """Of two that saw a record absent and create it, the second is refused."""

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.put(HEADS, head(seq_next=1))
        await put(store, HEADS, head(seq_next=2))

    await refused(store, body)
    assert await read(store, HEADS, "a") == head(seq_next=2)


@behaviour
async def a_delete_of_what_changed_conflicts(store: Store) -> None:
    """A delete is a read too: what changed since is not deleted."""
    await put(store, HEADS, head(seq_next=1))

    async def body(tx: Transaction) -> None:
        await tx.delete(HEADS, ("a",))
        await put(store, HEADS, head(seq_next=2))

    await refused(store, body)
    assert await read(store, HEADS, "a") == head(seq_next=2)


@behaviour
async def a_phantom_conflicts(store: Store) -> None:
    """Whoever scanned a range and writes is refused if anything appeared, vanished or changed in it meanwhile."""

    async def scan_during(other: Awaitable[None]) -> None:
        async with store.transaction() as tx:
            await found(tx, "by_organization", ("o",))
            await tx.put(HEADS, head())
            await other

    for other in (
        put(store, AGENTS, agent("b", second=1)),
        put(store, AGENTS, agent("a", system="changed")),
        put(store, AGENTS, agent("c", organization="p")),
        delete(store, AGENTS, "c"),
    ):
        await put(store, AGENTS, agent("a"), agent("c", second=3))
        with pytest.raises(Conflict):
            await scan_during(other)
    assert await read(store, HEADS, "a") is None


@behaviour
async def what_a_scan_did_not_reach_is_no_phantom(store: Store) -> None:
    """Changes outside the range, before the position or behind the last entry of a full page, refuse nobody."""
    await put(store, AGENTS, *(agent(key) for key in "ceg"))
    async with store.transaction() as tx:
        assert await found(tx, after=("c",), limit=1) == ["e"]
        await tx.put(HEADS, head())
        await put(store, AGENTS, agent("c", system="changed"), agent("f"), agent("g", system="changed"))
        await put(store, AGENTS, agent("d", organization="p"))
        await delete(store, AGENTS, "d")
    assert await read(store, HEADS, "a") == head()


@behaviour
async def write_skew_conflicts(store: Store) -> None:
    """Two that each read what the other writes are not both committed."""
    await put(store, HEADS, head("a"), head("b"))

    async def body(one: Transaction) -> None:
        await one.get(HEADS, ("a",))
        await one.get(HEADS, ("b",))
        await one.put(HEADS, head("a", 1))
        async with store.transaction() as two:
            await two.get(HEADS, ("a",))
            await two.get(HEADS, ("b",))
            await two.put(HEADS, head("b", 1))

    await refused(store, body)
    assert [await read(store, HEADS, "a"), await read(store, HEADS, "b")] == [head("a"), head("b", 1)]


@behaviour
async def delete_and_create_is_a_change(store: Store) -> None:
    """A record that was deleted and created again, equal in content, is not the one that was read."""
    await put(store, HEADS, head(seq_next=1))

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await tx.put(HEADS, head(seq_next=9))
        await delete(store, HEADS, "a")
        await put(store, HEADS, head(seq_next=1))

    await refused(store, body)
    assert await read(store, HEADS, "a") == head(seq_next=1)


@behaviour
async def reads_that_straddle_a_commit_conflict(store: Store) -> None:
    """A transaction that only read, but both before and after another's commit, is refused: it saw what never was."""
    await put(store, HEADS, head("a", 1), head("b", 1))

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await put(store, HEADS, head("a", 2), head("b", 2))
        await tx.get(HEADS, ("b",))

    await refused(store, body)


@behaviour
async def an_error_from_straddling_reads_conflicts(store: Store) -> None:
    """An error that rests on reads that never were true together is not believed but retried."""
    await put(store, HEADS, head("a", 1), head("b", 1))

    async def body(tx: Transaction) -> None:
        first = await tx.get(HEADS, ("a",))
        await put(store, HEADS, head("a", 2), head("b", 2))
        second = await tx.get(HEADS, ("b",))
        raise Refused(f"{first} and {second} differ")

    caught = await refused(store, body)
    assert isinstance(caught.__context__, Refused)


@behaviour
async def a_change_that_is_seen_conflicts_at_once(store: Store) -> None:
    """A scan that meets a record in another version than the transaction read before is refused on the spot."""
    await put(store, HEADS, head(seq_next=1))
    refusals: list[Conflict] = []

    async def body(tx: Transaction) -> None:
        await tx.get(HEADS, ("a",))
        await put(store, HEADS, head(seq_next=2))
        with pytest.raises(Conflict) as caught:
            await tx.scan(HEADS, limit=1)
        refusals.append(caught.value)

    await refused(store, body)
    assert len(refusals) == 1


@behaviour
async def one_read_never_conflicts(store: Store) -> None:
    """A transaction of one read, by key or by scan, stands whatever happens meanwhile; its second sight is the same."""
    await put(store, HEADS, head(seq_next=1))
    async with store.transaction() as tx:
        assert await tx.get(HEADS, ("a",)) == head(seq_next=1)
        await put(store, HEADS, head(seq_next=2))
        assert await tx.get(HEADS, ("a",)) == head(seq_next=1)
    async with store.transaction() as tx:
        assert list(await tx.scan(HEADS, limit=1)) == [head(seq_next=2)]
        await put(store, HEADS, head(seq_next=3))
        assert await tx.get(HEADS, ("a",)) == head(seq_next=2)


@behaviour
async def increments_by_many_are_all_kept(store: Store) -> None:
    """Fifty tasks that each add one, trying again after a conflict, make fifty."""

    async def persistently() -> None:
        while True:
            try:
                return await increment(store)
            except Conflict:
                await asyncio.sleep(0)

    await asyncio.gather(*(persistently() for _ in range(50)))
    assert await read(store, HEADS, "a") == head(seq_next=50)


# Order and paging


@behaviour
async def keys_of_any_text_keep_their_order(store: Store) -> None:
    """Keys sort by code point, with NUL and emoji in them, and no key is taken for the start of another."""
    keys = sorted(["", "a", "a\x00", "a\x00b", "a\x01", "ab", "b", "é", "\uffff", "\U0001f99e", "\U0001f99e\x00"])
    await put(store, AGENTS, *(agent(key, name=key, tags=(key,)) for key in reversed(keys)))
    async with store.transaction() as tx:
        assert await found(tx) == keys
        for key in keys:
            assert await found(tx, "by_name", ("o", key)) == [key]
            assert await found(tx, "by_tag", ("o", key), descending=True) == [key]
            assert await found(tx, after=(key,)) == keys[keys.index(key) + 1 :]
            assert await found(tx, after=(key,), descending=True) == keys[: keys.index(key)][::-1]


@behaviour
async def every_shape_of_index_pages_both_ways(store: Store) -> None:
    """Paging visits each record once, in order, for keys, times, texts, integers, None and many-valued attributes."""
    await put(store, AGENTS, *(agent(key, tags=("t", key), second=-second) for second, key in enumerate("abcde")))
    await put(store, MESSAGES, *(message(seq, otid=None, run_id="r") for seq in range(5)))
    await put(store, MESSAGES, *(message(seq, agent_id="b", otid=f"t{seq}") for seq in range(3)))
    await put(store, SWEEPS, sweep("a", 5), sweep("b", -5), sweep("c", 5))
    assert await pages(store, AGENTS, BY_KEY, (), ("id",)) == [list("abcde"), list("edcba")]
    for index, equals in (("by_organization", ("o",)), ("by_name", ("o", "n")), ("by_tag", ("o", "t"))):
        order = ("created_at", "id")
        assert await pages(store, AGENTS, index, equals, order) == [list("edcba"), list("abcde")]
    assert await pages(store, MESSAGES, BY_KEY, ("a",), ("seq",)) == [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
    assert await pages(store, MESSAGES, "by_run", ("r",), ("seq",)) == [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
    assert await pages(store, MESSAGES, "by_run", (None,), ("seq",)) == [[0, 1, 2], [2, 1, 0]]
    rest = ("otid", "agent_id", "seq")
    assert await pages(store, MESSAGES, "by_otid", ("a",), rest) == [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
    assert await pages(store, MESSAGES, "by_otid", ("b",), rest) == [[0, 1, 2], [2, 1, 0]]
    assert await pages(store, SWEEPS, "by_due", (), ("due_at", "id")) == [["b", "a", "c"], ["c", "a", "b"]]


@behaviour
async def a_position_may_be_a_part_of_an_entry(store: Store) -> None:
    """A position that is only the first part of the rest of an entry skips all entries that start with it."""
    await put(store, SWEEPS, sweep("a", 1), sweep("b", 2), sweep("c", 2), sweep("d", 3))
    async with store.transaction() as tx:
        assert await found(tx, "by_due", table=SWEEPS, after=(at(2),)) == ["d"]
        assert await found(tx, "by_due", table=SWEEPS, after=(at(2),), descending=True) == ["a"]
        assert await found(tx, "by_due", table=SWEEPS, after=(at(2), "b")) == ["c", "d"]
        assert await found(tx, "by_due", table=SWEEPS, after=(at(-9),), descending=True) == []


@behaviour
async def long_tables_keep_their_order(store: Store) -> None:
    """Thousands of records written out of order and partly deleted are walked in order, from anywhere, both ways."""
    seqs = [number * 7 % 3_001 for number in range(3_001)]
    for start in range(0, 3_001, 1_000):
        await put(store, MESSAGES, *(message(seq) for seq in seqs[start : start + 1_000]))
    async with store.transaction() as tx:
        for seq in range(600, 2_600):
            await tx.delete(MESSAGES, ("a", seq))
    async with store.transaction() as tx:
        assert await found(tx, equals=("a",), table=MESSAGES, after=(590,), limit=11) == [
            *range(591, 600),
            2_600,
            2_601,
        ]
        backwards = await found(tx, equals=("a",), table=MESSAGES, limit=1_000, descending=True)
        assert backwards == [*range(3_000, 2_599, -1), *range(599, 0, -1)]


@behaviour
async def a_limit_has_bounds(store: Store) -> None:
    """A scan of nothing, or of more than one page may hold, is refused as our own mistake."""
    async with store.transaction() as tx:
        for limit in (0, -1, PAGE_ITEMS_MAX + 1):
            with pytest.raises(ValueError, match="limit"):
                await tx.scan(AGENTS, limit=limit)
        with pytest.raises(KeyError, match="by_colour"):
            await tx.scan(AGENTS, "by_colour", limit=1)
        assert list(await tx.scan(AGENTS, limit=PAGE_ITEMS_MAX)) == []
