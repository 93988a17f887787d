"""The scenarios of many agents: what they mean to reach is reached, and a lost update is found."""

import pytest

from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.service import turns as turns_service
from kelpie_sim.agents.scenarios.sharing import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


def test_all_lines_are_there_sometimes():
    """In some seed all lines of all writers reach the block."""
    assert set() == never_hit(named(SCENARIOS, "shared-block"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario, 8)
    assert len(outcomes) >= 3
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_lost_update_is_found(monkeypatch):
    """An edit that is reported and not in the shared block is found."""

    async def edit_nothing(tx, agent, call, turn, now, block_id=""):
        return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text="done")

    monkeypatch.setattr(turns_service, "edit_in", edit_nothing)
    assert "edits: a reported edit is not in the block once" == first_finding(named(SCENARIOS, "shared-block"))
