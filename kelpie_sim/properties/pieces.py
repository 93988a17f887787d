"""A world that runs in pieces, with code of the real world in between.

Hypothesis chooses the next rule of a state machine after it has seen what came of the one before, and its choosing
belongs to the real world. So the loop runs guarded while a rule runs, and stands still, unguarded, in between; virtual
time stands still with it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from kelpie_sim.guards import guarded
from kelpie_sim.run import run
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.strategies import Strategy
from kelpie_sim.tape import Tape
from kelpie_sim.tasks import AnyTask

T = TypeVar("T")


class Pieces:
    """A world and its loop, which runs only inside `until`. Garbage is not collected until it is closed."""

    def __init__(self, scenario: Scenario, seed: int, strategy: Callable[[World], Strategy]) -> None:
        """Build the world; raise UnknownOperation for a fault that could never strike."""
        self.world = World(scenario, seed, Tape(), keep_trace=False, strategy=strategy)
        self._collects = gc.isenabled()
        self._closed = False
        gc.disable()

    def start(self, coroutine: Coroutine[Any, Any, object], name: str) -> AnyTask:
        """Return a task that takes its first step when the loop runs next."""
        return self.world.loop.create_task(coroutine, name=name)

    def until(self, task: AnyTask) -> object:
        """Run the loop until a task is done, and return its result. Raise what it raises, and Stalled."""
        with guarded(self.world.loop, self.world.streams):
            return self.world.loop.run_until_complete(task)

    def close(self, *, failed: bool) -> None:
        """End the world; nothing happens if that was done before.

        Unless it has failed already, what still runs is cancelled first; raise what goes wrong in that, and what nobody
        has seen so far.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._end(failed)
        finally:
            if self._collects:
                gc.enable()

    def _end(self, failed: bool) -> None:
        world = self.world
        if failed:
            with guarded(world.loop, world.streams):
                world.loop.finish()
            return
        run(world.loop, world.streams, _nothing())
        for lost in world.loop.lost_exceptions():
            raise lost.exception or RuntimeError(lost.message)


async def _nothing() -> None:
    pass
