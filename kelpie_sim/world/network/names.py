"""Names and addresses: each host has one of 10.0.0.0/8 and one of fd00::/64, by the order in which the network came to
know it.

A program finds another host by its name, by a further name that the harness gave it, or by its addresses. Names are
looked up inline; an unknown one raises gaierror, as the system's resolver does. A host's IPv4 address comes first and
its IPv6 address second, since RFC 6724 prefers IPv4 to unique local addresses; for "localhost" it is the other way
round. IPv4 addresses mapped into IPv6 are nobody's.
"""

import socket
from collections.abc import Iterable

LOOPBACK_OF = {socket.AF_INET6: "::1", socket.AF_INET: "127.0.0.1"}
LOOPBACK_ADDRESSES = tuple(LOOPBACK_OF.values())
ANY_ADDRESSES = ("0.0.0.0", "::")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
LOCAL_NAMES = {"localhost": LOOPBACK_ADDRESSES, "ip6-localhost": ("::1",)}
# Code that runs on no host is at this one.
HARNESS = "harness"


class Names:
    """Who is where. `hosts` are the names of the world's hosts, in the order in which they were made.

    `families` are those in which a name is looked up by whoever asks for no family.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = hosts
        self.families: tuple[int, ...] = _FAMILIES
        self._addresses_of: dict[str, tuple[str, str]] = {}
        self._host_at: dict[str, str] = {}
        self._aliases: dict[str, str] = {}

    def _learn(self, host: str) -> None:
        if host not in self._addresses_of:
            number = len(self._addresses_of) + 1
            addresses = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", f"fd00::{number:x}"
            self._addresses_of[host] = addresses
            self._host_at.update(dict.fromkeys(addresses, host))

    def add(self, host: str) -> None:
        """Give a host its addresses, after all hosts that were made before it."""
        if host not in self._addresses_of:
            for known in (*self._hosts, host):
                self._learn(known)

    def alias(self, name: str, host: str) -> None:
        """Let `name` stand for a host, as a DNS record does."""
        self.add(host)
        self._aliases[name.lower()] = host

    def address_of(self, host: str, family: int = socket.AF_INET) -> str:
        """Return the address of a host in a family."""
        self.add(host)
        return self._addresses_of[host][family == socket.AF_INET6]

    def host_at(self, address: str, seen_from: str) -> str | None:
        """Return the host at an address, None if there is none; loopback addresses are the asker's own."""
        if is_loopback(address) or address in ANY_ADDRESSES:
            return seen_from
        self._learn_all()
        return self._host_at.get(address)

    def resolve(self, name: str, family: int = 0) -> tuple[str, ...]:
        """Return the addresses that a name stands for, best first: those of a family, or of `families`.

        Raise gaierror if there are none.
        """
        literal = as_address(name)
        candidates = self._addresses_for(name) if literal is None else (literal,)
        wanted = (family,) if family else self.families if literal is None else _FAMILIES
        found = tuple(address for address in candidates if family_of(address) in wanted)
        if not found:
            raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
        return found

    def _addresses_for(self, name: str) -> tuple[str, ...]:
        if name in LOCAL_NAMES:
            return LOCAL_NAMES[name]
        self._learn_all()
        host = self._aliases.get(name.lower(), name)
        if host not in self._addresses_of:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._addresses_of[host]

    def known(self) -> tuple[str, ...]:
        """Return the names of all hosts that the network knows, in the order of their addresses."""
        self._learn_all()
        return tuple(self._addresses_of)

    def names_of(self, host: str) -> frozenset[str]:
        """Return all that a host is called, its addresses included."""
        self.add(host)
        aliases = {name for name, owner in self._aliases.items() if owner == host}
        return frozenset({host, *self._addresses_of[host], *LOOPBACK_ADDRESSES, "localhost", *aliases})

    def name_at(self, address: str) -> str | None:
        """Return the name that belongs to an address."""
        return "localhost" if address in LOOPBACK_ADDRESSES else self.host_at(address, seen_from="")

    def _learn_all(self) -> None:
        for known in self._hosts:
            self._learn(known)


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def is_loopback(address: str) -> bool:
    """Say whether an address is that of the asker's own host."""
    return address.startswith("127.") or address == "::1"


def as_address(name: str) -> str | None:
    """Return a name that is an address already, in its usual spelling; None for any other name."""
    family = family_of(name)
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, name))
    except OSError:
        return None
