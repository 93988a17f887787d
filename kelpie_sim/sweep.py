"""Sweep: fail the k-th operation for k = 0, 1, 2, ... until the run has no k-th operation.

Where a campaign samples, a sweep is complete: each place at which a fault can strike is struck once. It finds the dull
error paths that chance seldom meets.
"""

from collections.abc import Callable

import attrs

from kelpie_sim import guards
from kelpie_sim.errors import FaultNeverFired, SimulationError
from kelpie_sim.faults import Fault
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate

KTH_MAX = 10_000

MakeRun = Callable[[int], Outcome]


def sweep(make_run: MakeRun, *, kth_max: int = KTH_MAX) -> tuple[Outcome, ...]:
    """Return the outcome of failing the k-th matching operation, for each k that the run reaches.

    `make_run` runs with one fault that spares the first k. Raise FaultNeverFired when even the first is never reached:
    such a sweep proves nothing. Raise SimulationError when the end is not reached within `kth_max` runs.
    """
    outcomes: list[Outcome] = []
    with guards.batch():
        for kth in range(kth_max):
            outcome = make_run(kth)
            if _is_past_the_end(outcome, kth):
                if kth == 0:
                    raise FaultNeverFired(f"the sweep of {outcome.scenario} meets no operation that it could fail")
                return tuple(outcomes)
            outcomes.append(outcome)
            if not _reaches(outcome, kth):
                # The run failed by itself before its k-th operation: later ones cannot be judged.
                return tuple(outcomes)
    raise SimulationError(f"the sweep has not reached the end of the run after {kth_max} runs")


def _reaches(outcome: Outcome, kth: int) -> bool:
    """Say whether a run came to its k-th matching operation, whatever the fault did there."""
    return sum(report.matched for report in outcome.faults) > kth


def _is_past_the_end(outcome: Outcome, kth: int) -> bool:
    """Say whether a run went well and had no k-th operation; that its fault never fired is then no finding."""
    went_well = outcome.finding is None or outcome.finding.kind is FindingKind.FAULT_NEVER_FIRED
    return went_well and not _reaches(outcome, kth)


def failing_kth(scenario: Scenario, seed: int, fault: Fault, *, persistent: bool = False) -> MakeRun:
    """Return the runs of a sweep: the scenario with this fault in place of its own, once or from the k-th on.

    Raise ValueError for a fault with `after`: a sweep counts from the first operation.
    """
    if fault.after:
        raise ValueError("a sweep counts from the first operation: give it a fault without `after`")

    def run(kth: int) -> Outcome:
        max_triggers = None if persistent else 1
        struck = attrs.evolve(fault, probability=1.0, after=kth, max_triggers=max_triggers)
        return simulate(attrs.evolve(scenario, faults=lambda swarm: (struck,)), seed)

    return run
