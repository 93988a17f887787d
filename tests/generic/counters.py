"""A counter that goes up and down on several nodes: Maelstrom's workload "pn-counter".

Each node counts what was added to it and what was taken from it, and keeps the highest that it has heard of each other
node: both only grow, so it does not matter how often, how late or in what order the nodes tell each other. They do so
over UDP, again and again.

Wrong way: "summing" tells what has changed since it last told, and adds what it hears.
"""

import asyncio
import json
from collections.abc import Iterable

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs.wire import Document, serve

PORT = 5_100
TELL_SECONDS = 0.25

Address = tuple[str, int]
Ups = tuple[int, int]


class Counter(asyncio.DatagramProtocol):
    """What one node knows: of each node, how much was added and how much was taken."""

    transport: asyncio.DatagramTransport

    def __init__(self, name: str, way: str) -> None:
        self.name = name
        self.way = way
        self.known: dict[str, Ups] = {name: (0, 0)}
        self._changed: Ups = (0, 0)

    @property
    def value(self) -> int:
        """What it counts."""
        return sum(added - taken for added, taken in self.known.values())

    def add(self, amount: int) -> None:
        """Count an amount, which may be below 0."""
        change = max(amount, 0), max(-amount, 0)
        self.known[self.name] = _sum(self.known[self.name], change)
        self._changed = _sum(self._changed, change)

    def tell(self, others: Iterable[str]) -> None:
        """Tell the others."""
        document = {self.name: self._changed} if self.way == "summing" else self.known
        self._changed = (0, 0)
        for other in others:
            self.transport.sendto(json.dumps(document).encode(), (other, PORT))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to send."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Learn what another node knows."""
        for name, (added, taken) in json.loads(data).items():
            known, told = self.known.get(name, (0, 0)), (added, taken)
            sometimes("what was told was old", told[0] < known[0] or told[1] < known[1])
            merged = max(known[0], added), max(known[1], taken)
            self.known[name] = _sum(known, told) if self.way == "summing" else merged

    def error_received(self, exc: Exception) -> None:
        """The other is not there yet: it is told again."""


async def node(counter: Counter, others: tuple[str, ...]) -> None:
    """Be a node for ever."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: counter, local_addr=("0.0.0.0", PORT))

    async def answer(document: Document) -> Document:
        if document["do"] == "add":
            counter.add(document["amount"])
        return {"value": counter.value}

    serving = asyncio.ensure_future(serve(answer))
    while not serving.done():
        counter.tell(others)
        await asyncio.sleep(TELL_SECONDS)


def _sum(one: Ups, other: Ups) -> Ups:
    return one[0] + other[0], one[1] + other[1]
