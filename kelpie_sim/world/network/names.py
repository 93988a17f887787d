"""Names and addresses: each host has one of 10.0.0.0/8, by the order in which the network came to know it.

A program finds another host by its name, by a further name that the harness gave it, or by its address. Names are
looked up inline; an unknown one raises gaierror, as the system's resolver does.
"""

import socket
from collections.abc import Iterable

LOOPBACK_ADDRESS = "127.0.0.1"
ANY_ADDRESSES = ("", "0.0.0.0", "::")
LOCAL_NAMES = ("localhost", "ip6-localhost", "::1")
# Code that runs on no host is at this one.
HARNESS = "harness"


class Names:
    """Who is where. `hosts` are the names of the world's hosts, in the order in which they were made."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = hosts
        self._address_of: dict[str, str] = {}
        self._host_at: dict[str, str] = {}
        self._aliases: dict[str, str] = {}

    def _learn(self, host: str) -> None:
        if host not in self._address_of:
            number = len(self._address_of) + 1
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            self._address_of[host] = address
            self._host_at[address] = host

    def add(self, host: str) -> None:
        """Give a host an address, after all hosts that were made before it."""
        if host not in self._address_of:
            for known in (*self._hosts, host):
                self._learn(known)

    def alias(self, name: str, host: str) -> None:
        """Let `name` stand for a host, as a DNS record does."""
        self.add(host)
        self._aliases[name.lower()] = host

    def address_of(self, host: str) -> str:
        """Return the address of a host."""
        self.add(host)
        return self._address_of[host]

    def host_at(self, address: str, seen_from: str) -> str | None:
        """Return the host at an address, None if there is none; loopback addresses are the asker's own."""
        if address.startswith("127.") or address in ANY_ADDRESSES or address == "::1":
            return seen_from
        self._learn_all()
        return self._host_at.get(address)

    def resolve(self, name: str) -> str:
        """Return the address that a name stands for. Raise gaierror if it stands for none."""
        if name in LOCAL_NAMES:
            return LOOPBACK_ADDRESS
        if is_address(name):
            return name
        self._learn_all()
        host = self._aliases.get(name.lower(), name)
        if host not in self._address_of:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._address_of[host]

    def known(self) -> tuple[str, ...]:
        """Return the names of all hosts that the network knows, in the order of their addresses."""
        self._learn_all()
        return tuple(self._address_of)

    def names_of(self, host: str) -> frozenset[str]:
        """Return all that a host is called, its addresses included."""
        aliases = {name for name, owner in self._aliases.items() if owner == host}
        return frozenset({host, self.address_of(host), LOOPBACK_ADDRESS, "localhost", *aliases})

    def name_at(self, address: str) -> str | None:
        """Return the name that belongs to an address."""
        return "localhost" if address == LOOPBACK_ADDRESS else self.host_at(address, seen_from="")

    def _learn_all(self) -> None:
        for known in self._hosts:
            self._learn(known)


def is_address(name: str) -> bool:
    """Say whether a name is an IPv4 address already."""
    try:
        socket.inet_pton(socket.AF_INET, name)
    except OSError:
        return False
    return True
