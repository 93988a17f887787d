"""Bound ports: who has which port of which address."""

import attrs

from kelpie_sim.world.network.ports import Ports
from kelpie_sim.world.network.sockets import Address, sockaddr


@attrs.define(eq=False)
class Holder:
    """Somebody who wants a port."""

    host: str
    own: Address


def bound(*wanted):
    """Return the ports, and who got one of those who wanted (host, address, port) in this order."""
    ports: Ports[Holder] = Ports()
    holders = [Holder(host, sockaddr(address, port)) for host, address, port in wanted]
    return ports, [ports.bind(holder) for holder in holders], holders


def test_what_collides():
    """A port is one's own against the same address and against all addresses of its family, on the same host."""
    asked = [("a", "0.0.0.0", 80), ("a", "::", 80), ("a", "10.0.0.1", 80), ("b", "0.0.0.0", 80), ("a", "0.0.0.0", 81)]
    assert [True, True, False, True, True] == bound(*asked)[1]
    asked = [("a", "127.0.0.1", 80), ("a", "10.0.0.1", 80), ("a", "10.0.0.1", 80), ("a", "0.0.0.0", 80)]
    assert [True, True, False, False] == bound(*asked)[1]


def test_find():
    """A packet finds who has its address, or all addresses of its family."""
    ports, _, (any_six, one) = bound(("a", "::", 80), ("a", "10.0.0.1", 80))
    asked = [("a", "fd00::1", 80), ("a", "10.0.0.1", 80), ("a", "127.0.0.1", 80), ("a", "::1", 81), ("b", "::1", 80)]
    assert [any_six, one, None, None, None] == [ports.find(*each) for each in asked]


def test_release():
    """A port that is given back is free again; giving it back twice does no harm."""
    ports, _, (four, six) = bound(("a", "0.0.0.0", 80), ("a", "::", 80))
    assert ([four, six], []) == (ports.of_host("a"), ports.of_host("b"))
    ports.release(four)
    ports.release(four)
    assert (True, [six], [six]) == (ports.is_taken("a", 80), ports.of_host("a"), list(ports))
    ports.release(six)
    assert (False, True) == (ports.is_taken("a", 80), ports.bind(four))
