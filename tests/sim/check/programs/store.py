"""Transactions on lists, on one node with a disk that takes its time.

Each transaction runs under one lock, and what it appended reaches the disk in one piece at its end, unless it aborts:
every seventh value is refused.

Wrong ways: "racy" takes no lock; "dirty" puts each element on the disk at once, and leaves it there if it aborts.
"""

import asyncio

from tests.sim.check.programs.wire import Document, call, serve

Disk = dict[str, list[int]]


class Aborted(Exception):
    """The transaction was refused, and did nothing."""


async def node(disk: Disk, way: str) -> None:
    """Be the node that has the lists."""
    lock = asyncio.Lock()

    async def answer(document: Document) -> Document:
        if way == "racy":
            return await _run(disk, document["steps"], way)
        async with lock:
            return await _run(disk, document["steps"], way)

    await serve(answer)


async def _run(disk: Disk, steps: list[list[object]], way: str) -> Document:
    lists: Disk = {}
    answered: list[list[object]] = []
    for kind, key, *rest in steps:
        assert isinstance(key, str)
        await asyncio.sleep(0.01)
        seen = disk.setdefault(key, []) if way == "dirty" else lists.setdefault(key, list(disk.get(key, ())))
        if kind == "read":
            answered.append(["read", key, list(seen)])
            continue
        (value,) = rest
        assert isinstance(value, int)
        seen.append(value)
        answered.append(["append", key, value])
        if value % 7 == 0:
            return {"aborted": True}
    await asyncio.sleep(0.01)
    disk.update({key: lists[key] for key in lists if any(step[:2] == ["append", key] for step in steps)})
    return {"steps": answered}


async def transact(name: str, steps: list[list[object]]) -> list[list[object]]:
    """Run a transaction; return its steps with what was read. Raise Aborted, Unreachable."""
    answer = await call(name, {"steps": steps})
    if "aborted" in answer:
        raise Aborted
    found: list[list[object]] = answer["steps"]
    return found
