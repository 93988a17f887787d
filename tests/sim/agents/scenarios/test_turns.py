"""The scenarios of turns: everything that they mean to reach is reached, and a planted bug is found."""

import pytest

from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.service import turns as turns_service
from kelpie_sim.agents.scenarios.turns import SCENARIOS
from kelpie_sim.agents.tools import ScriptedTools
from tests.sim.agents.scenarios.planted import all_findings, faulty, first_finding, named, never_hit

REACHING = [scenario for scenario in SCENARIOS if scenario.sometimes]
# Of a hundred seeds not one may hit these.
HARMED = [scenario for scenario in SCENARIOS if scenario.name != "turn"]


@pytest.mark.parametrize("scenario", REACHING, ids=lambda scenario: scenario.name)
def test_what_must_happen_sometimes_does(scenario):
    """Everything happens that the scenario says must happen sometimes, but for what takes a whole campaign."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", HARMED, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


async def edit_nothing(tx, agent, call, turn, now, block_id):
    """Report an edit that is not made."""
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text="done")


def test_edit_that_is_not_made_is_found(monkeypatch):
    """A turn whose memory edit is reported and not stored is found by reading the block back."""
    monkeypatch.setattr(turns_service, "edit_in", edit_nothing)
    assert "turn: the block reads ''" == first_finding(named(SCENARIOS, "turn"))


def test_tool_that_runs_twice_is_found(monkeypatch):
    """A tool that takes effect twice is found in the ledger."""
    effect = ScriptedTools._effect

    def doubled(self, name, arguments):
        effect(self, name, arguments)
        return effect(self, name, arguments)

    monkeypatch.setattr(ScriptedTools, "_effect", doubled)
    assert "turn: the tool did not take effect once" == first_finding(named(SCENARIOS, "turn"))
    assert "effects: a tool that must not run twice did" == first_finding(named(SCENARIOS, "turn-faults"))


def test_return_that_is_changed_is_found(monkeypatch):
    """A tool's return that does not read back is found, whatever else is found first."""
    monkeypatch.setattr(ScriptedTools, "_effect", lambda self, name, arguments: "other")
    found = all_findings(named(SCENARIOS, "custom-tool-stream"))
    assert {"tool: its return does not read back"} == {each for each in found if each.startswith("tool: ")}
