"""Trials: runs along edited tapes, counted, remembered, and held against the best so far.

A trial is kept when its finding has the same signature and the run is smaller. What is kept is not the edited tape but
the one that the run really drew: an edit may shorten the run, or make it ask for other things. Equal choices are never
run twice. When runs or time are spent, `Spent` ends the search wherever it stands; the best so far is what counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.faults import MUTED_STREAM
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.choices import Choices
from kelpie_sim.shrink.line import Line, Plan, PlannedLine, deviations
from kelpie_sim.simulation import World, simulate
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.tape import Tape

STEPS_FACTOR = 4
STEPS_MORE = 1_000


class Spent(Exception):
    """No more runs are allowed."""


@attrs.frozen(kw_only=True, order=True)
class Size:
    """How large a failing run is, in the order in which its parts matter."""

    harm: int
    """Order deviations and faults fired, together."""
    overtakings: int
    """Choices of the order other than 0: each lets a step go before the first in line."""
    choices: int
    """Choices other than 0 that are neither: workload, latencies, options."""
    steps: int
    total: int
    """The sum of all choices."""
    deviations: int
    """Departures from asyncio's own order: of one sentence each."""
    faults: int
    """Faults fired."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a search has come."""

    runs: int
    runs_max: int
    size: Size


@attrs.frozen(kw_only=True)
class Trial:
    """A failing run, by its choices."""

    choices: Choices
    line: Line
    outcome: Outcome
    size: Size


class Trials:
    """Runs edited tapes of one failure. `best` is the smallest run so far with the finding that is looked for."""

    def __init__(
        self,
        scenario: Scenario,
        outcome: Outcome,
        *,
        runs_max: int,
        seconds_max: float,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Run the failure itself, as the first trial.

        Raise ValueError for a run that did not fail, and NonDeterminism when it does not fail that way again.
        """
        if outcome.finding is None:
            raise ValueError(f"seed {outcome.seed} of {outcome.scenario} did not fail: there is nothing to shrink")
        self.runs = 0
        self._scenario = _bounded(scenario, outcome)
        self._seed = outcome.seed
        self._signature = outcome.finding.signature
        self._runs_max = runs_max
        self._started = time.perf_counter()
        self._ends = self._started + seconds_max
        self._progress = progress
        self._tried: set[Choices] = set()
        self._planned: dict[tuple[Choices, Plan], bool] = {}
        first = self._along(Tape.replaying(outcome.tape, strict=False))
        if first is None:
            raise NonDeterminism(
                f"seed {outcome.seed} of {outcome.scenario} does not fail with {self._signature} again"
            )
        self.first = self.best = first

    @property
    def seconds(self) -> float:
        """The time since the start of the search."""
        return time.perf_counter() - self._started

    @property
    def left(self) -> int:
        """How many runs are left."""
        return self._runs_max - self.runs

    def keeps(self, choices: Choices) -> bool:
        """Run along these choices and say whether that is the best run now. Raise Spent when no run is left."""
        if choices in self._tried:
            return False
        self._tried.add(choices)
        return self._better(self._run(choices))

    def reproduces(self, plan: Plan) -> bool:
        """Run the best choices in asyncio's own order but for this plan; keep it if that is the best run now.

        Return whether it fails as it should. Raise Spent when no run is left.
        """
        rest = self.best.choices.without(SCHEDULE_STREAM)
        if (rest, plan) not in self._planned:
            trial = self._run(rest, plan)
            self._better(trial)
            self._planned[rest, plan] = trial is not None
        return self._planned[rest, plan]

    def _better(self, trial: Trial | None) -> bool:
        better = trial is not None and trial.size < self.best.size
        if trial is not None and better:
            self.best = trial
        self._progress(Progress(runs=self.runs, runs_max=self._runs_max, size=self.best.size))
        return better

    def _run(self, choices: Choices, plan: Plan | None = None) -> Trial | None:
        if self.runs >= self._runs_max or time.perf_counter() > self._ends:
            raise Spent
        return self._along(Tape.replaying(choices.tape(), strict=False), plan)

    def _along(self, tape: Tape, plan: Plan | None = None) -> Trial | None:
        """Run along a tape; return nothing unless it fails as it should."""
        self.runs += 1
        lines: list[Line] = []

        def line(world: World) -> Line:
            lines.append(Line(world.streams) if plan is None else PlannedLine(world.streams, plan))
            return lines[0]

        outcome = simulate(self._scenario, self._seed, tape=tape, strategy=line)
        if outcome.finding is None or outcome.finding.signature != self._signature:
            return None
        choices = Choices.on(tape)
        self._tried.add(choices)
        return Trial(choices=choices, line=lines[0], outcome=outcome, size=size_of(outcome, choices, lines[0]))


def _bounded(scenario: Scenario, outcome: Outcome) -> Scenario:
    """Return the scenario with a step limit that an edit, which may let it spin, reaches soon."""
    if outcome.steps >= scenario.step_limit:
        return scenario
    limit = outcome.steps * STEPS_FACTOR + STEPS_MORE
    return attrs.evolve(scenario, step_limit=min(limit, scenario.step_limit))


def size_of(outcome: Outcome, choices: Choices, line: Line) -> Size:
    """Return the size of a run."""
    found = len(deviations(line.overtakings))
    faults = sum(report.fired for report in outcome.faults)
    rest = choices.without(SCHEDULE_STREAM, MUTED_STREAM)
    return Size(
        harm=found + faults,
        overtakings=len(choices.of(SCHEDULE_STREAM)),
        choices=len(rest),
        steps=outcome.steps,
        total=choices.without(MUTED_STREAM).total(),
        deviations=found,
        faults=faults,
    )
