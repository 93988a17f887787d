"""A register on several nodes: H. Attiya, A. Bar-Noy, D. Dolev, "Sharing memory robustly in message-passing systems",
1995.

A write asks a majority for the latest time and stores its value under a later one with a majority. A read takes the
latest value of a majority, and stores it with a majority before it answers: else a later read could see an older value.

Wrong ways: "stale" reads from one node; "hasty" answers without storing first.
"""

from tests.sim.check.programs.wire import Document, ask, call, serve

Disk = dict[str, object]


async def node(disk: Disk) -> None:
    """Be a node: keep the value with the latest time."""
    disk.setdefault("kept", {"time": [0, ""], "value": None})

    async def answer(document: Document) -> Document:
        if document["do"] == "store" and document["time"] > _kept(disk)["time"]:
            disk["kept"] = {"time": document["time"], "value": document["value"]}
        return _kept(disk)

    await serve(answer)


def _kept(disk: Disk) -> Document:
    kept = disk["kept"]
    assert isinstance(kept, dict)
    return kept


class Client:
    """Reads and writes the register."""

    def __init__(self, name: str, nodes: tuple[str, ...], way: str) -> None:
        self.name = name
        self.nodes = nodes
        self.way = way
        self._majority = len(nodes) // 2 + 1
        self._asked = 0

    async def read(self) -> object:
        """Return the value. Raise Unreachable."""
        if self.way == "stale":
            self._asked += 1
            return (await call(self.nodes[self._asked % len(self.nodes)], {"do": "load"}))["value"]
        latest = await self._latest()
        if self.way != "hasty":
            await self._store(latest["time"], latest["value"])
        return latest["value"]

    async def write(self, value: object) -> None:
        """Set the value. Raise Unreachable: then nobody knows."""
        count, _ = (await self._latest())["time"]
        await self._store([count + 1, self.name], value)

    async def _latest(self) -> Document:
        return max(await ask(self.nodes, {"do": "load"}, self._majority), key=lambda kept: kept["time"])

    async def _store(self, time: object, value: object) -> None:
        await ask(self.nodes, {"do": "store", "time": time, "value": value}, self._majority)
