"""What can go wrong on purpose: typed faults, filters on where they strike, and the board that decides.

A port declares its fault kinds as subclasses of `Fault` and asks the board at each operation: "does something go wrong
here?". The answer is a verdict, which the port fires exactly when the fault changed something. The laws:

- A filter that names no known operation is refused when the board is built; so is a port that nobody serves.
- An operation *matches* a fault if its name, host, subject and time fit and the port says that the fault can act
  there. `after` counts matching operations of this fault only.
- Each fault draws from its own stream, and only at a matching operation after `after`, while triggers are left:
  adding, removing or exhausting one fault moves no other.
- Several faults may strike at one place: the first decides, the others still count and draw as if it were not there.
- A fault counts as fired only where it changed something. A fault of probability 1 that never fired fails the run.
- A tape can mute faults, by index, in its stream "faults/muted": such a fault keeps its index and its stream's name,
  but is never asked, never reported, and need not fire. So a shrinker takes a fault away and moves no other, and the
  tape alone still replays the run.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar

import attrs

from kelpie_sim.errors import FaultNeverFired, UnknownOperation
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace

NS_PER_SECOND = 1_000_000_000
MUTED_STREAM = "faults/muted"

Applies = Callable[["Fault"], bool] | tuple[type["Fault"], ...]


@attrs.frozen(kw_only=True)
class Fault:
    """Something that goes wrong with `probability` at each operation that fits. Each port has its subclasses."""

    port: ClassVar[str] = ""
    kind: ClassVar[str] = "Fault"

    probability: float = attrs.field(default=1.0)
    on: str | tuple[str, ...] = "*"
    """Names of operations, or globs."""
    hosts: tuple[str, ...] = ()
    """On these hosts only, by name or glob; empty: on any, and where there is none."""
    subjects: tuple[str, ...] = ()
    """When done to one of these, such as ids of agents; empty: to anything."""
    after: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """How many matching operations are spared first."""
    max_triggers: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(0)))
    between: tuple[float, float] | None = attrs.field(default=None)
    """From the first to before the second virtual second."""

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__

    @probability.validator
    def _check_probability(self, _: object, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"{self.kind}.probability is {value}: from 0 to 1")

    @between.validator
    def _check_between(self, _: object, value: tuple[float, float] | None) -> None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError(f"{self.kind}.between is {value}: start before end, neither below 0")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The filter on names as a tuple."""
        return (self.on,) if isinstance(self.on, str) else self.on


@attrs.frozen(kw_only=True)
class FaultReport:
    """What became of the faults of one kind in a run, or over many."""

    kind: str
    matched: int = 0
    """Operations at which they could have acted."""
    fired: int = 0
    """Times that they changed something."""
    never_reached: int = 0
    """How many of them met no matching operation."""

    def __add__(self, other: "FaultReport") -> "FaultReport":
        return FaultReport(
            kind=self.kind,
            matched=self.matched + other.matched,
            fired=self.fired + other.fired,
            never_reached=self.never_reached + other.never_reached,
        )


class Verdict:
    """A fault that strikes here. Fire it when it changed something; waive it when it turned out that it cannot."""

    __slots__ = ("_armed", "_operation", "_settled", "_tell", "_trace", "_whom", "fault")

    def __init__(
        self,
        armed: "_Armed",
        operation: str,
        whom: tuple[str | None, str | None],
        trace: Trace,
        tell: Callable[[str], None],
    ) -> None:
        self.fault = armed.fault
        self._armed = armed
        self._operation = operation
        self._whom = whom
        self._trace = trace
        self._tell = tell
        self._settled = False

    def fire(self) -> None:
        """Count the fault as fired and put it on the trace."""
        self._settle()
        self._armed.fired += 1
        self._trace.record("fault", self._armed.index, self.fault.kind, self._operation)
        host, subject = self._whom
        where = f" on {host}" if host else ""
        self._tell(f"fault: {self.fault.kind} at {self._operation}{where}{f' ({subject})' if subject else ''}")

    def waive(self) -> None:
        """Give the trigger back: nothing was changed after all."""
        self._settle()
        self._armed.claimed -= 1

    def _settle(self) -> None:
        assert not self._settled, f"a verdict is fired or waived once: {self.fault.kind} at {self._operation}"
        self._settled = True


class _Armed:
    """A fault on the board: its counters and its own stream."""

    __slots__ = ("_fits", "claimed", "fault", "fired", "from_ns", "index", "matched", "stream", "until_ns")

    def __init__(self, index: int, fault: Fault, stream: Stream) -> None:
        self.index = index
        self.fault = fault
        self.stream = stream
        self.from_ns, self.until_ns = (round(at * NS_PER_SECOND) for at in fault.between) if fault.between else (0, 0)
        self.matched = 0
        self.claimed = 0
        self.fired = 0
        # By host: there are few, and each is asked for again and again.
        self._fits: dict[str | None, bool] = {}

    def fits(self, host: str | None) -> bool:
        """Say whether a host is one of those that the fault names."""
        found = self._fits.get(host)
        if found is None:
            patterns = self.fault.hosts
            found = self._fits[host] = host is not None and any(fnmatchcase(host, pattern) for pattern in patterns)
        return found

    def matches(self, host: str | None, subject: str | None, now_ns: int, applies: Applies | None) -> bool:
        """Say whether an operation of a fitting name is one at which this fault can act."""
        fault = self.fault
        return (
            (not fault.hosts or self.fits(host))
            and (not fault.subjects or subject in fault.subjects)
            and (not self.until_ns or self.from_ns <= now_ns < self.until_ns)
            and (applies is None or (isinstance(fault, applies) if isinstance(applies, tuple) else applies(fault)))
        )

    def strikes(self) -> bool:
        """Count a matching operation and say whether the fault strikes at it."""
        self.matched += 1
        fault = self.fault
        if self.matched <= fault.after or self.claimed == fault.max_triggers:
            return False
        return self.stream.chance(fault.probability)

    def report(self) -> FaultReport:
        """Return what became of this fault."""
        reached = self.matched > 0
        return FaultReport(
            kind=self.fault.kind, matched=self.matched, fired=self.fired, never_reached=0 if reached else 1
        )


def _say_nothing(line: str) -> None:
    pass


class FaultBoard:
    """All faults of a run, and the one place that decides which of them strikes where."""

    def __init__(
        self,
        faults: Iterable[Fault],
        operations: Mapping[str, frozenset[str]],
        streams: Streams,
        now_ns: Callable[[], int],
        trace: Trace,
        tell: Callable[[str], None] = _say_nothing,
    ) -> None:
        """Arm the faults; each that fires is told in a line.

        Raise UnknownOperation for one whose port or operation is not among `operations` (by port).
        """
        self.active = True
        self._operations = operations
        self._now_ns = now_ns
        self._trace = trace
        self._tell = tell
        self._armed: list[_Armed] = []
        self._at: dict[tuple[str, str], list[_Armed]] = {}
        muted = _muted(streams.tape)
        for index, fault in enumerate(faults):
            known = sorted(_matched_operations(fault, operations))
            if index not in muted:
                self._arm(_Armed(index, fault, streams.stream(f"fault/{index}/{fault.kind}")), known)

    def _arm(self, armed: _Armed, operations: Iterable[str]) -> None:
        for operation in operations:
            self._at.setdefault((armed.fault.port, operation), []).append(armed)
        self._armed.append(armed)

    def verdict(
        self,
        port: str,
        operation: str,
        *,
        host: str | None = None,
        subject: str | None = None,
        applies: Applies | None = None,
    ) -> Verdict | None:
        """Return the fault that strikes at this operation, if any; `applies` tells which kinds this place can act out.

        Raise UnknownOperation when the port does not declare the operation: no filter could ever have named it.
        """
        candidates = self._at.get((port, operation))
        if candidates is None:
            self._check_known(port, operation)
            return None
        if not self.active:
            return None
        now_ns = self._now_ns()
        # Every candidate counts and draws, also behind the one that decides: no stream depends on another fault.
        struck = [armed for armed in candidates if armed.matches(host, subject, now_ns, applies) and armed.strikes()]
        if not struck:
            return None
        struck[0].claimed += 1
        return Verdict(struck[0], operation, (host, subject), self._trace, self._tell)

    def _check_known(self, port: str, operation: str) -> None:
        if operation not in self._operations.get(port, ()):
            raise UnknownOperation(
                f"port {port!r} performs {operation!r}, which the scenario's operations do not declare"
            )

    def risky(self, port: str) -> frozenset[str]:
        """Return the operations of a port at which some fault may strike; a port need not ask at the others."""
        return frozenset(operation for known, operation in self._at if known == port)

    def lift(self) -> None:
        """End all faults: from now on nothing goes wrong."""
        self.active = False
        self._trace.record("faults lifted")

    def report(self) -> tuple[FaultReport, ...]:
        """Return what became of the faults, per kind, in the order in which the kinds were given."""
        kinds: dict[str, FaultReport] = {}
        for armed in self._armed:
            kind = armed.fault.kind
            one = armed.report()
            kinds[kind] = kinds[kind] + one if kind in kinds else one
        return tuple(kinds.values())

    def check_never_fired(self) -> None:
        """Raise FaultNeverFired when a fault that had to fire did not: its filter, or its port, is wrong."""
        silent = [armed for armed in self._armed if _had_to_fire(armed.fault) and not armed.fired]
        if silent:
            raise FaultNeverFired("; ".join(_silence(armed) for armed in silent))


def _muted(tape: Tape) -> frozenset[int]:
    """Return the indices of the faults that the tape mutes, if it replays, and keep them on the tape."""
    channel = tape.channel(MUTED_STREAM)
    script = [] if channel.script is None else list(channel.script.choices())
    for choice in script:
        channel.record(2, choice)
    return frozenset(index for index, choice in enumerate(script) if choice)


def _had_to_fire(fault: Fault) -> bool:
    return fault.probability == 1 and fault.max_triggers != 0


def _silence(armed: _Armed) -> str:
    fault = armed.fault
    where = f"{fault.kind}(on={', '.join(fault.patterns)}, after={fault.after})"
    return f"{where} has probability 1 and never fired; it met {armed.matched} matching operations"


def _matched_operations(fault: Fault, operations: Mapping[str, frozenset[str]]) -> set[str]:
    """Return the operations that a fault's filter names; raise UnknownOperation for a part of it that names none."""
    known = operations.get(fault.port)
    if known is None:
        raise UnknownOperation(f"{fault.kind}: no port {fault.port!r}; known are {_listed(operations)}")
    matched: set[str] = set()
    for pattern in fault.patterns or ("",):  # an empty filter names nothing either
        hits = {operation for operation in known if fnmatchcase(operation, pattern)}
        if not hits:
            what = f"{fault.kind}: {pattern!r} matches no operation of {fault.port}"
            raise UnknownOperation(f"{what}; known are {_listed(known)}")
        matched |= hits
    return matched


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
