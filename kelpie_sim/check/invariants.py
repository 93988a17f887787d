"""What must hold of the live program at named moments.

A check looks at production state and returns what is wrong, or None. Checking everything after every step would cost
more than the run, so a check names the moments at which it could break ("commit", "restart"), and whoever causes such
a moment notifies. `EVERY_STEP` is the moment after each step of the loop, for what is cheap or cannot be tied to one.

A broken invariant is remembered and ends the run at that step: a program that catches its exception does not hide it.
"""

from collections.abc import Callable, Mapping
from typing import NoReturn

from kelpie_sim.errors import InvariantBroken

EVERY_STEP = "step"

Check = Callable[[], str | None]


class Invariants:
    """The invariants of a run, by moment, with how often each was checked."""

    def __init__(self, after_step: list[Callable[[], None]]) -> None:
        self.broken: InvariantBroken | None = None
        self._after_step = after_step
        self._counts: dict[str, int] = {}
        self._at: dict[str, list[tuple[str, Check]]] = {}

    def add(self, name: str, check: Check, *, when: tuple[str, ...] = (EVERY_STEP,)) -> None:
        """Check at these moments from now on; the check returns what is wrong, or None."""
        if name in self._counts:
            raise ValueError(f"there is an invariant named {name!r} already")
        self._counts[name] = 0
        for moment in when:
            if moment == EVERY_STEP and moment not in self._at:
                self._after_step.append(self._notify_step)
            self._at.setdefault(moment, []).append((name, check))

    def notify(self, moment: str) -> None:
        """Run the checks of a moment; raise InvariantBroken for the first that does not hold."""
        for name, check in self._at.get(moment, ()):
            self._counts[name] += 1
            wrong = check()
            if wrong is not None:
                self.fail(f"{name}: {wrong}")

    def check(self, condition: object, message: str) -> None:
        """Raise InvariantBroken unless the condition is true: a check made once, at one place of a scenario."""
        self._counts["checks in place"] = self._counts.get("checks in place", 0) + 1
        if not condition:
            self.fail(message)

    def fail(self, message: str, error: type[InvariantBroken] = InvariantBroken) -> NoReturn:
        """Raise InvariantBroken, or a kind of it.

        What stands before the first colon names the law, what follows tells the case.
        """
        broken = error(message)
        if self.broken is None:
            self.broken = broken
            self._after_step.append(self._end_run)
        raise broken

    def counts(self) -> Mapping[str, int]:
        """Return how often each invariant was checked; 0 says that its moments never came."""
        return dict(self._counts)

    def _notify_step(self) -> None:
        self.notify(EVERY_STEP)

    def _end_run(self) -> None:
        assert self.broken is not None, "only a broken invariant ends a run"
        raise self.broken
