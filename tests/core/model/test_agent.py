"""An agent and its head: values that come back from the store as they were."""

import datetime as dt

import pytest

from kelpie_core.model.agent import Agent, AgentHead, AgentType, Lease, Span, TurnLimits
from kelpie_core.records import AGENTS, HEADS
from tests.twins import NOON


def agent() -> Agent:
    """Return an agent with something in most fields."""
    return Agent(
        id="agent-1",
        organization_id="org-1",
        created_by_id="user-1",
        name="Ada",
        agent_type=AgentType.MEMGPT,
        block_ids=("block-1", "block-2"),
        tool_rules=({"type": "run_first"},),
        metadata={"a": {"b": [1, None]}},
        secrets={"KEY": "hunter2"},
        limits=TurnLimits(steps_max=3),
        created_at=NOON,
        updated_at=NOON,
    )


def test_agent_comes_back_equal() -> None:
    """What is stored is read back equal, secrets included."""
    assert agent() == AGENTS.decode(AGENTS.encode(agent()))


def test_head_comes_back_equal() -> None:
    """The head keeps its window and its lease."""
    lease = Lease(holder="h", token=4, run_id="run-1", expires_at=NOON)
    head = AgentHead(agent_id="agent-1", seq_next=9, window=(Span(first=0, end=2),), token_last=4, lease=lease)
    assert head == HEADS.decode(HEADS.encode(head))


def test_secrets_are_not_shown() -> None:
    """Whoever prints an agent does not print its secrets."""
    assert "hunter2" not in repr(agent())


def test_lease_ends_at_an_aware_time() -> None:
    """A lease without a zone would end at another moment in each process."""
    with pytest.raises(ValueError, match="expires_at must be an aware time in UTC"):
        Lease(holder="h", token=1, run_id="r", expires_at=dt.datetime(2026, 1, 1))  # noqa: DTZ001
