"""Sums over UDP: senders add amounts, each exactly once, whatever becomes of the datagrams.

A datagram carries a checksum, its sender and its number. The keeper adds what comes in order, and answers with the last
number that it has added; a sender repeats what is not answered, a few at a time.

Wrong ways: "trusting" takes damaged datagrams; "forgetful" adds what comes again; "hopeful" never repeats.
"""

import asyncio
import json
from zlib import crc32

from kelpie_sim.check.sometimes import sometimes

PORT = 5_000
WINDOW = 4
REPEAT_SECONDS = 0.3
CHECKSUM_BYTES = 4

Address = tuple[str, int]


def packed(document: dict[str, object]) -> bytes:
    """Return a datagram."""
    body = json.dumps(document).encode()
    return crc32(body).to_bytes(CHECKSUM_BYTES, "big") + body


def unpacked(datagram: bytes, way: str) -> dict[str, object] | None:
    """Return what a datagram says, None if it is damaged."""
    checksum, body = datagram[:CHECKSUM_BYTES], datagram[CHECKSUM_BYTES:]
    if way != "trusting" and crc32(body).to_bytes(CHECKSUM_BYTES, "big") != checksum:
        sometimes("a damaged datagram was dropped")
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


class Keeper(asyncio.DatagramProtocol):
    """Keeps the sums."""

    transport: asyncio.DatagramTransport

    def __init__(self, way: str) -> None:
        self.way = way
        self.sums: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Add what is next of its sender, and say how far it is."""
        found = unpacked(data, self.way)
        match found:
            case {"from": str(sender), "number": int(number), "amount": int(amount)}:
                last = self._last.get(sender, 0)
                sometimes("a datagram came again", number <= last)
                sometimes("a datagram came early", number > last + 1)
                if number == last + 1 or (self.way == "forgetful" and number <= last):
                    self._last[sender] = max(number, last)
                    self.sums[sender] = self.sums.get(sender, 0) + amount
                self.transport.sendto(packed({"added": self._last.get(sender, 0)}), addr)

    def error_received(self, exc: Exception) -> None:
        """Whoever asked is gone."""


class Sender(asyncio.DatagramProtocol):
    """Adds amounts, in order."""

    transport: asyncio.DatagramTransport

    def __init__(self, name: str, amounts: list[int], way: str) -> None:
        self.name = name
        self.amounts = amounts
        self.way = way
        self.added = 0
        self.progress = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to send."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Learn how far the keeper is."""
        match unpacked(data, self.way):
            case {"added": int(added)} if self.added < added <= len(self.amounts):
                self.added = added
                self.progress.set()

    def error_received(self, exc: Exception) -> None:
        """The keeper is not there yet: say it again later."""

    def send(self) -> None:
        """Send what is not answered, up to a window."""
        for number in range(self.added + 1, min(self.added + WINDOW, len(self.amounts)) + 1):
            amount = self.amounts[number - 1]
            self.transport.sendto(packed({"from": self.name, "number": number, "amount": amount}))


async def keep(keeper: Keeper) -> None:
    """Be the keeper for ever."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: keeper, local_addr=("0.0.0.0", PORT))
    await asyncio.Event().wait()


async def add(name: str, amounts: list[int], way: str) -> None:
    """Add amounts to the sum of this sender."""
    sender = Sender(name, amounts, way)
    await _connected(sender)
    while sender.added < len(amounts):
        sender.send()
        sender.progress.clear()
        try:
            async with asyncio.timeout(None if way == "hopeful" else REPEAT_SECONDS):
                await sender.progress.wait()
        except TimeoutError:
            sometimes("datagrams were sent again")


async def _connected(sender: Sender) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.create_datagram_endpoint(lambda: sender, remote_addr=("keeper", PORT))
        except OSError:
            await asyncio.sleep(REPEAT_SECONDS)
        else:
            return
