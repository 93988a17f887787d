"""Sockets as far as programs look at them."""

import select
import socket
import struct
from typing import Any

import pytest

from kelpie_sim.world.network.sockets import SimSocket, described, sockaddr


def is_readable(fileno):
    """Ask the system, as httpcore does."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))


def test_descriptor_shows_what_is_there_to_read():
    """The descriptor is a real one, readable exactly while there is something to read, and gone after the close."""
    there: list[int] = []
    sock = SimSocket(("10.0.0.1", 80), readable=lambda: bool(there))
    idle = is_readable(sock.fileno())
    there.append(1)
    ready = is_readable(sock.fileno())
    sock.close()
    assert (False, True, -1) == (idle, ready, sock.fileno())


def test_addresses():
    """A socket tells its own address, and the other one if it has one."""
    assert ("10.0.0.2", 9) == SimSocket(("10.0.0.1", 80), ("10.0.0.2", 9)).getpeername()
    with pytest.raises(OSError, match="not connected"):
        SimSocket(("10.0.0.1", 80)).getpeername()


def test_families():
    """An address of IPv6 has four parts, and its socket is of that family."""
    assert (("10.0.0.1", 80), ("fd00::1", 80, 0, 0)) == (sockaddr("10.0.0.1", 80), sockaddr("fd00::1", 80))
    assert (socket.AF_INET, socket.AF_INET6) == tuple(SimSocket(sockaddr(at, 1)).family for at in ("10.0.0.1", "::1"))


def test_options():
    """Options are remembered; only a linger of 0 means something."""
    sock = SimSocket(("10.0.0.1", 80))
    before = sock.lingers_not(), sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
    long = sock.lingers_not()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    after = sock.lingers_not(), sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert ((False, 0), False, (True, 1)) == (before, long, after)


def test_what_a_transport_tells():
    """asyncio's view of a socket works on it."""
    sock = SimSocket(("10.0.0.1", 80), ("10.0.0.2", 9), socket.SOCK_DGRAM)
    told = described(sock)
    view: Any = told["socket"]
    assert (("10.0.0.1", 80), ("10.0.0.2", 9)) == (told["sockname"], told["peername"])
    assert (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP) == (view.family, view.type, view.proto)
    assert (0, ("10.0.0.1", 80)) == (view.gettimeout(), view.getsockname())
    view.setblocking(False)
    view.settimeout(0)
