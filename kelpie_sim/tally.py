"""What many runs came to, as values that add up: over seeds, over batches, over a whole campaign.

A failure is told once per signature, by its shortest run. Everything here travels between processes and into a journal.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from kelpie_sim.faults import FaultReport
from kelpie_sim.outcome import FindingKind, Outcome

V = TypeVar("V")


@attrs.frozen(kw_only=True)
class Found:
    """A failure: its shortest run, and how many seeds met it."""

    outcome: Outcome
    seeds: int = 1

    def __add__(self, other: "Found") -> "Found":
        shorter = min(self.outcome, other.outcome, key=lambda outcome: (outcome.steps, outcome.seed))
        return Found(outcome=shorter, seeds=self.seeds + other.seeds)


@attrs.frozen(kw_only=True)
class Row:
    """What the runs of one scenario came to."""

    scenario: str
    seeds: int = 0
    steps: int = 0
    virtual_ns: int = 0
    seconds: float = 0.0
    """Time spent by the processes, summed."""
    faults: Mapping[str, FaultReport] = attrs.field(factory=dict)
    invariants: Mapping[str, int] = attrs.field(factory=dict)
    sometimes: Mapping[str, int] = attrs.field(factory=dict)
    watermarks: Mapping[str, int] = attrs.field(factory=dict)
    buggify: Mapping[str, int] = attrs.field(factory=dict)
    found: Mapping[str, Found] = attrs.field(factory=dict)
    """By signature."""

    def __add__(self, other: "Row") -> "Row":
        return Row(
            scenario=self.scenario,
            seeds=self.seeds + other.seeds,
            steps=self.steps + other.steps,
            virtual_ns=self.virtual_ns + other.virtual_ns,
            seconds=self.seconds + other.seconds,
            faults=merged(self.faults, other.faults, lambda a, b: a + b),
            invariants=merged(self.invariants, other.invariants, lambda a, b: a + b),
            sometimes=merged(self.sometimes, other.sometimes, lambda a, b: a + b),
            watermarks=merged(self.watermarks, other.watermarks, max),
            buggify=merged(self.buggify, other.buggify, lambda a, b: a + b),
            found=merged(self.found, other.found, lambda a, b: a + b),
        )

    @property
    def never_fired(self) -> tuple[str, ...]:
        """The kinds of faults that changed nothing in any run."""
        return tuple(kind for kind, report in self.faults.items() if not report.fired)

    @property
    def never_hit(self) -> tuple[str, ...]:
        """What had to happen at least once, and did not."""
        return tuple(name for name, count in self.sometimes.items() if not count)


@attrs.frozen(kw_only=True)
class Progress:
    """How far a campaign has come."""

    scenario: str
    """Of the batch that just came back."""
    seeds_done: int
    seeds_all: int | None
    """None: it goes on until its time is over."""
    findings: int


@attrs.frozen(kw_only=True)
class CampaignResult:
    """What a campaign came to: a row per scenario, in the order in which they were given."""

    rows: tuple[Row, ...]
    seconds: float
    thorough: bool
    """Whether each scenario ran at least its own number of seeds; a shorter search may well have missed things."""
    interrupted: bool = False

    @property
    def found(self) -> tuple[Found, ...]:
        """All failures."""
        return tuple(found for row in self.rows for found in row.found.values())

    @property
    def faults(self) -> Mapping[str, FaultReport]:
        """What became of each kind of fault, over all scenarios."""
        kinds: Mapping[str, FaultReport] = {}
        for row in self.rows:
            kinds = merged(kinds, row.faults, lambda a, b: a + b)
        return kinds

    @property
    def unreached(self) -> tuple[str, ...]:
        """What never happened in a thorough search although it has to, as scenario: name."""
        return tuple(f"{row.scenario}: {name}" for row in self.rows for name in row.never_hit) if self.thorough else ()

    @property
    def exit_code(self) -> int:
        """0, or the code of the gravest failure; blindness of the search counts as one."""
        kinds = {found.outcome.finding.kind for found in self.found if found.outcome.finding}
        gravest = next((kind.exit_code for kind in FindingKind if kind in kinds), 0)
        return gravest or int(bool(self.unreached))


def row_of(outcome: Outcome) -> Row:
    """Return the row of a single run."""
    finding = outcome.finding
    return Row(
        scenario=outcome.scenario,
        seeds=1,
        steps=outcome.steps,
        virtual_ns=outcome.virtual_ns,
        faults={report.kind: report for report in outcome.faults},
        invariants=outcome.invariants,
        sometimes=outcome.sometimes,
        watermarks=outcome.watermarks,
        buggify=outcome.buggify,
        found={finding.signature: Found(outcome=outcome)} if finding else {},
    )


def merged(a: Mapping[str, V], b: Mapping[str, V], add: Callable[[V, V], V]) -> Mapping[str, V]:
    """Return both, what is in both added up."""
    return {**a, **{name: add(a[name], value) if name in a else value for name, value in b.items()}}
