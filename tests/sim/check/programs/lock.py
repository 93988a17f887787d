"""A lock that a majority of nodes grants: who has a majority holds it.

A client asks all nodes. With fewer grants than a majority it gives back what it got. Every attempt has a number, so
that what was sent for an older one, and comes late, does no harm.

Wrong ways: "hopeful" counts nodes that do not answer as if they had granted; "stubborn" does not believe that it gave
the lock back before every node has said so.
"""

import asyncio

from tests.sim.check.programs.wire import Document, Unreachable, call, serve

Disk = dict[str, tuple[str, int]]


async def node(disk: Disk) -> None:
    """Be a node: grant the lock to one at a time."""

    async def answer(document: Document) -> Document:
        who, attempt = document["who"], document["attempt"]
        holder = disk.get("holder")
        if document["do"] == "give back":
            if holder == (who, attempt):
                del disk["holder"]
            return {"done": True}
        granted = holder is None or (holder[0] == who and holder[1] <= attempt)
        if granted:
            disk["holder"] = (who, attempt)
        return {"granted": granted}

    await serve(answer)


class Client:
    """Takes the lock and gives it back."""

    def __init__(self, name: str, nodes: tuple[str, ...], way: str) -> None:
        self.name = name
        self.nodes = nodes
        self.way = way
        self._majority = len(nodes) // 2 + 1
        self._attempt = 0

    async def acquire(self) -> bool:
        """Take the lock; return whether it is held now."""
        self._attempt += 1
        answers = await asyncio.gather(*(self._ask(node, "grant") for node in self.nodes))
        silence = self.way == "hopeful"
        granted = sum(silence if answer is None else bool(answer["granted"]) for answer in answers)
        if granted < self._majority:
            await self.release()
        return granted >= self._majority

    async def release(self) -> None:
        """Give the lock back: once a majority knows, somebody else can have it."""
        missing = set(self.nodes)
        enough = 0 if self.way == "stubborn" else len(self.nodes) - self._majority
        while len(missing) > enough:
            asked = sorted(missing)
            answers = await asyncio.gather(*(self._ask(node, "give back") for node in asked))
            missing -= {node for node, answer in zip(asked, answers, strict=True) if answer is not None}

    async def _ask(self, node: str, what: str) -> Document | None:
        try:
            return await call(node, {"do": what, "who": self.name, "attempt": self._attempt})
        except Unreachable:
            return None
