"""Words for the stories: which operations a run meets, and failing each of them in turn."""

from collections.abc import Awaitable, Callable, Sequence

import attrs

from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import cluster_of, set_up
from kelpie_sim.agents.scenarios.turns import TURN
from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.sweep import failing_kth, sweep

SEED = 7
DONE, FAILED, BROKE = "stream ended well", "stream failed", "stream broke with an error"


def story(name: str, run: Callable[[World], Awaitable[None]], *ends: str) -> Scenario:
    """Return a scenario that may end in these ways."""
    return Scenario(name=name, run=run, operations=OPERATIONS, sometimes=ends)


async def peaceful(world: World) -> tuple[Cluster, str]:
    """Set up a cluster and an agent before any harm; return it with the agent's id."""
    world.faults.active = False
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    world.faults.active = True
    return cluster, agent.id


async def _streamed_turn(world: World) -> None:
    cluster, agent_id = await peaceful(world)
    op = await Client(cluster, "client").stream(agent_id, "m1", TURN, tokens=True)
    if op.outcome == "ok":
        world.sometimes.hit(FAILED if op.result["failed"] else DONE)
    else:
        world.sometimes.hit(BROKE)
    await audit(cluster)


# A turn with parallel tools and memory edits, streamed; whatever befalls it, the audit holds what the client was told.
STREAMED_TURN = story("streamed-turn", _streamed_turn, DONE, FAILED, BROKE)


def matching(scenario: Scenario, fault: Fault) -> int:
    """Return how many operations of a run without harm a fault could strike at."""
    spared = attrs.evolve(fault, probability=0.0)
    outcome = simulate(attrs.evolve(scenario, faults=lambda swarm: (spared,)), SEED)
    assert outcome.finding is None, outcome.finding
    (report,) = outcome.faults
    return report.matched


def swept(scenario: Scenario, fault: Fault, *, persistent: bool = False) -> tuple[Outcome, ...]:
    """Strike at each matching operation, once or from there on; check that none was left out, and that nothing failed.

    Up to its first strike a run with the fault is the run without, so the sweep ends exactly where that ends.
    """
    outcomes = sweep(failing_kth(scenario, SEED, fault, persistent=persistent))
    assert findings(outcomes) == []
    assert matching(scenario, fault) == len(outcomes)
    assert all(strikes(outcomes))
    return outcomes


def findings(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what went wrong, by the place at which the fault struck."""
    return [f"at {kth}: {each.finding.message}" for kth, each in enumerate(outcomes) if each.finding is not None]


def strikes(outcomes: Sequence[Outcome]) -> list[int]:
    """Return how often the fault struck in each run."""
    return [sum(report.fired for report in each.faults) for each in outcomes]


def ends(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how each run ended, in the words of its scenario."""
    return [" and ".join(name for name, times in each.sometimes.items() if times) for each in outcomes]
