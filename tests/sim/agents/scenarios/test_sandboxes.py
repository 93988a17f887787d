"""The scenarios of sandboxes: what they mean to reach is reached, and what they look for is found."""

import attrs
import pytest

from kelpie_core.service import turns as turns_service
from kelpie_core.service.agent_view import settled
from kelpie_sim.agents.scenarios.sandboxes import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, named, never_hit


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_everything_is_reached_sometimes(scenario):
    """Sandboxes fail, calls are given up, edits are stored and refused, each in some seed."""
    assert set() == never_hit(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_harm_is_done(scenario):
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(scenario, 8)
    assert len(outcomes) >= 3
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


def test_edit_that_is_lost_is_found(monkeypatch):
    """An edit of which a tool was told that it is stored, and which is not, is found."""

    async def settle_nothing(tx, agent, returned, view, now):
        return returned

    monkeypatch.setattr(turns_service, "settled", settle_nothing)
    assert "agent state: the block is not what the tools were told" == first_finding(named(SCENARIOS, "agent-state"))


def test_return_that_is_stored_under_another_call_is_found(monkeypatch):
    """A return that answers no call is found."""

    async def settle_elsewhere(tx, agent, returned, view, now):
        return attrs.evolve(await settled(tx, agent, returned, view, now), tool_call_id="another")

    monkeypatch.setattr(turns_service, "settled", settle_elsewhere)
    assert first_finding(named(SCENARIOS, "sandbox-dies")) is not None
