"""What callers hand in."""

import attrs
import pytest

from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool
from kelpie_core.service.drafts import (
    UNSET,
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    MessageDraft,
    ToolChanges,
    ToolDraft,
    changed,
)
from tests.twins import NOON

BLOCK = Block(
    id="b",
    organization_id="o",
    created_by_id="u",
    label="l",
    value="v",
    description="d",
    created_at=NOON,
    updated_at=NOON,
)


def names(kind: type) -> set[str]:
    """Return the names of a value's fields."""
    return set(attrs.fields_dict(kind))


def test_changes_touch_what_is_set() -> None:
    """What is UNSET stays; null is a value like others."""
    changes = BlockChanges(value="", description=None)
    assert attrs.evolve(BLOCK, value="", description=None) == changed(BLOCK, changes)
    assert BLOCK == changed(BLOCK, BlockChanges())


@pytest.mark.parametrize(
    ("draft", "record", "own"),
    [
        (BlockDraft, Block, set()),
        (ToolDraft, Tool, set()),
        (AgentDraft, Agent, {"blocks", "tool_names"}),
        (MessageDraft, Message, set()),
    ],
)
def test_draft_becomes_a_record(draft: type, record: type, own: set[str]) -> None:
    """Each field of a draft is a field of what it becomes, but for those that name other things."""
    assert own == names(draft) - names(record)


@pytest.mark.parametrize(
    ("changes", "draft", "fixed"),
    [
        (BlockChanges, BlockDraft, {"extra"}),
        (ToolChanges, ToolDraft, {"extra", "tool_type"}),
        (AgentChanges, AgentDraft, {"extra", "agent_type", "blocks", "tool_names"}),
    ],
)
def test_what_can_be_created_can_be_changed(changes: type, draft: type, fixed: set[str]) -> None:
    """Changes have each field of the draft but for those that never change, all UNSET at first."""
    assert (fixed, set()) == (names(draft) - names(changes), names(changes) - names(draft))
    assert {UNSET} == set(attrs.asdict(changes(), recurse=False).values())


def test_unset_shows_its_name() -> None:
    """Whoever prints changes sees what is not set."""
    assert "UNSET" == repr(UNSET)


def test_secrets_are_not_shown() -> None:
    """Whoever prints a draft or changes does not print secrets."""
    shown = repr(AgentDraft(name="Ada", secrets={"KEY": "hunter2"})) + repr(AgentChanges(secrets={"KEY": "hunter2"}))
    assert "hunter2" not in shown
