"""What stood in the way: told with each finding of a program that does not get on.

Where its tasks wait stands in the errors themselves (waiting.py, livelock.py). Here is the rest: the last harm that was
done, the hosts that are down or paused, and tasks that wait for each other's locks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from kelpie_sim.errors import Stalled
from kelpie_sim.waiting import lock_cycle
from kelpie_sim.world.host import Host

# How the story tells of harm: faults of ports, and those that a nemesis did.
FAULT, NEMESIS = "fault: ", "nemesis: "


class Stage(Protocol):
    """What of a world is asked here."""

    @property
    def hosts(self) -> Mapping[str, Host]: ...
    @property
    def lines(self) -> Sequence[str]: ...


def circumstances(stage: Stage, error: BaseException) -> str:
    """Return lines to add to the message of a finding, each after a line break; there may be none."""
    return "".join(f"\n  {line}" for line in _lines(stage, error))


def _lines(stage: Stage, error: BaseException) -> Iterator[str]:
    cycle = lock_cycle(error.waiting) if isinstance(error, Stalled) else ()
    if cycle:
        yield f"deadlock: {' waits for '.join((*cycle, cycle[0]))}"
    yield from _hosts(stage.hosts)
    harm = last_harm(stage.lines)
    if harm:
        yield f"last harm: {harm}"


def _hosts(hosts: Mapping[str, Host]) -> Iterator[str]:
    down = [name for name, host in hosts.items() if host.incarnation and not host.alive]
    paused = [name for name, host in hosts.items() if host.paused]
    if down:
        yield f"down: {', '.join(down)}"
    if paused:
        yield f"paused: {', '.join(paused)}"


def last_harm(story: Sequence[str]) -> str:
    """Return the last line of a story that tells of a fault, with its time; nothing if none does."""
    for line in reversed(story):
        told = line.partition(" s  ")[2]
        if told.startswith((FAULT, NEMESIS)):
            return line
    return ""
