"""Every scenario of Kelpie for a few fresh seeds: a smoke test of `make simulate`, and where one seed is replayed.

DST_SEED=12345 pytest tests/swarm/test_scenarios.py::test_scenario[mixed]
"""

import pytest

from kelpie_sim.agents.scenarios import SCENARIOS

FRESH_SEEDS = 6


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario, simulate):
    """No fresh seed finds anything, and each run was checked."""
    for outcome in simulate(scenario, seeds=FRESH_SEEDS):
        assert outcome.invariants["checks in place"]
