"""What callers hand in."""

import attrs
import pytest

from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool
from kelpie_core.service.drafts import (
    UNSET,
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    ConversationDraft,
    MessageDraft,
    ToolChanges,
    ToolDraft,
    changed,
    over_agent,
    over_block,
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
        (AgentDraft, Agent, {"blocks", "tool_names", "initial_messages"}),
        (ConversationDraft, Conversation, set()),
        (MessageDraft, Message, set()),
    ],
)
def test_draft_becomes_a_record(draft: type, record: type, own: set[str]) -> None:
    """Each field of a draft is a field of what it becomes, but for those that name other things."""
    assert own == names(draft) - names(record)


@pytest.mark.parametrize(
    ("changes", "draft", "fixed"),
    [
        (BlockChanges, BlockDraft, set()),
        (ToolChanges, ToolDraft, {"tool_type"}),
        (AgentChanges, AgentDraft, {"agent_type", "blocks", "tool_names", "initial_messages"}),
    ],
)
def test_what_can_be_created_can_be_changed(changes: type, draft: type, fixed: set[str]) -> None:
    """Changes have each field of the draft but for those that never change, all UNSET at first."""
    assert (fixed, set()) == (names(draft) - names(changes), names(changes) - names(draft) - {"settings"})
    assert {UNSET} == set(attrs.asdict(changes(), recurse=False).values())


def test_unset_shows_its_name() -> None:
    """Whoever prints changes sees what is not set."""
    assert "UNSET" == repr(UNSET)


def test_secrets_are_not_shown() -> None:
    """Whoever prints a draft or changes does not print secrets."""
    shown = repr(AgentDraft(name="Ada", secrets={"KEY": "hunter2"})) + repr(AgentChanges(secrets={"KEY": "hunter2"}))
    assert "hunter2" not in shown


def test_changes_are_laid_over_what_is_kept() -> None:
    """Fields that are only kept, and single settings of the model, leave their neighbours as they are."""
    agent = Agent(
        id="a",
        name="n",
        organization_id="o",
        created_by_id="u",
        created_at=NOON,
        updated_at=NOON,
        model_settings={"temperature": 0.5},
        extra={"project_id": "p", "max_files_open": 3},
    )
    laid = over_agent(agent, AgentChanges(settings={"max_output_tokens": 5}, extra={"max_files_open": None}))
    settings, extra = {"temperature": 0.5, "max_output_tokens": 5}, {"project_id": "p", "max_files_open": None}
    assert AgentChanges(model_settings=settings, extra=extra) == laid
    whole = AgentChanges(model_settings={"strict": True}, settings={"max_output_tokens": 5})
    assert {"strict": True, "max_output_tokens": 5} == over_agent(agent, whole).model_settings
    bare = attrs.evolve(agent, model_settings=None)
    assert {"max_output_tokens": 5} == over_agent(bare, AgentChanges(settings={"max_output_tokens": 5})).model_settings
    assert AgentChanges(name="x") == over_agent(agent, AgentChanges(name="x"))


def test_changes_of_a_block_are_laid_over_what_is_kept() -> None:
    """A block's fields that are only kept stay beside those that are given."""
    block = Block(
        id="b", label="l", value="", organization_id="o", created_by_id="u", created_at=NOON, updated_at=NOON,
        extra={"template_name": "t", "project_id": "p"},
    )  # fmt: skip
    laid = over_block(block, BlockChanges(extra={"project_id": "q"}))
    assert BlockChanges(extra={"template_name": "t", "project_id": "q"}) == laid
    assert BlockChanges(value="x") == over_block(block, BlockChanges(value="x"))
