"""Records for tests of stores: only what matters to a store is given, the rest is plain."""

import asyncio
import datetime as dt
from collections.abc import Coroutine
from typing import Any, TypeVar

from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.sweep import Sweep
from kelpie_core.ports import Store
from kelpie_core.records import HEADS, Table

T = TypeVar("T")
R = TypeVar("R")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine gives, on a fresh loop."""
    return asyncio.run(coroutine)


def at(second: int) -> dt.datetime:
    """Return a time that many seconds after (or before) the epoch."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)


def agent(
    key: str,
    *,
    name: str = "n",
    organization: str = "o",
    second: int = 0,
    tags: tuple[str, ...] = (),
    block_ids: tuple[str, ...] = (),
    system: str = "",
) -> Agent:
    """Return an agent: the table with all shapes of index."""
    return Agent(
        id=key,
        organization_id=organization,
        created_by_id="u",
        name=name,
        system=system,
        tags=tags,
        block_ids=block_ids,
        created_at=at(second),
        updated_at=at(second),
    )


def head(key: str = "a", seq_next: int = 0) -> AgentHead:
    """Return an agent's head: the table without an index."""
    return AgentHead(agent_id=key, seq_next=seq_next)


def message(
    seq: int, *, agent_id: str = "a", key: str | None = None, otid: str | None = None, run_id: str | None = None
) -> Message:
    """Return a message: the table with a key of two parts, and indexes over what may be None."""
    return Message(
        id=key or f"{agent_id}-{seq}",
        agent_id=agent_id,
        seq=seq,
        role=Role.USER,
        content=(TextPart(text=f"text {seq}"),),
        otid=otid,
        run_id=run_id,
        created_at=at(seq),
    )


def sweep(key: str, second: int) -> Sweep:
    """Return a sweep: the table with an index that fixes nothing and is ordered by time."""
    return Sweep(id=key, agent_ids=(key,), due_at=at(second))


async def put(store: Store, table: Table[R], *records: R) -> None:
    """Write records in one transaction: updates where they exist, else creations."""
    async with store.transaction() as tx:
        for record in records:
            await tx.get(table, tuple(getattr(record, name) for name in table.key))
            await tx.put(table, record)


async def delete(store: Store, table: Table[R], *key: str | int) -> None:
    """Delete one record in a transaction of its own."""
    async with store.transaction() as tx:
        await tx.delete(table, key)


async def increment(store: Store) -> None:
    """Add one to the only head, without a retry."""
    async with store.transaction() as tx:
        found = await tx.get(HEADS, ("a",))
        await tx.put(HEADS, head(seq_next=found.seq_next + 1 if found else 1))
