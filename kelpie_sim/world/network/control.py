"""What a harness does to the network: laws, names, partitions, clogs, holds, and their ends.

Hosts are named by their names, one or several; where the other side is left out, it is everybody else that the network
knows at that moment. All of it goes onto the trace and into the run's story.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from kelpie_sim.world.host import Host
from kelpie_sim.world.network.laws import MS, Law
from kelpie_sim.world.network.links import NS_PER_SECOND, Link
from kelpie_sim.world.network.medium import Medium

Side = str | Host | Iterable[str | Host]


class Control:
    """The levers of a network."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._stream = medium.streams.stream("network")

    def alias(self, name: str, host: str) -> None:
        """Let a further name stand for a host, as a DNS record does."""
        self._medium.names.alias(name, host)

    def resolve_to(self, *families: int) -> None:
        """Let names stand for addresses of these families only, unless another is asked for.

        `resolve_to(socket.AF_INET)` makes a network without IPv6 of one where each name has both.
        """
        self._medium.names.families = families

    def address_of(self, host: str, family: int = socket.AF_INET) -> str:
        """Return the address of a host in a family."""
        return self._medium.names.address_of(host, family)

    def obey(self, law: Law, a: Side | None = None, b: Side | None = None) -> None:
        """Set the law between two sides, in both directions; without sides, for all links, also those to come."""
        if a is None:
            self._medium.law = law
        links = self._medium.distant_links() if a is None else self._links(a, b)
        for link in links:
            link.obey(law)

    def partition(self, a: Side, b: Side | None = None, *, one_way: bool = False) -> None:
        """Cut two sides off each other; with `one_way`, lose only what goes from `a` to `b`."""
        for link in self._links(a, b, one_way):
            link.cut = link.troubled = True
        self._tell("cut", a, b, one_way)

    def heal(self, a: Side | None = None, b: Side | None = None) -> None:
        """End all troubles between two sides; without sides, all there are."""
        links = list(self._medium.links.values()) if a is None else list(self._links(a, b))
        for link in links:
            link.heal()
        self._tell("heal", a, b)

    def clog(self, a: Side, b: Side | None = None, *, seconds: float, slow_ms: int | None = None) -> None:
        """Let nothing arrive for a time, or with `slow_ms`, let each packet take that much longer."""
        until_ns = self._medium.loop.time_ns + round(seconds * NS_PER_SECOND)
        for link in self._links(a, b):
            if slow_ms is None:
                self._medium.clog(link, until_ns)
            else:
                link.slow(until_ns, slow_ms * MS)
        self._tell("clog", a, b)

    def unclog(self, a: Side, b: Side | None = None) -> None:
        """End a clog before its time."""
        for link in self._links(a, b):
            link.unclog()
        self._tell("unclog", a, b)

    def hold(self, a: Side, b: Side | None = None) -> None:
        """Keep what arrives until `release`; nothing is lost."""
        for link in self._links(a, b):
            link.held = link.troubled = True
        self._tell("hold", a, b)

    def release(self, a: Side | None = None, b: Side | None = None) -> None:
        """Let go what was held between two sides; without sides, everything."""
        links = list(self._medium.links.values()) if a is None else list(self._links(a, b))
        for link in links:
            link.release()
        self._tell("release", a, b)

    async def swizzle(self, hosts: Iterable[str | Host], *, seconds_max: float = 10.0) -> None:
        """Swizzle-clogging: clog a drawn part of the hosts one by one, then unclog them one by one in another order.

        Each pause between two steps is drawn, up to `seconds_max`.
        """
        stream, medium = self._stream, self._medium
        names = stream.shuffled(_names(hosts))
        chosen = names[: stream.between(1, len(names))] if names else []
        pause_ms_max = round(seconds_max * 1_000)
        for name in chosen:
            self.clog(name, seconds=seconds_max * (2 * len(chosen) + 1))
            await medium.until(medium.loop.time_ns + stream.between(1, pause_ms_max) * MS)
        clogged = list(chosen)
        for name in stream.shuffled(chosen):
            clogged.remove(name)
            for link in self._links(name, None):
                if link.from_host not in clogged and link.to_host not in clogged:
                    link.unclog()
            self._tell("unclog", name, None)
            await medium.until(medium.loop.time_ns + stream.between(1, pause_ms_max) * MS)

    def _links(self, a: Side, b: Side | None, one_way: bool = False) -> Iterator[Link]:
        near = _names(a)
        far = [name for name in self._medium.names.known() if name not in near] if b is None else _names(b)
        for one in near:
            for other in far:
                if one != other:
                    yield self._medium.link(one, other)
                    if not one_way:
                        yield self._medium.link(other, one)

    def _tell(self, what: str, a: Side | None, b: Side | None, one_way: bool = False) -> None:
        near, far = ("all" if side is None else "+".join(_names(side)) for side in (a, b))
        way = "to" if one_way else "and"
        self._medium.trace.record("net control", what, near, way, far)
        self._medium.tell(f"network: {what} {near} {way} {far}")


def _names(side: Side) -> list[str]:
    sides = [side] if isinstance(side, str | Host) else side
    return [one.name if isinstance(one, Host) else one for one in sides]
