"""Buggify points: places where a program helps its own simulation to find trouble.

    if buggify("flush early"):
        limit = 1

A simulator from outside can delay, drop and crash; only the program knows where a legal but rare thing could be done
often. FoundationDB's way, in two phases: a run first draws whether a site is active at all, with a chance of a quarter,
and an active one fires each time with a chance of a quarter. So runs differ in *which* rare things happen, and in some
nothing does. Each site draws from its own stream, so a new site moves no other; what fires is on the tape and on the
trace, and a shrinker can take it back. Outside a simulation a site never fires, and costs a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from weakref import WeakKeyDictionary, ref

from kelpie_sim.incarnation import loop_at_work
from kelpie_sim.seed import Streams
from kelpie_sim.trace import Trace

ACTIVE_PROBABILITY = 0.25
FIRES_PROBABILITY = 0.25


class Buggify:
    """The sites of one run."""

    def __init__(self, streams: Streams, trace: Trace) -> None:
        self._streams = streams
        self._trace = trace
        self._active: dict[str, bool] = {}
        self._fired: dict[str, int] = {}
        self._lifted = False

    def fires(self, site: str) -> bool:
        """Draw whether a site fires now."""
        if self._lifted:
            return False
        stream = self._streams.stream(f"buggify/{site}")
        if site not in self._active:
            self._active[site] = stream.chance(ACTIVE_PROBABILITY)
            self._fired[site] = 0
        if not self._active[site] or not stream.chance(FIRES_PROBABILITY):
            return False
        self._fired[site] += 1
        self._trace.record("buggify", site)
        return True

    def lift(self) -> None:
        """Let no site fire from here on: a program that is to recover is left in peace."""
        self._lifted = True

    def counts(self) -> Mapping[str, int]:
        """Return how often each site fired, of those that were reached."""
        return dict(self._fired)


# Weak on both sides: what belongs to a run knows its loop, and would keep it alive for ever.
_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Buggify]] = WeakKeyDictionary()


def attach(loop: asyncio.AbstractEventLoop, sites: Buggify) -> None:
    """Let `buggify` ask `sites` wherever `loop` runs, as long as they are kept elsewhere."""
    _OF_LOOP[loop] = ref(sites)


def buggify(site: str) -> bool:
    """Return whether the simulation wants the rare thing done at this site, now; False outside a simulation."""
    loop = loop_at_work()
    known = None if loop is None else _OF_LOOP.get(loop)
    sites = None if known is None else known()
    return sites is not None and sites.fires(site)
