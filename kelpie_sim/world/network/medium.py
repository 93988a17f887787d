"""What every part of the network shares: the loop, the trace, the faults, the links, who is where and who is up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from kelpie_sim.faults import Applies, FaultBoard, Verdict
from kelpie_sim.incarnation import INCARNATION, Incarnation
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams
from kelpie_sim.tasks import BlankHandle
from kelpie_sim.trace import Trace
from kelpie_sim.world import machine
from kelpie_sim.world.host import Host
from kelpie_sim.world.network.faults import PORT, SEND
from kelpie_sim.world.network.laws import LOOPBACK, Law
from kelpie_sim.world.network.links import Link, Obstacle
from kelpie_sim.world.network.names import HARNESS, Names
from kelpie_sim.world.network.ports import Ports

if TYPE_CHECKING:
    from kelpie_sim.world.network.datagrams import DatagramEndpoint
    from kelpie_sim.world.network.listening import ListeningSocket
    from kelpie_sim.world.network.streams import StreamTransport

# Shorter payloads are on the trace as they are, longer ones as their hash, and how they begin.
PAYLOAD_SHOWN_BYTES_MAX = 64
PAYLOAD_HEAD_BYTES = 48
EPHEMERAL_PORT_MIN = 49_152
PORT_MAX = 65_535


class Medium:
    """The ground under the network's parts."""

    def __init__(
        self,
        loop: SimLoop,
        streams: Streams,
        board: FaultBoard | None,
        tell: Callable[[str], None],
        hosts: Mapping[str, Host],
        law: Law,
    ) -> None:
        self.loop = loop
        self.streams = streams
        self.trace: Trace = loop.trace
        self._record = loop.trace.record
        self.board = board
        self.tell = tell
        self.hosts = hosts
        self.names = Names(hosts)
        self.law = law
        self.nobody = Context()
        self.nobody.run(INCARNATION.set, None)
        self.links: dict[tuple[str, str], Link] = {}
        self.packets = 0
        self.ended = False
        self.listeners: Ports[ListeningSocket] = Ports()
        self.datagram_ports: Ports[DatagramEndpoint] = Ports()
        self.endpoints: dict[str, dict[int, StreamTransport]] = {}
        self._endpoints_made = 0
        self._ports: dict[str, int] = {}
        self._watched: dict[str, Host] = {}
        # Which operations could go wrong at all: the others cost one look.
        self.risky = frozenset[str]() if board is None else board.risky(PORT)
        self._descriptors_fail = machine.descriptors_fail(board)

    def link(self, from_host: str, to_host: str) -> Link:
        """Return the link between two hosts, in this direction."""
        link = self.links.get((from_host, to_host))
        if link is None:
            law = LOOPBACK if from_host == to_host else self.law
            stream = self.streams.stream(f"network/{from_host}/{to_host}")
            link = self.links[from_host, to_host] = Link(from_host, to_host, law, stream, SEND in self.risky)
        return link

    def clog(self, link: Link, until_ns: int) -> None:
        """Let nothing arrive over a link before an instant."""
        link.clog(until_ns)
        self.at(until_ns, self.nobody, link.let_go)

    def distant_links(self) -> list[Link]:
        """Return all links but those of hosts to themselves."""
        return [link for link in self.links.values() if link.from_host != link.to_host]

    def at(self, when_ns: int, context: Context, callback: Callable[..., object], *args: object) -> None:
        """Call back at an instant, in a context that says whose step that is."""
        loop = self.loop
        handle = BlankHandle()
        handle._callback = callback
        handle._args = args
        handle._context = context
        if when_ns > loop.time_ns:
            loop._timers.add(when_ns, handle)
        else:
            loop._add(handle)

    def sent(self, link: Link, what: str, payload: bytes, size_bytes: int = 0) -> int:
        """Put a packet that leaves on the trace, and return its number; `size_bytes` is for those without payload."""
        self.packets = packet = self.packets + 1
        size = len(payload)
        if size <= PAYLOAD_SHOWN_BYTES_MAX:
            self._record("net send", packet, link.from_host, link.to_host, what, size or size_bytes, payload)
        else:
            digest, head = blake2b(payload, digest_size=16).digest(), payload[:PAYLOAD_HEAD_BYTES]
            self._record("net send", packet, link.from_host, link.to_host, what, size, digest, head)
        return packet

    def delivered(self, packet: int) -> None:
        """Put a packet that arrives on the trace."""
        self.trace.record("net deliver", packet)

    def dropped(self, packet: int, why: str) -> None:
        """Put a packet that is lost on the trace."""
        self.trace.record("net drop", packet, why)

    def verdict(self, operation: str, host: str, subject: str, applies: Applies) -> Verdict | None:
        """Ask whether a fault strikes. Ask only at operations that are `risky`."""
        return (
            None
            if self.board is None
            else self.board.verdict(PORT, operation, host=host, subject=subject, applies=applies)
        )

    def open_descriptor(self, host: Host | None, what: str) -> None:
        """Raise OSError(EMFILE) if a fault leaves the host no descriptor for a connection."""
        if self._descriptors_fail and self.board is not None:
            machine.open_descriptor(self.board, host, what)

    # --- time that passes on the way

    async def until(self, when_ns: int) -> None:
        """Wait for an instant."""
        future = self.loop.create_future()
        self.at(when_ns, self.nobody, _wake, future)
        await future

    async def passes(self, link: Link) -> bool:
        """Wait out what holds a packet up; say whether it gets through."""
        while link.troubled and (obstacle := link.obstacle(self.loop.time_ns)) is not None:
            if obstacle is Obstacle.CUT:
                return False
            released = self.loop.create_future()
            link.park(partial(_wake, released))
            await released
        return True

    # --- hosts

    def here(self) -> tuple[str, Incarnation | None, Context]:
        """Return who is asking: the name of its host, its incarnation, and a context for its callbacks."""
        context = copy_context()
        life = INCARNATION.get()
        name = HARNESS if life is None else life.host.name
        if life is not None:
            self.watch(life.host)
        self.names.add(name)
        return name, life, context

    def watch(self, host: Host) -> None:
        """Learn when a host loses power."""
        if self._watched.get(host.name) is not host:
            self._watched[host.name] = host
            host.on_crash.append(self._power_off)

    def _power_off(self, host: Host) -> None:
        exited = host.exit_code is not None
        for listener in self.listeners.of_host(host.name):
            listener.close()
        for bound in self.datagram_ports.of_host(host.name):
            bound.release()
        for endpoint in list(self.endpoints.get(host.name, {}).values()):
            if exited:
                endpoint.close_socket()
            else:
                endpoint.lose_power()
        self.endpoints.pop(host.name, None)

    def next_serial(self) -> int:
        """Return a number for an end of a connection."""
        self._endpoints_made += 1
        return self._endpoints_made

    def remember(self, endpoint: StreamTransport) -> None:
        """Keep an open end of a connection: its host may lose power."""
        self.endpoints.setdefault(endpoint.host, {})[endpoint.serial] = endpoint

    def forget(self, endpoint: StreamTransport) -> None:
        """Drop an end that is closed."""
        self.endpoints.get(endpoint.host, {}).pop(endpoint.serial, None)

    def is_up(self, name: str) -> bool:
        """Say whether the machine answers: also when its process has ended. The harness always is."""
        host = self.hosts.get(name) or self._watched.get(name)
        return name == HARNESS if host is None else host.alive or host.exit_code is not None

    def is_alive(self, name: str) -> bool:
        """Say whether a host runs."""
        host = self.hosts.get(name) or self._watched.get(name)
        return name == HARNESS if host is None else host.alive

    def incarnation_of(self, name: str) -> int:
        """Return which life a host lives or lived last; 0 for the harness."""
        host = self.hosts.get(name) or self._watched.get(name)
        return 0 if host is None else host.incarnation

    def free_port(self, host: str) -> int:
        """Return a port of a host on which nobody listens."""
        port = self._ports.get(host, EPHEMERAL_PORT_MIN - 1)
        while True:
            port = EPHEMERAL_PORT_MIN if port >= PORT_MAX else port + 1
            if not self.listeners.is_taken(host, port):
                self._ports[host] = port
                return port


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
