"""A world with a network, and small servers and clients, for the tests of the network."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from socket import AF_INET, AF_INET6
from typing import Any

from kelpie_sim.faults import Fault, FaultBoard
from kelpie_sim.world import machine
from kelpie_sim.world.host import Host
from kelpie_sim.world.network import OPERATIONS, PORT, Fixed, Law, Network
from tests.sim import programs

MS = 1_000_000
# A latency that draws nothing, so that a test can tell instants.
STEADY = Law(latency=Fixed(10 * MS))


BOTH = (AF_INET, AF_INET6)


class World(programs.World):
    """A loop with hosts and a network; `lines` is the story. Names stand for IPv4 addresses unless told otherwise."""

    def __init__(
        self, *faults: Fault, seed: int = 1, law: Law = STEADY, tls: Any = "refuse", families=(AF_INET,), **options
    ) -> None:
        super().__init__(seed, **options)
        self.lines: list[str] = []
        self.hosts: dict[str, Host] = {}
        operations = {PORT: OPERATIONS, machine.PORT: machine.OPERATIONS}
        self.board = FaultBoard(
            faults, operations, self.streams, lambda: self.loop.time_ns, self.trace, self.lines.append
        )
        self.network = Network(
            self.loop, self.streams, self.board, self.lines.append, hosts=self.hosts, law=law, tls=tls
        )
        self.network.resolve_to(*families)

    def host(self, name: str) -> Host:
        """Return the host of this name."""
        if name not in self.hosts:
            self.hosts[name] = Host(self.loop, name)
        return self.hosts[name]

    def serve(self, name: str, handle, port: int = 80, **options) -> Host:
        """Start a host that serves streams for ever."""

        async def main() -> None:
            await (await asyncio.start_server(handle, "0.0.0.0", port, **options)).serve_forever()

        self.host(name).start(main)
        return self.host(name)

    def serve_protocol(self, name: str, factory, port: int = 80, **options) -> Host:
        """Start a host that serves protocols for ever."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            await (await loop.create_server(factory, "0.0.0.0", port, **options)).serve_forever()

        self.host(name).start(main)
        return self.host(name)

    async def on(self, name: str, coro):
        """Run a coroutine on a host, which is started for it if it is down, and return its result."""
        host = self.host(name)
        if not host.alive:
            host.start(_idle)
        return await host.spawn(coro)

    def fired(self) -> dict[str, int]:
        """Return how often each kind of fault fired."""
        return {report.kind: report.fired for report in self.board.report()}


async def _idle() -> None:
    await asyncio.Event().wait()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back each line, until the client has said all."""
    # A client that is gone is no error of the server's.
    with suppress(OSError):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    writer.close()


async def ask(port: int, *lines: bytes, host: str = "server") -> list[bytes]:
    """Connect, send lines one by one, and return the answers."""
    reader, writer = await asyncio.open_connection(host, port)
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers


class Recorder(asyncio.Protocol):
    """A protocol that writes down its callbacks."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.transport: Any = None
        self.received = b""
        self.lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.keep_open = False

    def connection_made(self, transport) -> None:
        """The connection is there."""
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self.received += data
        self.calls.append(data)

    def eof_received(self) -> bool:
        """The end of the stream has come."""
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        """The buffer is full."""
        self.calls.append("pause")

    def resume_writing(self) -> None:
        """The buffer has room again."""
        self.calls.append("resume")

    def connection_lost(self, error) -> None:
        """The connection is gone."""
        self.calls.append("lost")
        self.lost.set_result(error)


def collecting(ends: list[Any], kind: Callable[[], Any]) -> Callable[[], Any]:
    """Return a factory of protocols that also adds each to `ends`."""

    def factory() -> Any:
        ends.append(kind())
        return ends[-1]

    return factory
