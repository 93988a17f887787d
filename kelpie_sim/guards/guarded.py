"""All guards for one run, or for a batch of runs: in place at its start, gone at its end, however it ends."""

from __future__ import annotations

import gc
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards.active import Guard, install, installed
from kelpie_sim.guards.clock import DatetimeClock, UtcZone, clock_patches
from kelpie_sim.guards.entropy import entropy_patches
from kelpie_sim.guards.order import TaskSet, order_patches
from kelpie_sim.guards.patches import Patches
from kelpie_sim.guards.refusals import audit, refusal_patches
from kelpie_sim.guards.waits import wait_patches
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams


class Installation:
    """What is made once per process, and put in place for one run or for many."""

    def __init__(self) -> None:
        self._patches = Patches(
            [*clock_patches(), *entropy_patches(), *order_patches(), *wait_patches(), *refusal_patches()]
        )
        self._parts = (UtcZone(), self._patches, DatetimeClock(), TaskSet())
        self._late: dict[Patches, None] = {}
        self._users = 0
        sys.addaudithook(audit)

    def enter(self) -> None:
        """Put everything in place, unless it is; look after modules that were loaded since."""
        if self._users:
            self._patches.apply()
        else:
            try:
                for part in self._parts:
                    part.apply()
            except BaseException:
                self._undo()
                raise
        self._users += 1

    def enter_late(self, patches: Patches) -> None:
        """Put further replacements in place, until everything is put back. In a batch they stay for the later runs."""
        patches.apply()
        self._late[patches] = None

    def leave(self) -> None:
        """Put everything back when the last one leaves."""
        self._users -= 1
        if not self._users:
            self._undo()

    def _undo(self) -> None:
        for part in (*self._late, *reversed(self._parts)):
            part.undo()
        self._late.clear()


@cache
def installation() -> Installation:
    return Installation()


class guarded:
    """Guard the block: time and entropy are those of `loop` and `streams`, the rest of the world is refused.

    Garbage is not collected meanwhile, since a collection runs finalizers at moments that depend on the heap.
    Raise SimulationError if a run is guarded already.
    """

    __slots__ = ("_collects", "_guard", "_installation")

    def __init__(self, loop: SimLoop, streams: Streams) -> None:
        self._guard = Guard(loop, streams)
        self._installation = installation()
        self._collects = False

    def __enter__(self) -> None:
        if installed() is not None:
            raise SimulationError("a run is guarded already: simulations do not nest")
        self._installation.enter()
        # In a batch it would be what the run before left.
        vars(uuid)["_last_timestamp"] = None
        self._collects = gc.isenabled()
        gc.disable()
        install(self._guard)

    def __exit__(self, *error: object) -> None:
        install(None)
        try:
            for end in self._guard.at_end:
                end()
        finally:
            if self._collects:
                gc.enable()
            self._installation.leave()


@contextmanager
def batch() -> Iterator[None]:
    """Keep the guards in place over many runs: putting them there and taking them away costs more than a small run.

    Between the runs each replacement acts as the original; only the time zone stays UTC.
    """
    place = installation()
    place.enter()
    try:
        yield
    finally:
        place.leave()
