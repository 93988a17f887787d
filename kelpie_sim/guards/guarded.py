"""All guards for one run, or for a batch of runs: in place at its start, gone at its end, however it ends."""

from __future__ import annotations

import gc
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards.active import Guard, State
from kelpie_sim.guards.clock import DatetimeClock, UtcZone, clock_patches
from kelpie_sim.guards.entropy import entropy_patches
from kelpie_sim.guards.generators import GeneratorHooks, in_place
from kelpie_sim.guards.order import TaskSet, order_patches
from kelpie_sim.guards.patches import Patches
from kelpie_sim.guards.refusals import audit, refusal_patches
from kelpie_sim.guards.waits import wait_patches

_UUID = vars(uuid)


class Installation:
    """What is made once per process, and put in place for one run or for many."""

    def __init__(self) -> None:
        self._patches = Patches(
            [*clock_patches(), *entropy_patches(), *order_patches(), *wait_patches(), *refusal_patches()]
        )
        self._parts = (UtcZone(), self._patches, DatetimeClock(), TaskSet(), GeneratorHooks())
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


class guarded(Guard):
    """Guard the block: time and entropy are those of `loop` and `streams`, the rest of the world is refused.

    Garbage is not collected meanwhile, since a collection runs finalizers at moments that depend on the heap.
    Raise SimulationError if a run is guarded already.
    """

    __slots__ = ("_collects",)

    def __enter__(self) -> None:
        if State.guard is not None:
            raise SimulationError("a run is guarded already: simulations do not nest")
        installation().enter()
        # In a batch it would be what the run before left.
        _UUID["_last_timestamp"] = None
        self.loop.hooked = in_place()
        self._collects = gc.isenabled()
        gc.disable()
        State.guard = self

    def __exit__(self, *error: object) -> None:
        State.guard = None
        self.loop.hooked = False
        try:
            for end in self.at_end:
                end()
        finally:
            if self._collects:
                gc.enable()
            installation().leave()


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
