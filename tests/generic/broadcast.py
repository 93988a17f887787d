"""Messages that are to reach all nodes of a line: Maelstrom's workload "broadcast".

A node that hears of a message for the first time passes it on to its neighbours, and keeps telling each of them what it
has not acknowledged. So a message gets through whatever becomes of connections, if only they come back.

Wrong way: "hopeful" tells each neighbour once.
"""

import asyncio

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs.wire import Document, Unreachable, call, serve

RETRY_SECONDS = 0.3


class Node:
    """What one node has heard, in that order, and what each neighbour has still to hear."""

    def __init__(self, name: str, neighbours: tuple[str, ...], way: str) -> None:
        self.name = name
        self.way = way
        self.heard: dict[int, None] = {}
        self._owed: dict[str, dict[int, None]] = {name: {} for name in neighbours}
        self._news = {name: asyncio.Event() for name in neighbours}

    async def main(self) -> None:
        """Be a node for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(self._answer))
            for neighbour in self._owed:
                group.create_task(self._pass_on(neighbour))

    async def _answer(self, document: Document) -> Document:
        if document["do"] == "read":
            return {"messages": list(self.heard)}
        for message in document["messages"]:
            self._hear(message, document.get("from"))
        return {}

    def _hear(self, message: int, sender: str | None) -> None:
        sometimes("a message was heard again", message in self.heard)
        if message in self.heard:
            return
        self.heard[message] = None
        for neighbour, owed in self._owed.items():
            if neighbour != sender:
                owed[message] = None
                self._news[neighbour].set()

    async def _pass_on(self, neighbour: str) -> None:
        owed, news = self._owed[neighbour], self._news[neighbour]
        while True:
            await news.wait()
            news.clear()
            told = list(owed)
            try:
                await call(neighbour, {"do": "tell", "messages": told, "from": self.name})
            except Unreachable:
                sometimes("a neighbour was told again")
                if self.way != "hopeful":
                    await asyncio.sleep(RETRY_SECONDS)
                    news.set()
                    continue
            for message in told:
                del owed[message]
