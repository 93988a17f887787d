"""All orders of a small program, those nearest to asyncio's own first: a search that ends is a proof.

Delay-bounded scheduling (Emmi, Qadeer, Rakamaric, POPL 2011): first the run without any deviation from first come
first served, then all runs with one, with two, and so on. Each order is tried once: a run with one more deviation
differs from its parent only after the parent's last one. Most bugs need one or two, so they come early; and where no
run has a further choice to offer, every order there is was seen, and the program is right under all of them, as far as
order goes: all other streams (faults, sizes, latencies) stay as they are on `base`, plain without one.
"""

from collections.abc import Callable, Iterable, Iterator

import attrs

from kelpie_sim import guards
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.simulation import simulate
from kelpie_sim.strategies import SCHEDULE_STREAM, RandomPick
from kelpie_sim.tape import Tape

SCHEDULES_MAX = 10_000
# Which picks do not take the first in line, and whom they take instead.
Deviations = tuple[tuple[int, int], ...]


@attrs.frozen(kw_only=True)
class Exploration:
    """What came of trying all orders."""

    complete: bool
    """Every order that the program has was tried, and none failed: a proof."""
    schedules: int
    """How many runs that took."""
    deviations: int
    """All orders of up to so many deviations were tried, without a failure; -1 if not even the plain one."""
    failing: Tape | None = attrs.field(default=None, eq=False)
    """What the run drew that failed, if one did: none fails with fewer deviations."""


def explore(
    fails: Callable[[Tape], bool],
    *,
    schedules_max: int = SCHEDULES_MAX,
    deviations_max: int | None = None,
    base: Tape | None = None,
) -> Exploration:
    """Try orders until one fails, all are tried, or so many runs or deviations are spent.

    `fails` runs the program along the tape that it is given, picking by RandomPick, and says whether it failed.
    """
    others = {} if base is None else {name: base.choices(name) for name in base.names() if name != SCHEDULE_STREAM}
    schedules, reached = 0, -1
    level: Iterable[Deviations] = ((),)
    while deviations_max is None or reached < deviations_max:
        runs: list[tuple[Deviations, tuple[int, ...]]] = []
        for deviations in level:
            if schedules == schedules_max:
                return Exploration(complete=False, schedules=schedules, deviations=reached)
            schedules += 1
            tape = Tape.replaying(Tape.of({**others, SCHEDULE_STREAM: _pairs(deviations)}), strict=False)
            if fails(tape):
                return Exploration(complete=False, schedules=schedules, deviations=reached, failing=tape)
            runs.append((deviations, tuple(bound for bound, _ in tape.choices(SCHEDULE_STREAM))))
        if not runs:
            return Exploration(complete=True, schedules=schedules, deviations=reached)
        reached += 1
        level = _one_more(runs)
    return Exploration(complete=not any(True for _ in level), schedules=schedules, deviations=reached)


def explore_scenario(
    scenario: Scenario,
    seed: int,
    *,
    schedules_max: int = SCHEDULES_MAX,
    deviations_max: int | None = None,
    base: Tape | None = None,
) -> tuple[Exploration, Outcome | None]:
    """Do the same with a scenario; return the outcome of the run that failed too."""
    failed: list[Outcome] = []

    def fails(tape: Tape) -> bool:
        # Not by the scenario's own strategy: it might leave no record of its picks.
        outcome = simulate(scenario, seed, tape=tape, strategy=lambda world: RandomPick(_schedule(world.streams)))
        failed.extend([outcome] if outcome.finding else [])
        return bool(failed)

    with guards.batch():
        found = explore(fails, schedules_max=schedules_max, deviations_max=deviations_max, base=base)
    return found, failed[0] if failed else None


def _schedule(streams: Streams) -> Stream:
    return streams.stream(SCHEDULE_STREAM)


def _pairs(deviations: Deviations) -> list[tuple[int, int]]:
    """Return the choices up to the last deviation; the bounds are no more than fit, as a lenient replay allows."""
    pairs: list[tuple[int, int]] = []
    for index, choice in deviations:
        pairs += [(1, 0)] * (index - len(pairs))
        pairs.append((choice + 1, choice))
    return pairs


def _one_more(runs: list[tuple[Deviations, tuple[int, ...]]]) -> Iterator[Deviations]:
    """Yield the deviations of each run with one more after its last; `runs` come with the bounds of their picks."""
    for deviations, bounds in runs:
        first = deviations[-1][0] + 1 if deviations else 0
        for index in range(first, len(bounds)):
            for choice in range(1, bounds[index]):
                yield (*deviations, (index, choice))
