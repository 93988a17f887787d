"""The simulated network: what the loop asks of it, and what a harness does to it.

Attached to a loop (`loop.network`), it answers `create_connection`, `create_server`, `create_datagram_endpoint`,
`start_tls`, `getaddrinfo` and `getnameinfo`; so asyncio's streams, and servers and clients built on them, run
unmodified. What it cannot simulate is refused by the name of the call.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal, NoReturn

from kelpie_sim.faults import FaultBoard
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams
from kelpie_sim.world.host import Host
from kelpie_sim.world.network.control import Control
from kelpie_sim.world.network.datagrams import DatagramEndpoint
from kelpie_sim.world.network.dialling import Dialling, interleaved
from kelpie_sim.world.network.faults import RESOLVE, DnsFail, DnsSlow
from kelpie_sim.world.network.laws import MS, PLAIN, Law
from kelpie_sim.world.network.listening import ListeningSocket, SimServer
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.names import ANY_ADDRESSES, LOOPBACK_ADDRESSES, family_of
from kelpie_sim.world.network.sockets import Address, sockaddr
from kelpie_sim.world.network.streams import StreamTransport
from kelpie_sim.world.network.tls import ClearObject, TlsContext, shake_tls, take_over
from kelpie_sim.world.network.travel import reach, travel

_SERVICES = {"http": 80, "https": 443, "domain": 53}
BACKLOG = 100
_FAMILIES = (0, socket.AF_INET, socket.AF_INET6)
AddressInfo = tuple[int, int, int, str, Address]
Factory = Callable[[], asyncio.BaseProtocol]


class Network(Control):
    """The network of a world; what a harness does to it is in control.py. `tls` says what becomes of encryption:
    "refuse" it, or "pass" it in the clear."""

    def __init__(
        self,
        loop: SimLoop,
        streams: Streams,
        board: FaultBoard | None = None,
        tell: Callable[[str], None] = lambda line: None,
        *,
        hosts: Mapping[str, Host] | None = None,
        law: Law = PLAIN,
        tls: Literal["refuse", "pass"] = "refuse",
    ) -> None:
        """Attach a network to the loop; `hosts` are those of the world, by name, and `law` is that of every link."""
        super().__init__(Medium(loop, streams, board, tell, {} if hosts is None else hosts, law))
        self._loop = loop
        self.tls = tls
        loop.network = self

    def program_ended(self) -> None:
        """Main is done, and what it left is about to be cancelled: no server waits for its clients any more."""
        self._medium.ended = True

    def _refuse(self, call: str, instead: str = "") -> NoReturn:
        self._loop.refuse(call, instead)

    # --- names

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve a name; the answer has the form of socket.getaddrinfo, best address first. Raise gaierror."""
        name = host.decode() if isinstance(host, bytes) else host
        if family not in _FAMILIES:
            raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
        if name is None:
            own = ANY_ADDRESSES if flags & socket.AI_PASSIVE else LOOPBACK_ADDRESSES
            addresses = tuple(address for address in own if family in (0, family_of(address)))
        else:
            addresses = await self._resolve(name, family)
        kinds = ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP))
        canonical = (name or "") if flags & socket.AI_CANONNAME else ""
        return [
            (family_of(address), kind, number, canonical, sockaddr(address, _port_number(port)))
            for address in addresses
            for kind, number in kinds
            if type in (0, kind) and proto in (0, number)
        ]

    async def _resolve(self, name: str, family: int = 0) -> tuple[str, ...]:
        medium = self._medium
        here, _, _ = medium.here()
        verdict = medium.verdict(RESOLVE, here, name, (DnsFail, DnsSlow)) if RESOLVE in medium.risky else None
        if verdict is not None:
            verdict.fire()
            if isinstance(verdict.fault, DnsFail):
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            if isinstance(verdict.fault, DnsSlow):
                await medium.until(self._loop.time_ns + verdict.fault.delay_ms * MS)
        return medium.names.resolve(name, family)

    async def getnameinfo(self, sockaddr: Address, flags: int = 0) -> tuple[str, str]:
        """Name an address; the answer has the form of socket.getnameinfo. Raise gaierror."""
        address, port = sockaddr[:2]
        name = None if flags & socket.NI_NUMERICHOST else self._medium.names.name_at(address)
        if name is None and flags & socket.NI_NAMEREQD:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return name or address, str(port)

    # --- TCP

    async def create_connection(
        self,
        protocol_factory: Factory,
        host: str | None = None,
        port: int | str | None = None,
        *,
        ssl: TlsContext | None = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: object = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
        **options: object,
    ) -> tuple[StreamTransport, asyncio.BaseProtocol]:
        """Connect, as the loop's method does."""
        if sock is not None:
            self._refuse("loop.create_connection with sock=", "give host and port")
        if ssl:
            self._check_tls("loop.create_connection with ssl=")
        elif server_hostname is not None:
            raise ValueError("server_hostname is only meaningful with ssl")
        if host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        look_up = partial(self._look_up, family=family, proto=proto, flags=flags)
        targets = await look_up(host, port)
        local = None if local_addr is None else await look_up(*local_addr)
        if interleave is None and happy_eyeballs_delay is not None:
            interleave = 1
        dialling = Dialling(self._medium, interleaved(targets, interleave) if interleave else targets, local)
        if happy_eyeballs_delay is None:
            transport = await dialling.one_by_one(all_errors=all_errors)
        else:
            transport = await dialling.race(happy_eyeballs_delay, all_errors=all_errors)
        if ssl:
            wanted = host or "" if server_hostname is None else server_hostname
            transport.pause_reading()
            rest = await shake_tls(transport, ssl, wanted, ssl_handshake_timeout)
            begin: Callable[..., object] = partial(take_over, transport, protocol_factory(), rest, tell=True)
        else:
            transport.set_protocol(protocol_factory())
            begin = transport.begin
        await self._begin(transport, begin)
        return transport, transport.get_protocol()

    async def _begin(self, transport: StreamTransport | DatagramEndpoint, begin: Callable[..., object]) -> None:
        """Have a step of the host tell the protocol of its connection, and wait for that."""
        made = self._loop.create_future()
        self._medium.at(0, transport.context, begin, made)
        try:
            await made
        except BaseException:
            transport.close()
            raise

    def _check_tls(self, call: str) -> None:
        if self.tls != "pass":
            self._refuse(call, 'set the network\'s `tls` to "pass" to let bytes through in the clear')

    def wrap_bio(
        self,
        context: ssl.SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: object = None,
    ) -> ClearObject:
        """Return what stands in for an ssl.SSLObject of the asking host, as ssl.SSLContext.wrap_bio does."""
        self._check_tls("ssl.SSLContext.wrap_bio")
        name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
        own_names = self._medium.names.names_of(self._medium.here()[0]) if server_side else None
        return ClearObject(context, incoming, outgoing, name, own_names)

    async def start_tls(
        self,
        transport: StreamTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: TlsContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> StreamTransport:
        """Upgrade a connection, as the loop's method does; the transport stays the same."""
        self._check_tls("loop.start_tls")
        transport.pause_reading()
        wanted = None if server_side else server_hostname or ""
        rest = await shake_tls(transport, sslcontext, wanted, ssl_handshake_timeout)
        take_over(transport, protocol, rest, None, tell=False)
        return transport

    async def create_server(
        self,
        protocol_factory: Factory,
        host: str | Iterable[str] | None = None,
        port: int | None = None,
        *,
        family: int = 0,
        flags: int = socket.AI_PASSIVE,
        sock: object = None,
        backlog: int = BACKLOG,
        ssl: TlsContext | None = None,
        ssl_handshake_timeout: float | None = None,
        start_serving: bool = True,
        **options: object,
    ) -> SimServer:
        """Listen, as the loop's method does."""
        if sock is not None:
            self._refuse("loop.create_server with sock=", "give host and port")
        if ssl:
            self._check_tls("loop.create_server with ssl=")
        if host is None and port is None:
            raise ValueError("Neither host/port nor sock were specified")
        names = [host or None] if host is None or isinstance(host, str) else list(host)
        here, life, context = self._medium.here()
        sockets = list[ListeningSocket]()
        try:
            for name in names:
                for address in await self._own_addresses(name, here, family, flags):
                    sockets.append(ListeningSocket(self._medium, here, life, context, address, port or 0))
        except OSError:
            for bound in sockets:
                bound.close()
            raise
        server = SimServer(self._medium, sockets, protocol_factory, backlog, ssl or None, ssl_handshake_timeout)
        if start_serving:
            await server.start_serving()
        return server

    async def _look_up(
        self, host: str | None, port: int | str | None, *, family: int, proto: int = 0, flags: int = 0
    ) -> list[Address]:
        found = await self.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, proto=proto, flags=flags)
        return [info[4] for info in found]

    async def _own_addresses(self, name: str | None, here: str, family: int, flags: int = 0) -> list[str]:
        addresses = [found[0] for found in await self._look_up(name, 0, family=family, flags=flags)]
        for address in addresses:
            if self._medium.names.host_at(address, here) != here:
                text = f"error while attempting to bind on address {address!r}: cannot assign requested address"
                raise OSError(errno.EADDRNOTAVAIL, text)
        return addresses

    # --- UDP

    async def create_datagram_endpoint(
        self,
        protocol_factory: Factory,
        local_addr: tuple[str, int] | str | None = None,
        remote_addr: tuple[str, int] | None = None,
        *,
        family: int = 0,
        sock: object = None,
        **options: object,
    ) -> tuple[DatagramEndpoint, asyncio.BaseProtocol]:
        """Bind a UDP port, as the loop's method does."""
        if sock is not None:
            self._refuse("loop.create_datagram_endpoint with sock=", "give local_addr")
        if isinstance(local_addr, str) or family not in _FAMILIES:
            self._refuse("loop.create_datagram_endpoint of another family than AF_INET and AF_INET6")
        here, life, context = self._medium.here()
        self._medium.open_descriptor(None if life is None else life.host, "bind")
        own, remote = await self._pair(local_addr, remote_addr, family, here)
        protocol = protocol_factory()
        transport = DatagramEndpoint(self._medium, here, life, context, own, remote)
        await self._begin(transport, partial(transport.begin, protocol))
        return transport, protocol

    async def _pair(
        self, local: tuple[str, int] | None, remote: tuple[str, int] | None, family: int, here: str
    ) -> tuple[Address, Address | None]:
        """Return the first two addresses of one family, one's own and the other's."""
        ours: Iterable[str] = [address for address in ANY_ADDRESSES if family in (0, family_of(address))]
        if local is not None:
            ours = await self._own_addresses(local[0] or None, here, family, socket.AI_PASSIVE)
        port = 0 if local is None else local[1]
        theirs = () if remote is None else await self._look_up(*remote, family=family)
        for their in theirs:
            for own in ours:
                if family_of(own) is family_of(their[0]):
                    return sockaddr(own, port), their
        if theirs:
            raise ValueError("can not get address information")
        return sockaddr(next(iter(ours)), port), None

    # --- messages without bytes

    async def travel(
        self, from_host: str, to_host: str, what: str, size_bytes: int, *, incarnation: int | None = None
    ) -> None:
        """Wait until a message has arrived; see travel.py. Raise ConnectionResetError, TimeoutError."""
        await travel(self._medium, from_host, to_host, what, size_bytes, incarnation)

    async def reach(self, from_host: str, to_host: str) -> int:
        """Open a connection without bytes; return the incarnation that answered. Raise ConnectionRefusedError,
        TimeoutError, gaierror."""
        target = self._medium.names.host_at((await self._resolve(to_host))[0], from_host)
        if target is None:
            raise OSError(errno.EHOSTUNREACH, f"Connect call failed {to_host!r}")
        return await reach(self._medium, from_host, target)


def _port_number(port: str | bytes | int | None) -> int:
    if port is None:
        return 0
    if isinstance(port, int):
        return port
    text = port.decode() if isinstance(port, bytes) else port
    if text in _SERVICES:
        return _SERVICES[text]
    if not text.isdigit():
        raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
    return int(text)
