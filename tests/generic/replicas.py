"""A register on three disks that may each lose their power, and one of them everything.

Clients are those of the register of the checkers' own programs, but thrifty ones: for each request they pick a
majority, and leave the others alone. A node keeps its value in a file,
safe before it answers. One that finds an empty disk has forgotten what it promised: it waits until no request of its
earlier life can be under way, and learns from all others before it serves.

Wrong ways: "hasty" answers before the value is safe; "amnesiac" serves at once from an empty disk.
"""

import asyncio
import json
import os
import random

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs import register
from tests.sim.check.programs.wire import PATIENCE_SECONDS, Document, Unreachable, ask, serve

PATH = "/kept"
NOTHING: Document = {"time": [0, ""], "value": None}


def keep(document: Document, way: str = "") -> None:
    """Put a value on the disk."""
    with open(PATH + ".new", "w", encoding="utf-8") as file:
        file.write(json.dumps(document))
        file.flush()
        if way != "hasty":
            os.fsync(file.fileno())
    os.replace(PATH + ".new", PATH)
    if way != "hasty":
        root = os.open("/", os.O_RDONLY)
        os.fsync(root)
        os.close(root)


def kept() -> Document | None:
    """Return what is on the disk, None if there is nothing that makes sense."""
    if not os.path.exists(PATH):
        return None
    try:
        with open(PATH, encoding="utf-8") as file:
            found: Document = json.loads(file.read())
    except ValueError:
        return None
    return found


async def node(others: tuple[str, ...], way: str) -> None:
    """Be a node."""
    found = kept()
    if found is None:
        found = NOTHING if way == "amnesiac" else await _learnt(others)
        keep(found, way)
    now: Document = found

    async def answer(document: Document) -> Document:
        nonlocal now
        if document["do"] == "store" and document["time"] > now["time"]:
            now = {"time": document["time"], "value": document["value"]}
            keep(now, way)
        return now

    await serve(answer)


class Client(register.Client):
    """Reads and writes the register."""

    def __init__(self, name: str, nodes: tuple[str, ...]) -> None:
        super().__init__(name, nodes, "")
        self._all = nodes

    async def read(self) -> object:
        """Return the value. Raise Unreachable."""
        self._pick()
        return await super().read()

    async def write(self, value: object) -> None:
        """Set the value. Raise Unreachable: then nobody knows."""
        self._pick()
        await super().write(value)

    def _pick(self) -> None:
        self.nodes = tuple(random.sample(self._all, len(self._all) // 2 + 1))


async def _learnt(others: tuple[str, ...]) -> Document:
    await asyncio.sleep(2 * PATIENCE_SECONDS)
    while True:
        try:
            answers = await ask(others, {"do": "load"}, len(others))
        except Unreachable:
            await asyncio.sleep(PATIENCE_SECONDS)
        else:
            sometimes("a node learnt from the others")
            return max(answers, key=lambda kept: kept["time"])
