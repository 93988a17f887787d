"""Handles for strategies, without a loop: numbered, and told apart when they come out."""

import contextvars
from collections.abc import Iterable

from kelpie_sim.strategies import Strategy
from kelpie_sim.tasks import SimHandle


class Crowd:
    """Handles with the numbers from 0."""

    def __init__(self, count: int) -> None:
        context = contextvars.Context()
        self.handles = [SimHandle(print, (), context) for _ in range(count)]
        self._numbers: dict[object, int] = {handle: number for number, handle in enumerate(self.handles)}

    def join(self, strategy: Strategy, numbers: Iterable[int]) -> None:
        """Make these ready, in this order."""
        for number in numbers:
            strategy.add(self.handles[number])

    def next(self, strategy: Strategy) -> int:
        """Take one, and return its number."""
        return self._numbers[strategy.take()]

    def leave(self, strategy: Strategy) -> list[int]:
        """Take all, and return their numbers in the order in which they ran."""
        numbers: list[int] = []
        while strategy.ready:
            numbers.append(self.next(strategy))
        return numbers


def order(strategy: Strategy, count: int = 50) -> list[int]:
    """Return the order in which a strategy hands out handles of which two come for each one that leaves."""
    crowd, taken = Crowd(count), list[int]()
    for number in range(count):
        crowd.join(strategy, (number,))
        if number % 3 == 2:
            taken.append(crowd.next(strategy))
    return taken + crowd.leave(strategy)
