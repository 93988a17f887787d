"""The scenario of deletion: it reaches its end, and an agent that comes back is found."""

import pytest

from kelpie_core.records import AGENTS, HEADS
from kelpie_core.service.agents import Agents
from kelpie_core.service.commit import commit
from kelpie_sim.agents.scenarios.deletion import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, never_hit

(DELETE_AT_WORK,) = SCENARIOS


def test_agent_is_gone_sometimes():
    """In some seed the agent is deleted."""
    assert set() == never_hit(DELETE_AT_WORK)


def test_harm_is_done():
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(DELETE_AT_WORK, 12)
    assert len(outcomes) >= 4
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


async def nothing(self, agent_id):
    """Delete nothing, and say that it is done."""


async def headless(self, agent_id):
    """Delete the head only."""
    await commit(self._ports, lambda tx: tx.delete(HEADS, (agent_id,)))


async def bodiless(self, agent_id):
    """Delete all but the head, and its messages never."""
    await commit(self._ports, lambda tx: tx.delete(AGENTS, (agent_id,)))


@pytest.mark.parametrize(
    ("delete", "finding"),
    [
        (nothing, "deletion: an agent that was deleted is there again"),
        (headless, "was not found"),
        (bodiless, "settled: messages of an agent that is not there are left"),
    ],
    ids=["nothing", "headless", "bodiless"],
)
def test_half_a_deletion_is_found(monkeypatch, delete, finding):
    """What is left of an agent that was deleted is found."""
    monkeypatch.setattr(Agents, "delete", delete)
    assert finding in first_finding(DELETE_AT_WORK)
