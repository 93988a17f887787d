"""The scenarios of tool rules: everything that they mean to reach is reached, and a planted bug is found."""

import re

import pytest

from kelpie_core.turn.rules import ToolRules
from kelpie_sim.agents.scenarios.tool_rules import SCENARIOS
from kelpie_sim.agents.tools import ScriptedTools
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_must_happen_sometimes_does(scenario):
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


@pytest.mark.parametrize(("name", "answer"), [("_allows", True), ("ends", False)])
def test_rule_that_is_not_obeyed_is_found(monkeypatch, name, answer):
    """Rules that never refuse, or never end a turn, are found by what was called."""
    monkeypatch.setattr(ToolRules, name, lambda *arguments: answer)
    assert re.fullmatch("rules: [a-z]+ was not obeyed", first_finding(named(SCENARIOS, "tool-rules")))


def test_call_that_runs_twice_beside_others_is_found(monkeypatch):
    """A call that takes effect twice is found in the ledger."""
    effect = ScriptedTools._effect

    def doubled(self, name, arguments):
        effect(self, name, arguments)
        return effect(self, name, arguments)

    monkeypatch.setattr(ScriptedTools, "_effect", doubled)
    assert "effects: a tool that must not run twice did" == first_finding(named(SCENARIOS, "parallel-tools"))
