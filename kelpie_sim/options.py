"""Swarm: the seed draws the options of a run too.

One fixed set of rates explores one neighbourhood. A swarm turns some faults off altogether and gives the others rates
on wild scales, other sizes, another order; every option has a name and is printed with a failure.
"""

from collections.abc import Sequence
from typing import TypeVar

from kelpie_sim.seed import Stream

OptionValue = int | float | str | bool
Option = TypeVar("Option", int, float, str, bool)

# Not 1: a fault that may meet no operation in some runs must not be one that has to fire.
RATES = (0.0, 0.001, 0.01, 0.05, 0.2, 0.5)


class Swarm:
    """Draws options by name. A name is drawn once: asking twice is a mistake of the scenario."""

    def __init__(self, stream: Stream) -> None:
        self.drawn: dict[str, OptionValue] = {}
        self._stream = stream

    def flag(self, name: str, probability: float = 0.5) -> bool:
        """Draw whether something is on."""
        self._check_new(name)
        self.drawn[name] = value = self._stream.chance(probability)
        return value

    def rate(self, name: str, choices: Sequence[float] = RATES) -> float:
        """Draw a probability; 0 is one of the usual choices, so that each fault is sometimes off altogether."""
        return self.pick(name, choices)

    def size(self, name: str, low: int, high: int) -> int:
        """Draw a whole number from low to high, both included."""
        self._check_new(name)
        self.drawn[name] = value = self._stream.between(low, high)
        return value

    def pick(self, name: str, choices: Sequence[Option]) -> Option:
        """Draw one of the choices."""
        self._check_new(name)
        value = self._stream.pick(choices)
        self.drawn[name] = value
        return value

    def _check_new(self, name: str) -> None:
        if name in self.drawn:
            raise ValueError(f"option {name!r} is drawn twice")
