"""What must happen at least once over a campaign.

A search that never meets a retry, a torn write or a recovery proves nothing about them. A scenario declares what it
means to reach, its workload hits it by `world.sometimes.hit`, and the campaign lists what no seed hit. The program
under test may say so too, anywhere: `sometimes("retried", attempt > 1)`. Outside a simulation that does nothing;
inside, a name that the scenario does not declare is counted all the same, because a program serves many scenarios.

Of each point the first hit goes on the trace, and the place on the tape is remembered: branching.py goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakKeyDictionary, ref

from kelpie_sim.incarnation import loop_at_work
from kelpie_sim.trace import Trace


class Sometimes:
    """Counts, per name, how often it happened in a run."""

    def __init__(
        self,
        declared: Iterable[str],
        trace: Trace | None = None,
        place: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._declared = tuple(declared)
        self._counts = dict.fromkeys(self._declared, 0)
        self._most: dict[str, int] = {}
        self._trace = trace
        self._place = place
        self.first: dict[str, Mapping[str, int]] = {}
        """Per point that was hit, where on the tape that was: the choices made by then, per stream."""

    def hit(self, name: str) -> None:
        """Count that it happened; raise ValueError for a name that the scenario does not declare."""
        if name not in self._declared:
            declared = ", ".join(self._declared) or "none"
            raise ValueError(f"the scenario declares no sometimes {name!r}; it declares {declared}")
        self.note(name)

    def note(self, name: str) -> None:
        """Count that it happened, declared or not."""
        count = self._counts[name] = self._counts.get(name, 0) + 1
        if count == 1:
            self.first[name] = self._place()
            if self._trace is not None:
                self._trace.record("sometimes", name)

    def most(self, name: str, value: int) -> None:
        """Remember the highest value of a name."""
        self._most[name] = max(value, self._most.get(name, value))

    def counts(self) -> Mapping[str, int]:
        """Return how often each happened."""
        return dict(self._counts)

    def watermarks(self) -> Mapping[str, int]:
        """Return the highest value of each name that had one."""
        return dict(self._most)


# Weak on both sides: what belongs to a run knows its loop, and would keep it alive for ever.
_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Sometimes]] = WeakKeyDictionary()


def attach(loop: asyncio.AbstractEventLoop, counters: Sometimes) -> None:
    """Let the functions below count into `counters` wherever `loop` runs, as long as they are kept elsewhere."""
    _OF_LOOP[loop] = ref(counters)


def sometimes(name: str, condition: object = True) -> bool:
    """Count that something happened which should, in some runs, if the condition is true; return whether it is."""
    happened = bool(condition)
    if happened and (counters := _attached()) is not None:
        counters.note(name)
    return happened


def sometimes_most(name: str, value: int) -> None:
    """Remember how high a value gets: a queue's length, the number of retries."""
    if (counters := _attached()) is not None:
        counters.most(name, value)


def _attached() -> Sometimes | None:
    loop = loop_at_work()
    counters = None if loop is None else _OF_LOOP.get(loop)
    return None if counters is None else counters()
