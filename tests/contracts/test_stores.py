"""Every store against the whole store contract, and against each other on arbitrary sequences of operations."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie_core.errors import Refused, StoreError
from kelpie_core.keys import Key
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import Agent
from kelpie_core.ports import Store, Transaction
from kelpie_core.records import AGENTS, BY_KEY
from kelpie_server.observed import ObservedStore, Telemetry
from kelpie_server.world.clock import SystemClock
from kelpie_server.world.sqlite_runner import InlineRunner, Runner, ThreadRunner
from kelpie_server.world.store_sqlite import SqliteStore
from tests.contracts.made import agent, at, run
from tests.contracts.store_contract import BEHAVIOURS, Behaviour

Opened = AbstractAsyncContextManager[Store]


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def observed(folder: Path) -> AsyncIterator[Store]:
    yield ObservedStore(MemoryStore(), Telemetry(), SystemClock())


@asynccontextmanager
async def sqlite(path: str, runner: Runner) -> AsyncIterator[Store]:
    store = await SqliteStore.open(path, runner=runner)
    yield store
    await store.aclose()


def sqlite_threaded(folder: Path) -> Opened:
    return sqlite(str(folder / "store.db"), ThreadRunner())


def sqlite_inline(folder: Path) -> Opened:
    return sqlite(str(folder / "store.db"), InlineRunner())


def sqlite_in_memory(folder: Path) -> Opened:
    return sqlite(":memory:", InlineRunner())


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
@pytest.mark.parametrize("opened", [memory, observed, sqlite_threaded, sqlite_inline, sqlite_in_memory])
def test_contract(opened: Callable[[Path], Opened], behaviour: Behaviour, tmp_path: Path) -> None:
    """Each store shows each behaviour of the contract."""

    async def held() -> None:
        async with opened(tmp_path) as store:
            await behaviour(store)

    run(held())


@attrs.frozen
class Get:
    key: str

    async def take(self, tx: Transaction) -> object:
        return await tx.get(AGENTS, (self.key,))


@attrs.frozen
class Put:
    record: Agent

    async def take(self, tx: Transaction) -> object:
        await tx.put(AGENTS, self.record)
        return None


@attrs.frozen
class Delete:
    key: str

    async def take(self, tx: Transaction) -> object:
        await tx.delete(AGENTS, (self.key,))
        return None


@attrs.frozen
class Scan:
    where: tuple[str, Key]
    after: Key | None
    limit: int
    descending: bool

    async def take(self, tx: Transaction) -> object:
        index, equals = self.where
        found = await tx.scan(AGENTS, index, equals, after=self.after, limit=self.limit, descending=self.descending)
        return list(found)


@attrs.frozen
class End:
    """The end of a block, by an error or without."""

    error: Refused | None


KEYS = st.sampled_from(["", "a", "a\x00", "a\x00b", "ab", "\U0001f99e"])
TAGS = st.lists(st.sampled_from("xyz"), max_size=3).map(tuple)
RECORDS = st.builds(agent, KEYS, name=st.sampled_from("mn"), second=st.integers(-1, 1), tags=TAGS)
WHERE: tuple[tuple[str, Key], ...] = (
    (BY_KEY, ()),
    *(("by_name", equals) for equals in (("o",), ("o", "m"), ("o", "n"))),
    *(("by_tag", equals) for equals in (("o",), ("o", "x"), ("o", "y"))),
)
AFTER = st.none() | KEYS.map(lambda key: (key,)) | st.integers(-1, 1).map(lambda second: (at(second),))
SCANS = st.builds(Scan, st.sampled_from(WHERE), AFTER, st.integers(1, 4), st.booleans())
STEPS = (
    st.builds(Get, KEYS)
    | st.builds(Put, RECORDS)
    | st.builds(Delete, KEYS)
    | SCANS
    | st.builds(End, st.none() | st.just(Refused("no")))
)
# Which of three interleaved transactions does what.
HISTORIES = st.lists(st.tuples(st.integers(0, 2), STEPS), min_size=1, max_size=40)


async def outcome_of(awaitable: Awaitable[object]) -> object:
    """Return what came of it: a value, or the kind of the store's error."""
    try:
        return await awaitable
    except StoreError as error:
        return type(error)


async def play(store: Store, history: list[tuple[int, Get | Put | Delete | Scan | End]]) -> list[object]:
    """Return what each step of a history gives, and what is stored in the end."""
    running: dict[int, tuple[AbstractAsyncContextManager[Transaction], Transaction]] = {}
    outcomes: list[object] = []
    for number, step in history:
        if number not in running:
            block = store.transaction()
            running[number] = block, await block.__aenter__()
        block, tx = running[number]
        if isinstance(step, End):
            del running[number]
            kind = type(step.error) if step.error else None
            outcomes.append(await outcome_of(block.__aexit__(kind, step.error, None)))
        else:
            outcomes.append(await outcome_of(step.take(tx)))
    async with store.transaction() as tx:
        for index, equals in WHERE:
            outcomes.append(list(await tx.scan(AGENTS, index, equals, limit=100)))
    return outcomes


@given(HISTORIES)
@settings(max_examples=200)
def test_stores_agree(history: list[tuple[int, Get | Put | Delete | Scan | End]]) -> None:
    """Any history of interleaved transactions gives the same on SQLite as in memory: values, conflicts, the rest."""

    async def both() -> tuple[list[object], list[object]]:
        async with sqlite(":memory:", InlineRunner()) as store:
            return await play(MemoryStore(), history), await play(store, history)

    in_memory, on_sqlite = run(both())
    assert in_memory == on_sqlite
