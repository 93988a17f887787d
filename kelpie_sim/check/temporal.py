"""Laws that speak of time: always, eventually, this leads to that, nothing stays hot for long.

Over the live program they are monitors: they look at production state at named moments (invariants.py), by default
after each step, and remember since when something is due. Over a history they are functions of its operations.

    always        it holds at each of its moments
    eventually    it holds at one of them, within a bound from when it was asked for
    leads_to      whenever the cause holds, the effect holds then or later, within a bound
    cools         what is hot does not stay so for longer than a bound, nor for good: P. Deligiannis et al., "Uncovering
                  bugs in distributed storage systems during testing (not in production!)", FAST 2016, and Coyote

Laws: what was due when its bound had passed is an Overdue, told with since when; bounds are virtual time. At the end of
the scenario nothing more can happen, so what must happen eventually has to have happened, and nothing may be hot; an
effect whose bound has not passed by then is owed by nobody. A leads_to whose cause never held proves nothing: `causes`
counts how often it held, and a campaign lists those that no seed ever met, as it does with a sometimes.
"""

from collections.abc import Callable, Iterable, Mapping

import attrs

from kelpie_sim.check.invariants import EVERY_STEP, Invariants
from kelpie_sim.check.operations import Operation
from kelpie_sim.errors import Overdue
from kelpie_sim.faults import NS_PER_SECOND

Holds = Callable[[], bool]
Moments = tuple[str, ...]

CAUSE = "{}: its cause held"
TOLD_MAX = 5


@attrs.frozen(kw_only=True)
class HistoryReport:
    """What a law over a history came to: how often it applied, and where it does not hold."""

    name: str
    causes: int
    broken: tuple[str, ...]


class Temporal:
    """The laws of a run that speak of time. Names are those of its invariants: one law each."""

    def __init__(self, invariants: Invariants, now_ns: Callable[[], int]) -> None:
        self._invariants = invariants
        self._now_ns = now_ns
        self._causes: dict[str, int] = {}
        self._at_end: list[Callable[[], None]] = []

    def always(self, name: str, holds: Holds, *, when: Moments = (EVERY_STEP,)) -> None:
        """From now on it must hold at each of these moments."""
        self._invariants.add(name, lambda: None if holds() else "it does not hold", when=when)

    def eventually(self, name: str, holds: Holds, *, within_seconds: float, when: Moments = (EVERY_STEP,)) -> None:
        """It must hold at one of these moments, within so much virtual time from now."""
        due = _Due(self, name, within_seconds)
        due.start()

        def look() -> None:
            if due.is_open and not due.settle(holds()):
                due.check("it has never held")

        self._watch(name, look, when)

        def last_look() -> None:
            # What came true in the very last step counts.
            look()
            if due.is_open:
                due.fail("it has never held, and nothing more can happen")

        self._at_end.append(last_look)

    def leads_to(
        self, name: str, cause: Holds, effect: Holds, *, within_seconds: float, when: Moments = (EVERY_STEP,)
    ) -> None:
        """Whenever the cause holds, the effect must hold at that moment or a later one, within so much virtual time."""
        due = _Due(self, name, within_seconds)
        counted = CAUSE.format(name)
        self._causes[counted] = 0

        held = False

        def look() -> None:
            nonlocal held
            before, held = held, cause()
            self._causes[counted] += held and not before
            if held and not due.is_open:
                due.start()
            if due.is_open and not due.settle(effect()):
                due.check("the cause has held, and the effect has not")

        self._watch(name, look, when)

    def cools(self, name: str, hot: Holds, *, within_seconds: float, when: Moments = (EVERY_STEP,)) -> None:
        """What is hot must be cold again within so much virtual time, and at the end of the scenario."""
        due = _Due(self, name, within_seconds)
        counted = CAUSE.format(name)
        self._causes[counted] = 0

        def look() -> None:
            is_hot = hot()
            if is_hot and not due.is_open:
                self._causes[counted] += 1
                due.start()
            if due.is_open and not due.settle(not is_hot):
                due.check("it has been hot")

        self._watch(name, look, when)
        self._at_end.append(lambda: due.fail("it is hot, and nothing more can happen") if hot() else None)

    def require(self, report: HistoryReport) -> None:
        """Count how often a law over the history applied; raise InvariantBroken where it does not hold."""
        counted = CAUSE.format(report.name)
        self._causes[counted] = self._causes.get(counted, 0) + report.causes
        more = f" and {len(report.broken) - TOLD_MAX} more" if len(report.broken) > TOLD_MAX else ""
        self._invariants.check(not report.broken, f"{report.name}: {'; '.join(report.broken[:TOLD_MAX])}{more}")

    def end(self) -> None:
        """Look for the last time, after the scenario; raise Overdue for what has not happened."""
        for look in self._at_end:
            look()

    def causes(self) -> Mapping[str, int]:
        """Return how often the cause of each law held."""
        return dict(self._causes)

    def _watch(self, name: str, look: Callable[[], None], when: Moments) -> None:
        self._invariants.add(name, look, when=when)

    def now_ns(self) -> int:
        """Return the virtual time."""
        return self._now_ns()

    def overdue(self, message: str) -> None:
        """Raise Overdue, and end the run."""
        self._invariants.fail(message, Overdue)


class _Due:
    """Something that is due since an instant, or nothing."""

    def __init__(self, laws: Temporal, name: str, within_seconds: float) -> None:
        if within_seconds < 0:
            raise ValueError(f"{name}: a bound of {within_seconds} s")
        self._laws = laws
        self._name = name
        self._within_ns = round(within_seconds * NS_PER_SECOND)
        self._since_ns: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is due."""
        return self._since_ns is not None

    def start(self) -> None:
        """It is due from now on."""
        self._since_ns = self._laws.now_ns()

    def settle(self, done: bool) -> bool:
        """Note that it has happened, if it has in time; say so."""
        if done and self._since_ns is not None and self._laws.now_ns() - self._since_ns <= self._within_ns:
            self._since_ns = None
        return not self.is_open

    def check(self, what: str) -> None:
        """Raise Overdue if the bound has passed."""
        if self._since_ns is not None and self._laws.now_ns() - self._since_ns > self._within_ns:
            self.fail(what)

    def fail(self, what: str) -> None:
        """Raise Overdue, with since when and how long was allowed."""
        now_ns = self._laws.now_ns()
        since_ns = now_ns if self._since_ns is None else self._since_ns
        allowed = f"{self._within_ns / NS_PER_SECOND:g} s are allowed"
        self._laws.overdue(f"{self._name}: {what}: since {_seconds(since_ns)}, now {_seconds(now_ns)}; {allowed}")


def _seconds(time_ns: int) -> str:
    return f"{time_ns / NS_PER_SECOND:.6f} s"


# --- over a history


def always_in(operations: Iterable[Operation], name: str, holds: Callable[[Operation], bool]) -> HistoryReport:
    """Judge that something holds of each operation."""
    found = tuple(operations)
    return HistoryReport(name=name, causes=len(found), broken=tuple(str(each) for each in found if not holds(each)))


def eventually_in(
    operations: Iterable[Operation], name: str, holds: Callable[[Operation], bool], *, within_seconds: float
) -> HistoryReport:
    """Judge that something holds of an operation that was answered within so much virtual time of the run."""
    bound_ns = within_seconds * NS_PER_SECOND
    done = any(holds(each) and (each.completed_ns or 0) <= bound_ns for each in operations if each.end is not None)
    return HistoryReport(name=name, causes=1, broken=() if done else (f"not within {within_seconds:g} s",))


def leads_to_in(
    operations: Iterable[Operation],
    name: str,
    cause: Callable[[Operation], bool],
    effect: Callable[[Operation, Operation], bool],
    *,
    within_seconds: float,
) -> HistoryReport:
    """Judge that each operation that is a cause is followed by one that is its effect.

    The time runs from the answer to the cause, or from its invocation if nobody answered, to the answer to the effect,
    which is given the cause and itself. Causes whose bound passes the last answer of the history are owed nothing.
    """
    found = tuple(operations)
    ended_ns = max((_told_ns(each) for each in found), default=0)
    causes = [each for each in found if cause(each)]
    broken: list[str] = []
    for each in causes:
        due_ns = _told_ns(each) + round(within_seconds * NS_PER_SECOND)
        followed = any(
            other.end is not None and other.end > each.start and _told_ns(other) <= due_ns and effect(each, other)
            for other in found
        )
        if not followed and due_ns < ended_ns:
            broken.append(f"nothing followed {each} within {within_seconds:g} s of {_seconds(_told_ns(each))}")
    return HistoryReport(name=name, causes=len(causes), broken=tuple(broken))


def _told_ns(operation: Operation) -> int:
    return operation.invoked_ns if operation.completed_ns is None else operation.completed_ns
