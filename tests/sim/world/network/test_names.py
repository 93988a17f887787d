"""Names and addresses."""

import socket

import pytest

from kelpie_sim.world.network.names import Names


def test_addresses_by_order():
    """Hosts get addresses in the order in which they were made, whoever is asked for first."""
    names = Names(["a", "b"])
    names.add("harness")
    assert ["10.0.0.3", "10.0.0.2", "10.0.0.1"] == [names.address_of(name) for name in ("harness", "b", "a")]
    assert ("a", "b", "harness") == names.known()


def test_many_hosts():
    """Past 255 hosts the third part of the address counts."""
    names = Names([f"h{n}" for n in range(300)])
    assert ("10.0.1.44", "h299") == (names.address_of("h299"), names.host_at("10.0.1.44", "h0"))


def test_resolve():
    """A host's name, an alias in any case, an address and localhost resolve; the rest does not."""
    names = Names(["a", "b"])
    names.alias("API.example", "b")
    asked = ("a", "api.EXAMPLE", "10.0.0.9", "FD00:0::9", "localhost", "::1")
    assert [
        ("10.0.0.1", "fd00::1"),
        ("10.0.0.2", "fd00::2"),
        ("10.0.0.9",),
        ("fd00::9",),
        ("::1", "127.0.0.1"),
        ("::1",),
    ] == [names.resolve(name) for name in asked]
    with pytest.raises(socket.gaierror, match="not known"):
        names.resolve("c")


def test_families():
    """A family that is asked for is answered alone; else those of the network are, and a literal is what it is."""
    names = Names(["a"])
    assert (("10.0.0.1",), ("fd00::1",)) == (names.resolve("a", socket.AF_INET), names.resolve("a", socket.AF_INET6))
    with pytest.raises(socket.gaierror, match="Address family"):
        names.resolve("10.0.0.1", socket.AF_INET6)
    names.families = (socket.AF_INET,)
    asked = (
        names.resolve("a"),
        names.resolve("localhost"),
        names.resolve("fd00::1"),
        names.resolve("a", socket.AF_INET6),
    )
    assert (("10.0.0.1",), ("127.0.0.1",), ("fd00::1",), ("fd00::1",)) == asked
    assert ("10.0.0.1", "fd00::1") == (names.address_of("a"), names.address_of("a", socket.AF_INET6))


def test_hosts_made_later():
    """A host that is made later is found without further ado."""
    hosts = ["a"]
    names = Names(hosts)
    names.add("a")
    hosts.append("b")
    assert (("10.0.0.2", "fd00::2"), "b") == (names.resolve("b"), names.host_at("10.0.0.2", "a"))


def test_loopback_is_the_askers_own():
    """127.0.0.1 and ::1 are another host for each who asks; an address that nobody has is nobody's."""
    names = Names(["a", "b"])
    assert ["a", "b", None] == [
        names.host_at(*ask) for ask in (("::1", "a"), ("127.9.9.9", "b"), ("::ffff:10.0.0.1", "a"))
    ]


def test_names_of_a_host():
    """A host answers to its name, its aliases and its addresses."""
    names = Names(["a"])
    names.alias("api.example", "a")
    assert {"a", "api.example", "10.0.0.1", "fd00::1", "127.0.0.1", "::1", "localhost"} == names.names_of("a")
    asked = ("10.0.0.1", "fd00::1", "127.0.0.1", "::1", "10.0.0.2")
    assert ["a", "a", "localhost", "localhost", None] == [names.name_at(at) for at in asked]
