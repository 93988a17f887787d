"""Agent files for tests: where they are, what is stored of them, and small ones made to measure.

The form in which two of them can be compared is that of the simulator (kelpie_sim/agents/documents.py).
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from kelpie_core.ports import Store
from kelpie_core.records import TABLES
from kelpie_sim.agents.documents import NOON_TEXT, Json, normal_form
from kelpie_sim.agents.samples import OTHERS as REAL
from kelpie_sim.agents.samples import OWN as SAMPLES
from tests.twins import NOON

__all__ = ("NOON_TEXT", "REAL", "SAMPLES", "Json", "normal_form")

T = TypeVar("T")

assert NOON.isoformat() == NOON_TEXT, "the twins' time stands for a time that a file does not say"


def sample_files() -> list[Path]:
    """Return the agent files of the repository, and the real ones beside it if they are there."""
    return [*sorted(SAMPLES.glob("*.af")), *sorted(REAL.glob("*.af"))]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns."""
    return asyncio.run(work)


async def stored(store: Store) -> dict[str, list[Any]]:
    """Return all records of a store, by the name of their table; tables without any are left out."""
    records: dict[str, list[Any]] = {}
    async with store.transaction() as tx:
        for table in TABLES:
            while page := await tx.scan(table, after=_last_key(table, records), limit=1000):
                records.setdefault(table.name, []).extend(page)
    return records


def _last_key(table: Any, records: dict[str, list[Any]]) -> Any:
    last = records.get(table.name, [None])[-1]
    return None if last is None else tuple(getattr(last, name) for name in table.key)


def document_of(*, messages: tuple[Json, ...] = (), **agent: Any) -> Json:
    """Return a small file with one agent, one block and one tool; the window holds all messages."""
    numbered = [
        {"id": f"message-{number}", "role": "user", "content": "", "created_at": NOON_TEXT, **message}
        for number, message in enumerate(messages)
    ]
    entry = {
        "id": "agent-0",
        "name": "fern",
        "block_ids": ["block-0"],
        "tool_ids": ["tool-0"],
        "in_context_message_ids": [message["id"] for message in numbered],
        "messages": numbered,
        **agent,
    }
    blocks = [{"id": "block-0", "label": "notes", "value": "green", "limit": 10}]
    return {"agents": [entry], "blocks": blocks, "tools": [{"id": "tool-0", "name": "prune"}]}


def bytes_of(document: object) -> bytes:
    """Return a document as the bytes of a file."""
    return json.dumps(document).encode()


def edited(document: Json, edit: Callable[[Json], object]) -> Json:
    """Return a document after an edit in place."""
    edit(document)
    return document
