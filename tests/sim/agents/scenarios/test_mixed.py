"""Everything at once: the seed draws the options, and a planted bug is found among all the harm."""

import pytest

from kelpie_sim.agents.scenarios.mixed import SCENARIOS
from kelpie_sim.agents.tools import ScriptedTools
from kelpie_sim.simulation import simulate
from tests.sim.agents.scenarios.planted import faulty, first_finding, seeds

(MIXED,) = SCENARIOS


def test_harm_is_done():
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(MIXED)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


@pytest.mark.parametrize(
    ("option", "values"),
    [("servers", {1, 2, 3}), ("agents", {1, 2, 3, 4}), ("clients", {1, 2, 3, 4}), ("sqlite", {True, False})],
)
def test_options_are_drawn(option, values):
    """Over some seeds the swarm draws every size, and both stores."""
    assert values == {simulate(MIXED, seed).options[option] for seed in seeds(MIXED, 30)}


def test_tool_that_runs_twice_is_found(monkeypatch):
    """A tool that takes effect twice is found in the ledger."""
    effect = ScriptedTools._effect

    def doubled(self, name, arguments):
        effect(self, name, arguments)
        return effect(self, name, arguments)

    monkeypatch.setattr(ScriptedTools, "_effect", doubled)
    assert "effects: a tool that must not run twice did" == first_finding(MIXED)
