"""The generic programs hold under their faults, and each bug planted in them is found within a hundred seeds."""

import pytest

from kelpie_sim.outcome import FindingKind
from kelpie_sim.simulation import simulate
from tests.generic import maelstrom, scenarios

SEEDS = 4
SEEDS_MAX = 100

CORRECTNESS, LIVENESS = FindingKind.CORRECTNESS, FindingKind.LIVENESS
PLANTED = (
    (scenarios.log_scenario("hasty"), CORRECTNESS, "what is acknowledged is there, once"),
    (scenarios.log_scenario("greedy"), CORRECTNESS, "what is acknowledged is there, once"),
    (scenarios.log_scenario("stubborn"), CORRECTNESS, "what is acknowledged is there, once"),
    (scenarios.lies_scenario("trusting"), CORRECTNESS, "a record is what was appended"),
    (scenarios.sums_scenario("trusting"), CORRECTNESS, "each amount is added once"),
    (scenarios.sums_scenario("forgetful"), CORRECTNESS, "each amount is added once"),
    (scenarios.sums_scenario("hopeful"), LIVENESS, "the work is done"),
    (scenarios.payments_scenario("forgetful"), CORRECTNESS, "each transfer is made once"),
    (scenarios.payments_scenario("racy"), CORRECTNESS, "each transfer is made once"),
    (scenarios.leases_scenario("open"), CORRECTNESS, "no change is lost"),
    (scenarios.leases_scenario("loose"), CORRECTNESS, "no change is lost"),
    (scenarios.leases_scenario("forgetful"), CORRECTNESS, "no change is lost"),
    (scenarios.replicas_scenario("hasty"), CORRECTNESS, "linearizable register"),
    (scenarios.replicas_scenario("amnesiac"), CORRECTNESS, "linearizable register"),
    (maelstrom.ids_scenario("clocked"), CORRECTNESS, "each id is given out once"),
    (maelstrom.counters_scenario("summing"), CORRECTNESS, "each amount is counted once by each node"),
    (maelstrom.broadcast_scenario("hopeful"), LIVENESS, "what was acknowledged is everywhere"),
    (maelstrom.topics_scenario("eager"), CORRECTNESS, "serializable lists"),
)


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.name)
def test_program_holds(scenario):
    """A program that is right keeps its law under the faults of each seed."""
    assert [] == [outcome.finding for seed in range(SEEDS) if (outcome := simulate(scenario, seed)).failed]


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.name)
def test_run_is_the_same_again(scenario):
    """A seed is one run, with its faults, its crashes and its disks."""
    first, second = (simulate(scenario, SEEDS).digest for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("scenario", "kind", "law"), PLANTED, ids=[scenario.name for scenario, _, _ in PLANTED])
def test_planted_bug_is_found(scenario, kind, law):
    """A bug is found within a hundred seeds, and told by the law that it breaks."""
    finding = next(finding for seed in range(SEEDS_MAX) if (finding := simulate(scenario, seed).finding))
    assert (kind, True) == (finding.kind, law in finding.signature)
