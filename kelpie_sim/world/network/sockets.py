"""What a program gets when it asks a transport for its socket.

Libraries look at three things: addresses, options, and whether a file descriptor is readable (httpcore polls it before
it uses a connection again). So there are two real descriptors per process, one that is always readable and one that
never is, and a simulated socket shows the one that fits.
"""

from __future__ import annotations

import os
import socket
from asyncio import trsock
from collections.abc import Callable
from functools import cache
from typing import cast

from kelpie_sim.world.network.names import family_of

Address = tuple[str, int] | tuple[str, int, int, int]
OptionValue = int | bytes


@cache
def _descriptors() -> tuple[int, int]:
    """Return a descriptor that is never readable, and one that always is."""
    idle, _ = os.pipe()
    readable, writer = os.pipe()
    os.write(writer, b"\0")
    return idle, readable


class SimSocket:
    """A socket as far as programs look at it. `readable` tells whether there is something to read."""

    __slots__ = ("_options", "_readable", "closed", "family", "own", "peer", "proto", "type")

    def __init__(
        self,
        own: Address,
        peer: Address | None = None,
        kind: socket.SocketKind = socket.SOCK_STREAM,
        readable: Callable[[], bool] = lambda: False,
    ) -> None:
        self.family = family_of(own[0])
        self.type = kind
        self.proto = socket.IPPROTO_TCP if kind is socket.SOCK_STREAM else socket.IPPROTO_UDP
        self.own = own
        self.peer = peer
        self.closed = False
        self._readable = readable
        self._options: dict[tuple[int, int], OptionValue] = {}

    def fileno(self) -> int:
        """Return a real descriptor that is readable or not, -1 once closed."""
        return -1 if self.closed else _descriptors()[self._readable()]

    def getsockname(self) -> Address:
        """Return the own address."""
        return self.own

    def getpeername(self) -> Address:
        """Return the address at the other end. Raise OSError if there is none."""
        if self.peer is None:
            raise OSError(107, "Transport endpoint is not connected")
        return self.peer

    def setsockopt(self, level: int, name: int, value: OptionValue) -> None:
        """Remember an option; only SO_LINGER has an effect."""
        self._options[level, name] = value

    def getsockopt(self, level: int, name: int, *_: int) -> OptionValue:
        """Return an option, 0 if it was never set."""
        return self._options.get((level, name), 0)

    def lingers_not(self) -> bool:
        """Say whether a close shall reset the connection: SO_LINGER with a time of 0."""
        value = self._options.get((socket.SOL_SOCKET, socket.SO_LINGER))
        return isinstance(value, bytes) and value[:1] == b"\1" and not any(value[4:])

    def settimeout(self, value: float | None) -> None:
        """Do nothing: nobody reads here."""

    def gettimeout(self) -> float | None:
        """Return what a socket of a loop has."""
        return 0.0

    def setblocking(self, flag: bool) -> None:
        """Do nothing: nobody reads here."""

    def close(self) -> None:
        """Show no descriptor any more."""
        self.closed = True


def sockaddr(address: str, port: int) -> Address:
    """Return what the socket module calls an address of a family: IPv6 has flow and scope as well."""
    return (address, port, 0, 0) if family_of(address) is socket.AF_INET6 else (address, port)


def described(sock: SimSocket) -> dict[str, object]:
    """Return what `get_extra_info` tells of a socket."""
    return {
        "socket": trsock.TransportSocket(cast(socket.socket, sock)),
        "sockname": sock.own,
        "peername": sock.peer,
    }
