"""All guards for one run: installed at its start, gone at its end, however it ends."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards.active import Guard, install, installed
from kelpie_sim.guards.clock import DatetimeClock, UtcZone, clock_patches
from kelpie_sim.guards.entropy import SharedRandom, entropy_patches
from kelpie_sim.guards.order import order_patches
from kelpie_sim.guards.patches import Patches
from kelpie_sim.guards.refusals import audit, refusal_patches
from kelpie_sim.guards.waits import wait_patches
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Streams


class Installation:
    """What is made once per process."""

    def __init__(self) -> None:
        self.patches = Patches(
            [*clock_patches(), *entropy_patches(), *order_patches(), *wait_patches(), *refusal_patches()]
        )
        self.datetime = DatetimeClock()
        sys.addaudithook(audit)


@cache
def _installation() -> Installation:
    return Installation()


@contextmanager
def guarded(loop: SimLoop, streams: Streams) -> Iterator[None]:
    """Guard the block: time and entropy are those of `loop` and `streams`, the rest of the world is refused.

    Garbage is not collected meanwhile, since a collection runs finalizers at moments that depend on the heap.
    Raise SimulationError if a run is guarded already.
    """
    if installed() is not None:
        raise SimulationError("a run is guarded already: simulations do not nest")
    installation, guard = _installation(), Guard(loop, streams)
    zone, shared_random = UtcZone(), SharedRandom()
    with ExitStack() as undo:
        undo.callback(_collect_again, gc.isenabled())
        gc.disable()
        for part in (zone, installation.patches, installation.datetime):
            undo.callback(part.undo)
            part.apply()
        shared_random.apply(guard)
        undo.callback(shared_random.undo)
        undo.callback(install, None)
        install(guard)
        yield


def _collect_again(wanted: bool) -> None:
    if wanted:
        gc.enable()
