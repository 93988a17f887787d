"""Servers: asyncio's own class, so that its behaviour is that of the Python it runs on, over listening sockets here."""

from __future__ import annotations

import asyncio
import errno
import sys
from asyncio import base_events
from collections.abc import Callable
from contextvars import Context

from kelpie_sim.incarnation import Incarnation
from kelpie_sim.world.network.faults import ACCEPT, NetworkConnectionExhaustion
from kelpie_sim.world.network.laws import MS
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.sockets import SimSocket, sockaddr
from kelpie_sim.world.network.streams import StreamTransport
from kelpie_sim.world.network.tls import TlsContext, shake_tls, take_over

_ATTACHES_TRANSPORTS = sys.version_info >= (3, 13)
# How long a server that is out of descriptors waits before it accepts again, as asyncio does.
ACCEPT_RETRY_NS = 1_000 * MS


class ListeningSocket(SimSocket):
    """A bound port of a host. It takes connections once its server listens."""

    __slots__ = ("context", "doors", "host", "life", "medium", "server")

    def __init__(
        self, medium: Medium, host: str, life: Incarnation | None, context: Context, address: str, port: int
    ) -> None:
        """Bind. Raise OSError: EADDRINUSE when somebody has the port, EMFILE when the host has no descriptor left."""
        medium.open_descriptor(None if life is None else life.host, "listen")
        super().__init__(sockaddr(address, port or medium.free_port(host)))
        self.medium = medium
        self.host = host
        self.life = life
        self.context = context
        self.server: SimServer | None = None
        self.doors: list[Doorman] = []
        if not medium.listeners.bind(self):
            text = f"error while attempting to bind on address {self.own!r}: address already in use"
            raise OSError(errno.EADDRINUSE, text)

    def answers(self) -> bool:
        """Say whether a connection is answered: the server listens."""
        return self.server is not None and self.server.is_serving()

    def new_context(self) -> Context:
        """Return a context for a connection: a copy of the one in which the server was made."""
        return self.context.copy()

    def is_full(self) -> bool:
        """Say whether the backlog has room for no other connection."""
        self.doors = [door for door in self.doors if door.waits()]
        return self.server is not None and len(self.doors) > self.server.backlog

    def close(self) -> None:
        """Give the port back."""
        if not self.closed:
            super().close()
            self.medium.listeners.release(self)


class SimServer(base_events.Server):
    """What `create_server` returns."""

    def __init__(
        self,
        medium: Medium,
        sockets: list[ListeningSocket],
        factory: Callable[[], asyncio.BaseProtocol],
        backlog: int,
        tls_context: TlsContext | None = None,
        tls_timeout: float | None = None,
    ) -> None:
        super().__init__(medium.loop, sockets, factory, tls_context, backlog, None, None)  # type: ignore[arg-type]
        self.medium = medium
        self.backlog = backlog
        self.tls_context = tls_context
        self.tls_timeout = tls_timeout
        self._factory = factory
        self._bound = sockets

    def _start_serving(self) -> None:
        self._serving = True
        for sock in self._bound:
            sock.server = self

    async def wait_closed(self) -> None:
        """Wait as the running Python does: from 3.12 on for all connections too.

        Not when the program is over: there `serve_forever` is cancelled, and real programs do hang in it.
        """
        if not self.medium.ended:
            await super().wait_closed()

    def attach(self, transport: StreamTransport) -> None:
        """Count a connection, which counts itself off when it is lost."""
        transport.server = self
        self._attach(*(transport,) * _ATTACHES_TRANSPORTS)  # type: ignore[attr-defined]

    def detach(self, transport: StreamTransport) -> None:
        """Count it off again."""
        self._detach(*(transport,) * _ATTACHES_TRANSPORTS)  # type: ignore[attr-defined]

    def make_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection."""
        return self._factory()


async def _accept_tls(transport: StreamTransport, server: SimServer, context: TlsContext) -> None:
    """Let a connection in once it has greeted. A connection that does not is closed, and the program never sees it."""
    server.attach(transport)
    transport.pause_reading()
    try:
        rest = await shake_tls(transport, context, None, server.tls_timeout)
    except OSError:
        return
    take_over(transport, server.make_protocol(), rest, None, tell=True)


class Doorman:
    """Stands where a new connection reaches its server: the first packet, which is empty, asks to be let in.

    Until then the server's end belongs to the system, not to the program.
    """

    __slots__ = ("_listener", "_transport")

    def __init__(self, listener: ListeningSocket, transport: StreamTransport) -> None:
        self._listener = listener
        self._transport = transport
        listener.doors.append(self)

    @property
    def alive(self) -> bool:
        """Whether the host lives."""
        return self._transport.alive

    @property
    def context(self) -> Context:
        """Whose step an arrival is."""
        return self._transport.context

    def waits(self) -> bool:
        """Say whether the client still wants in."""
        inward = self._transport.inward
        return inward.receiver is self and inward.sender.alive and not self._transport.socket_closed

    def connection_broke(self, error: OSError) -> None:
        """The client has given up before it was let in."""
        self._transport.inward.receiver = self._transport
        self._transport.connection_broke(error)
        self._transport.close_socket()

    def receive(self, data: bytes) -> None:
        """Let the connection in, or turn it away."""
        listener, transport = self._listener, self._transport
        medium = transport.medium
        if self._is_exhausted():
            transport.inward.stop()
            medium.at(medium.loop.time_ns + ACCEPT_RETRY_NS, transport.context, self.receive, data)
            return
        transport.inward.receiver = transport
        server = listener.server
        if listener.closed or server is None or self._is_turned_away():
            transport.turn_away()
            return
        transport.inward.stop()
        if server.tls_context is None:
            server.attach(transport)
            transport.set_protocol(server.make_protocol())
            transport.begin()
        else:
            coro = _accept_tls(transport, server, server.tls_context)
            medium.loop.create_task(coro, context=transport.context)

    def _is_exhausted(self) -> bool:
        medium, life = self._transport.medium, self._transport.life
        try:
            medium.open_descriptor(None if life is None else life.host, "accept")
        except OSError:
            return True
        return False

    def _is_turned_away(self) -> bool:
        medium, link = self._transport.medium, self._transport.inward.link
        if ACCEPT not in medium.risky:
            return False
        verdict = medium.verdict(ACCEPT, link.to_host, link.from_host, (NetworkConnectionExhaustion,))
        if verdict is not None:
            verdict.fire()
        return verdict is not None
