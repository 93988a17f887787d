"""What a run came to: values that travel between processes, into reports and into the corpus."""

from collections.abc import Mapping
from enum import StrEnum

import attrs

from kelpie_sim.faults import FaultReport
from kelpie_sim.options import OptionValue
from kelpie_sim.trace import Entry


class FindingKind(StrEnum):
    """What sort of failure a run ended with; the command line has an exit code for each."""

    CORRECTNESS = "correctness"
    """The program did something wrong: an invariant or an assertion does not hold."""
    LIVENESS = "liveness"
    """The program does not come to an end: stalled, not settled, or past a limit."""
    CRASH = "crash"
    """An exception that nobody expected, or one that nobody awaited."""
    NONDETERMINISM = "nondeterminism"
    """The same choices did not give the same run."""
    FAULT_NEVER_FIRED = "fault-never-fired"
    """The simulation itself is wrong: a fault that had to act never did."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command line; 0 is success and 2 wrong usage."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    FindingKind.CORRECTNESS: 1,
    FindingKind.LIVENESS: 3,
    FindingKind.CRASH: 4,
    FindingKind.NONDETERMINISM: 5,
    FindingKind.FAULT_NEVER_FIRED: 1,
}


@attrs.frozen(kw_only=True)
class Finding:
    """Why a run failed."""

    kind: FindingKind
    signature: str
    """Equal for the same failure under other seeds: error class, check, place in the program; no ids."""
    message: str
    traceback: str = ""


@attrs.frozen(kw_only=True)
class Outcome:
    """All that is known of one run of a scenario."""

    scenario: str
    seed: int
    digest: str
    """Equal if and only if the runs were the same, record by record."""
    records: int
    steps: int
    virtual_ns: int
    python: str
    """The Python version: a digest holds for one minor version only."""
    finding: Finding | None = None
    faults: tuple[FaultReport, ...] = ()
    invariants: Mapping[str, int] = attrs.field(factory=dict)
    """How often each was checked."""
    sometimes: Mapping[str, int] = attrs.field(factory=dict)
    watermarks: Mapping[str, int] = attrs.field(factory=dict)
    """The highest value of each name that had one."""
    buggify: Mapping[str, int] = attrs.field(factory=dict)
    """How often each site fired, of those that were reached."""
    options: Mapping[str, OptionValue] = attrs.field(factory=dict)
    """What the swarm drew."""
    story: tuple[str, ...] = ()
    tape: bytes = b""
    """The choices of the run, kept when it failed or was to keep its trace."""
    entries: tuple[Entry, ...] = attrs.field(default=(), repr=False)
    """What happened, in order, if it was to be kept."""

    history: str = attrs.field(default="", repr=False)
    """What clients asked for and were told, as JSON lines, if it was to be kept."""

    @property
    def failed(self) -> bool:
        """Whether the run ended with a finding."""
        return self.finding is not None

    @property
    def trace(self) -> tuple[str, ...]:
        """The entries as lines of text."""
        return tuple(entry.line for entry in self.entries)
