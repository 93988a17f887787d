"""Edits of who runs when: as near to asyncio's own order as the failure allows.

The order of a failing run is first told as holds ("this step waits until that one is done"), which mean the same when
others are taken away, while an index into a tape does not. Holds are dropped in blocks, then one by one. What is left
is a tape again, whose choices are dropped as those of any stream. That ends where each deviation left is needed for the
others, which need not be the fewest; so while there are several, others are tried: one in the place of all, one in the
place of two, and tasks that start in another order.
"""

from __future__ import annotations

from collections.abc import Iterator

from kelpie_sim.shrink import passes
from kelpie_sim.shrink.choices import Choices
from kelpie_sim.shrink.line import Hold, Label, Plan, Rush, Turns
from kelpie_sim.shrink.trials import Trial, Trials
from kelpie_sim.strategies import SCHEDULE_STREAM

OVERTAKINGS_FEW = 3
STARTS_MAX = 8
PLACES = (1, 2, 3)


def fewer_deviations(trials: Trials) -> None:
    """Drop deviations: in blocks, then one by one; first as holds, then as choices."""
    if trials.best.size.deviations:
        fewer_parts(trials, trials.best.line.holds())
        if trials.best.size.deviations > 1:
            fewer_parts(trials, tuple(Hold(hold.who, None) for hold in trials.best.line.holds()))
        passes.cut_tail(trials, SCHEDULE_STREAM)
        passes.drop_blocks(trials, SCHEDULE_STREAM)


def fewer_parts(trials: Trials, plan: Plan) -> None:
    """Drop parts of a plan, the last first: blocks of half of them, of a quarter, ... of one."""
    size = (len(plan) + 1) // 2 if trials.reproduces(plan) else 0
    while size:
        end = len(plan)
        while end > 0:
            start = max(0, end - size)
            fewer = plan[:start] + plan[end:]
            if trials.reproduces(fewer):
                plan = fewer
            end = start
        size //= 2


def other_deviations(trials: Trials) -> None:
    """Look for fewer deviations of another kind, the cheapest to try first."""
    other_starts(trials)
    one_deviation(trials)
    one_for_two(trials)


def other_starts(trials: Trials) -> None:
    """Let tasks start the other way round, or in the order in which they came to some step in the best run."""
    line = trials.best.line
    steps = sorted({step for _, step in line.order})[:STARTS_MAX]
    ways = [[(whose, 1) for whose, at in line.order if at == step] for step in steps]
    for way in (line.starts[::-1], *ways):
        if trials.best.size.deviations > 1 and trials.reproduces((Turns(tuple(way)),)):
            passes.drop_blocks(trials, SCHEDULE_STREAM)


def one_for_two(trials: Trials) -> None:
    """Look for a single overtaking in the place of two neighbours."""
    before = None
    while trials.best.size.deviations > 1 and trials.best is not before:
        before = trials.best
        for choices in _merged(before):
            if trials.keeps(choices):
                break


def _merged(trial: Trial) -> Iterator[Choices]:
    """Yield the choices of a run with one overtaking, near either of two, in the place of both."""
    pairs = trial.choices.of(SCHEDULE_STREAM)
    for at in reversed(range(len(pairs) - 1)):
        (first, _), (second, _) = pairs[at : at + 2]
        near = {first - 1, first, first + 1, (first + second) // 2, second - 1, second, second + 1}
        for index in sorted(index for index in near if index >= 0):
            for place in PLACES:
                merged = {**dict(pairs[:at]), **dict(pairs[at + 2 :]), index: place}
                yield trial.choices.replaced(SCHEDULE_STREAM, sorted(merged.items()))


def one_deviation(trials: Trials) -> None:
    """Look for a single step to hold, or a single task to rush, in the place of all that deviates."""
    for plan in _single_plans(trials.best):
        if _is_short(trials.best):
            return
        trials.reproduces(plan)


def _is_short(trial: Trial) -> bool:
    return trial.size.deviations <= 1 and trial.size.overtakings <= OVERTAKINGS_FEW


def _single_plans(trial: Trial) -> Iterator[Plan]:
    """Yield a plan of one part for each step of a run, those first that the deviations of the run are made of."""
    line = trial.line
    involved = [label for each in line.overtakings for label in (each.taken, each.held)]
    labels: list[Label] = list(dict.fromkeys((*involved, *line.order)))
    for label in labels:
        yield (Rush(label),)
        yield (Hold(label, None),)
