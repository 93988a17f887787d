"""Bound ports: who has which port of which address.

The families are apart: "::" does not take IPv4 as well, which is how asyncio binds its servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from kelpie_sim.world.network.names import ANY_ADDRESSES, family_of
from kelpie_sim.world.network.sockets import Address


class Bound(Protocol):
    """What has a port of a host."""

    host: str

    @property
    def own(self) -> Address:
        """Its address and port."""


B = TypeVar("B", bound=Bound)


class Ports(Generic[B]):
    """The ports that somebody has, of all hosts, for one protocol."""

    def __init__(self) -> None:
        self._bound: dict[tuple[str, int], list[B]] = {}

    def bind(self, bound: B) -> bool:
        """Let it have its port; say whether it could. A port of all addresses excludes that of any one of them."""
        address = bound.own[0]
        others = self._bound.get((bound.host, bound.own[1]), [])
        if any(_collide(address, other.own[0]) for other in others):
            return False
        self._bound.setdefault((bound.host, bound.own[1]), []).append(bound)
        return True

    def release(self, bound: B) -> None:
        """Give the port back; nothing happens if it has none."""
        key = bound.host, bound.own[1]
        left = [other for other in self._bound.get(key, ()) if other is not bound]
        if left:
            self._bound[key] = left
        else:
            self._bound.pop(key, None)

    def find(self, host: str, address: str, port: int) -> B | None:
        """Return who has a port of an address of a host."""
        for bound in self._bound.get((host, port), ()):
            if bound.own[0] == address or _is_any_of_family(bound.own[0], address):
                return bound
        return None

    def is_taken(self, host: str, port: int) -> bool:
        """Say whether somebody has a port, at whatever address."""
        return (host, port) in self._bound

    def of_host(self, host: str) -> list[B]:
        """Return all that a host has."""
        return [bound for bound in self if bound.host == host]

    def __iter__(self) -> Iterator[B]:
        """Go over all, in the order in which ports were first bound."""
        return (bound for group in self._bound.values() for bound in group)


def _is_any_of_family(own: str, address: str) -> bool:
    return own in ANY_ADDRESSES and family_of(own) == family_of(address)


def _collide(one: str, other: str) -> bool:
    return one == other or _is_any_of_family(one, other) or _is_any_of_family(other, one)
