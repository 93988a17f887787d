"""UDP: datagrams that may be lost, doubled, overtaken, too long; nobody is told, but for a port that is closed.

Each datagram draws its own latency, so on a link whose latency varies they overtake each other by themselves.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio import transports
from contextvars import Context
from typing import TYPE_CHECKING, Any

from kelpie_sim.errors import HostDead
from kelpie_sim.incarnation import Incarnation
from kelpie_sim.world.network.faults import (
    DATAGRAM_FAULTS,
    DATAGRAM_SEND,
    EMPTY_DATAGRAM_FAULTS,
    NetworkMessageDuplicate,
    NetworkMessageReorder,
    NetworkPacketCorruption,
    NetworkPacketLoss,
)
from kelpie_sim.world.network.harm import delay_ns, harm_link, settle
from kelpie_sim.world.network.laws import MS
from kelpie_sim.world.network.links import Link, Obstacle
from kelpie_sim.world.network.names import ANY_ADDRESSES
from kelpie_sim.world.network.sockets import Address, SimSocket, described, sockaddr

if TYPE_CHECKING:
    from kelpie_sim.world.network.medium import Medium

# What fits into one UDP datagram over IPv4.
DATAGRAM_BYTES_MAX = 65_507


class DatagramEndpoint(transports._FlowControlMixin, asyncio.DatagramTransport):
    """A bound UDP port of a host; with a `remote` it sends there and hears from nobody else."""

    __slots__ = (
        "_closing", "_conn_lost", "_protocol", "_remote", "context", "host", "life", "medium", "serial", "sock",
    )  # fmt: skip

    def __init__(
        self,
        medium: Medium,
        host: str,
        life: Incarnation | None,
        context: Context,
        own: Address,
        remote: Address | None,
    ) -> None:
        """Bind. Raise OSError(EADDRINUSE) when somebody has the port."""
        own = sockaddr(own[0], own[1] or medium.free_port(host))
        self.sock = SimSocket(own, remote, socket.SOCK_DGRAM)
        super().__init__(described(self.sock), medium.loop)
        self.serial = medium.next_serial()
        self.medium = medium
        self.host = host
        self.life = life
        self.context = context
        self._remote = remote
        self._protocol: Any = None
        self._closing = False
        self._conn_lost = 0
        if not medium.datagram_ports.bind(self):
            raise OSError(errno.EADDRINUSE, "Address already in use")

    @property
    def own(self) -> Address:
        """Its address and port."""
        return self.sock.own

    @property
    def alive(self) -> bool:
        """Whether the host still lives the life in which this was made."""
        return self.life is None or self.life.alive

    def begin(self, protocol: asyncio.BaseProtocol, made: asyncio.Future[None]) -> None:
        """Tell the protocol that it may send. It runs as a step of the host.

        Whoever gave up before that step is told nothing, now or at the end.
        """
        if self._closing:
            return
        self._protocol = protocol
        try:
            protocol.connection_made(self)
        finally:
            if not made.done():
                made.set_result(None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the callbacks."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set who gets the callbacks from here on."""
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        """Return 0: a datagram leaves at once."""
        return 0

    # --- sending

    def sendto(self, data: bytes | bytearray | memoryview, addr: Address | None = None) -> None:  # type: ignore[override]
        """Send a datagram. Raise TypeError or ValueError for what cannot be sent, HostDead for the dead."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._remote is not None and addr not in (None, self._remote):
            raise ValueError(f"Invalid address: must be None or {self._remote}")
        if not self.alive:
            raise HostDead(f"host {self.host!r} lost power")
        target = addr or self._remote
        if target is None:
            raise ValueError("a datagram needs an address")
        if self._conn_lost:
            self._conn_lost += 1
        elif len(data) > DATAGRAM_BYTES_MAX:
            self._protocol.error_received(OSError(errno.EMSGSIZE, "Message too long"))
        else:
            self._send(bytes(data), target)

    def _send(self, data: bytes, target: Address) -> None:
        medium, own = self.medium, self.own[0]
        try:
            address = medium.names.resolve(target[0], self.sock.family)[0]
        except OSError as error:
            self._protocol.error_received(error)
            return
        there = medium.names.host_at(address, self.host)
        if there is None:
            self._protocol.error_received(OSError(errno.EHOSTUNREACH, "No route to host"))
            return
        link = medium.link(self.host, there)
        law = link.law
        if there == self.host:
            own = address
        elif own in ANY_ADDRESSES:
            own = medium.names.address_of(self.host, self.sock.family)
        source = sockaddr(own, self.own[1])
        lost = len(data) > law.datagram_bytes_max or (law.loss > 0 and link.stream.chance(law.loss))
        copies = 2 if law.duplication and link.stream.chance(law.duplication) else 1
        late_ns = 0
        if DATAGRAM_SEND in medium.risky:
            data, lost, copies, late_ns = harm_datagram(medium, link, data, lost, copies)
        for _ in range(copies):
            packet = medium.sent(link, "udp", data)
            if lost:
                medium.dropped(packet, "lost")
            else:
                when_ns = link.arrival_ns(medium.loop.time_ns, len(data)) + late_ns
                flight = _Flight(self, link, packet, data, source, sockaddr(address, target[1]))
                medium.at(when_ns, medium.nobody, flight.arrive)

    # --- receiving

    def receive(self, data: bytes, source: Address) -> None:
        """A datagram is there. It runs as a step of the host."""
        if self._conn_lost or (self._remote is not None and source != self._remote):
            return
        try:
            self._protocol.datagram_received(data, source)
        except (SystemExit, KeyboardInterrupt, HostDead):
            raise
        except BaseException as error:
            self._fatal_error(error, "Fatal error: protocol.datagram_received() call failed.")

    def receive_refusal(self) -> None:
        """The port at the other end is closed; only an endpoint with a remote hears of it. A step of the host."""
        if self._remote is not None and not self._conn_lost:
            self._protocol.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))

    # --- the end

    def is_closing(self) -> bool:
        """Say whether it is closed."""
        return self._closing

    def close(self) -> None:
        """Give the port back."""
        self._end(None)

    def abort(self) -> None:
        """Give the port back."""
        self._end(None)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        self.medium.loop.call_exception_handler(context)
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if not self._closing:
            self._closing = True
            self._conn_lost += 1
            self.release()
            self.medium.at(0, self.context, self._connection_lost, error)

    def _connection_lost(self, error: BaseException | None) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def release(self) -> None:
        """The port is nobody's any more: it is closed, or its host lost power."""
        self.sock.close()
        self.medium.datagram_ports.release(self)


class _Flight:
    """A datagram on its way."""

    __slots__ = ("_data", "_link", "_packet", "_sender", "_source", "_target")

    def __init__(
        self, sender: DatagramEndpoint, link: Link, packet: int, data: bytes, source: Address, target: Address
    ) -> None:
        self._sender = sender
        self._link = link
        self._packet = packet
        self._data = data
        self._source = source
        self._target = target

    def arrive(self) -> None:
        """The datagram is at the other end of its link."""
        medium, link = self._sender.medium, self._link
        obstacle = link.obstacle(medium.loop.time_ns) if link.troubled else None
        if obstacle is Obstacle.CUT:
            medium.dropped(self._packet, "cut")
        elif obstacle is Obstacle.WAIT:
            link.park(self._let_go)
        else:
            self._deliver(medium)

    def _let_go(self) -> None:
        medium = self._sender.medium
        medium.at(0, medium.nobody, self.arrive)

    def _deliver(self, medium: Medium) -> None:
        link = self._link
        receiver = medium.datagram_ports.find(link.to_host, *self._target[:2])
        if receiver is not None:
            medium.delivered(self._packet)
            medium.at(0, receiver.context, receiver.receive, self._data, self._source)
            return
        if not medium.is_up(link.to_host):
            medium.dropped(self._packet, "host is down")
            return
        medium.dropped(self._packet, "port is closed")
        back = medium.link(link.to_host, link.from_host)
        medium.at(back.arrival_ns(medium.loop.time_ns, 0), medium.nobody, self._refused, back)

    def _refused(self, back: Link) -> None:
        sender = self._sender
        medium = sender.medium
        if sender.alive and back.obstacle(medium.loop.time_ns) is None:
            medium.at(0, sender.context, sender.receive_refusal)


def harm_datagram(medium: Medium, link: Link, data: bytes, lost: bool, copies: int) -> tuple[bytes, bool, int, int]:
    """Let a fault strike at a datagram that leaves; return its bytes, whether it is lost, how many there are, and how
    much later they come."""
    applies = DATAGRAM_FAULTS if data else EMPTY_DATAGRAM_FAULTS
    verdict = medium.verdict(DATAGRAM_SEND, link.from_host, link.to_host, applies)
    if verdict is None or harm_link(medium, link, verdict):
        return data, lost, copies, 0
    fault, stream = verdict.fault, link.stream
    late_ns = 0
    if isinstance(fault, NetworkMessageReorder):
        late_ns = stream.below(fault.delay_ms_max) * MS + MS
    elif not isinstance(fault, NetworkPacketLoss):
        late_ns = delay_ns(fault, link)
    settle(verdict, not lost and (late_ns > 0 or isinstance(fault, _CHANGES)))
    if isinstance(fault, NetworkPacketLoss):
        lost = True
    elif isinstance(fault, NetworkMessageDuplicate):
        copies += 1
    elif isinstance(fault, NetworkPacketCorruption):
        bit = stream.below(8 * len(data))
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        data = bytes(damaged)
    return data, lost, copies, late_ns


_CHANGES = (NetworkPacketLoss, NetworkMessageDuplicate, NetworkPacketCorruption)
