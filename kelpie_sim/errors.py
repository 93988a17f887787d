"""The errors of the simulator, split by whose fault they are.

    SimulationError                 the run cannot go on, or its verdict is bad
    |-- Unsupported                 the program asked for something that cannot be simulated
    |-- Stalled                     nothing is left to run while someone waits
    |-- StepLimit                   more steps than the run was allowed (a livelock, mostly)
    |-- TimeLimit                   more virtual time than the run was allowed
    |-- NonDeterminism              a replay asked for something else than what was recorded
    |-- InvariantBroken             a law of the program under test does not hold
    |   `-- Overdue                 what had to follow within a bound did not
    |-- Undecided                   a checker's budget ran out: nobody knows whether the history is right
    |-- NotSettled                  the system did not come to rest after the faults stopped
    |-- FaultNeverFired             a fault that had to strike found nothing to strike at
    `-- UnknownOperation            a filter names an operation that no port has (also a ValueError)
    HostDead (BaseException)        raised in code of a crashed host, so that it unwinds past `except Exception`

All of them travel between processes: their arguments are kept in `args`, the text is made on demand.
"""

from __future__ import annotations

from collections.abc import Iterable


class SimulationError(Exception):
    """The base of all errors that the simulator itself raises."""


class Unsupported(SimulationError):
    """A call that cannot be simulated; the message names the call, and what to use in its place."""

    def __init__(self, call: str, instead: str = "") -> None:
        super().__init__(call, instead)
        self.call = call
        self.instead = instead

    def __str__(self) -> str:
        hint = f"; {self.instead}" if self.instead else ""
        return f"{self.call} cannot be used inside a simulation{hint}"


class Stalled(SimulationError):
    """Nothing is left to run while someone waits; `waiting` has a line per waiting task, `paused` the paused hosts."""

    def __init__(self, waiting: Iterable[str], paused: tuple[str, ...] = ()) -> None:
        super().__init__(waiting, paused)
        # Whose text may be made when it is read (waiting.py).
        self._waiting = waiting
        self.paused = paused

    @property
    def waiting(self) -> tuple[str, ...]:
        return tuple(self._waiting)

    def __str__(self) -> str:
        waiting = self.waiting
        lines = "".join(f"\n  {line}" for line in waiting)
        paused = f" while {', '.join(self.paused)} stay(s) paused" if self.paused else ""
        return f"nothing is left to run{paused}, and {len(waiting)} task(s) wait:{lines}"


class StepLimit(SimulationError):
    """The run took more steps than it was allowed."""


class TimeLimit(SimulationError):
    """The run wanted to go past the last virtual instant it was allowed."""


class NonDeterminism(SimulationError):
    """A replay asked for another choice than the one that was recorded at this place."""


class InvariantBroken(SimulationError):
    """A law of the program under test does not hold."""


class Overdue(InvariantBroken):
    """What had to happen within a bound has not: the message names the law, since when it was due and who waits."""


class Undecided(SimulationError):
    """A checker ran out of its budget. The history may be right or wrong: give the checker more, or ask it less."""


class NotSettled(SimulationError):
    """The system did not come to rest within its bounds after the faults had stopped."""


class FaultNeverFired(SimulationError):
    """A fault that had to strike was never reached, or changed nothing."""


class UnknownOperation(SimulationError, ValueError):
    """A filter names an operation that no port of the world has."""


class HostDead(BaseException):
    """Raised in code of a crashed host at each try to touch the world; never caught by the program."""
