"""Values per life of a host, and hashes by number.

On one real machine each process has its own module globals. Here all hosts share those of one process; so what a
library keeps there is kept per life of a host instead. And what it keeps in sets hashes by address, which differs from
run to run; so it hashes by a number of the run instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from kelpie_sim.guards.active import installed
from kelpie_sim.incarnation import INCARNATION, Incarnation

T = TypeVar("T")

at_start: list[Callable[[], None]] = []
"""Called at the start of each run: to forget what earlier runs left, so that nothing of it is finalized in this one."""


class HostLocal(Generic[T]):
    """A value for each life of a host and one for the harness, made when it is first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[Incarnation | None, T] = {}
        at_start.append(self._values.clear)

    def get(self) -> T:
        """Return the value of the life whose code asks."""
        life = INCARNATION.get()
        try:
            return self._values[life]
        except KeyError:
            value = self._values[life] = self._make()
            return value

    def set(self, value: T) -> None:
        """Set the value of the life whose code asks."""
        self._values[INCARNATION.get()] = value


def hash_by_serial(self: object) -> int:
    """Return a number of the run, given at the first hash; outside of a run the address, as usual.

    For classes whose instances have an attribute `sim_serial` to write to.
    """
    try:
        return self.sim_serial  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        guard = installed()
        serial = object.__hash__(self) if guard is None else guard.loop.next_serial()
        self.sim_serial = serial  # type: ignore[attr-defined]
        return serial
