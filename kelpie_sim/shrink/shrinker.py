"""Shrinking: all passes over faults, order, streams and workload together, until none makes the run smaller.

The result fails with the same signature and replays from its tape alone, in any process of the same Python version.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs

from kelpie_sim import guards
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.shrink import ordering, passes
from kelpie_sim.shrink.trials import Progress, Size, Spent, Trials
from kelpie_sim.simulation import OPTIONS_STREAM
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.tape import Tape

RUNS_MAX = 300
SECONDS_MAX = 60.0


@attrs.frozen(kw_only=True)
class Shrunk:
    """A failure made small. `outcome` is the small run; its tape alone replays it, strictly."""

    outcome: Outcome
    runs: int
    """How many runs it took."""
    seconds: float
    before: Size
    after: Size


def shrink(
    scenario: Scenario,
    outcome: Outcome,
    *,
    runs_max: int = RUNS_MAX,
    seconds_max: float = SECONDS_MAX,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Shrunk:
    """Return the smallest run found with the finding of a failed one; the same for the same failure and `runs_max`.

    Time ends the search too, but only as a last resort: what it ends may end elsewhere on another machine.
    Raise ValueError for a run that did not fail, and NonDeterminism when the failure does not replay.
    """
    with guards.batch():
        trials = Trials(scenario, outcome, runs_max=runs_max, seconds_max=seconds_max, progress=progress)
        with suppress(Spent):
            _search(trials, scenario)
    best = trials.best
    return Shrunk(
        outcome=best.outcome, runs=trials.runs, seconds=trials.seconds, before=trials.first.size, after=best.size
    )


def _search(trials: Trials, scenario: Scenario) -> None:
    passes.calm(trials)
    while True:
        before = trials.best.size
        passes.mute_faults(trials, _fault_count(trials, scenario))
        ordering.fewer_deviations(trials)
        passes.plain_streams(trials)
        for name in passes.other_streams(trials.best.choices):
            passes.cut_tail(trials, name)
            passes.drop_blocks(trials, name)
            passes.cut_blocks(trials, name)
            passes.lower_choices(trials, name)
        if trials.best.size == before:
            ordering.other_deviations(trials)
        if trials.best.size == before:
            break
    passes.lower_choices(trials, SCHEDULE_STREAM)


def _fault_count(trials: Trials, scenario: Scenario) -> int:
    """Return how many faults the scenario has under the options of the best run."""
    streams = Streams(trials.best.outcome.seed, Tape.replaying(trials.best.choices.tape(), strict=False))
    return len(scenario.faults(Swarm(streams.stream(OPTIONS_STREAM))))
