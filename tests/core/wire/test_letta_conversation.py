"""Conversations in the shapes of Letta's API."""

import datetime as dt
from typing import Any

import pytest
from letta_client.types import Conversation as SdkConversation

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.model.conversation import Conversation
from kelpie_core.service.conversations import ConversationFilter
from kelpie_core.service.drafts import ConversationChanges, ConversationDraft
from kelpie_core.service.streams import Resumption
from kelpie_core.wire.letta_conversation import (
    FollowFields,
    ThreadName,
    conversation_changes,
    conversation_draft,
    conversation_filter,
    conversation_json,
    conversation_of,
    reset_fields,
    resumption_of,
    thread_name,
)
from tests.core.wire.letta_samples import AGENT_ID, MESSAGE_ID, NOW, ORGANIZATION, USER, read_by_sdk

CONVERSATION_ID = "conv-9b2d813f-0f6b-4776-97a4-ba14c7af9636"
SETTINGS = {"provider_type": "openai", "temperature": 0.5}


def test_the_sdk_reads_a_conversation():
    """The SDK's type reads every field of a conversation."""
    value = Conversation(
        id=CONVERSATION_ID,
        agent_id=AGENT_ID,
        organization_id=ORGANIZATION,
        created_by_id=USER,
        summary="s",
        description="d",
        model="a/b",
        model_settings=SETTINGS,
        context_window_limit=9,
        archived_at=NOW,
        last_message_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    shown: Any = read_by_sdk(SdkConversation, conversation_json(value, (MESSAGE_ID,)))
    assert (CONVERSATION_ID, AGENT_ID, "s", "d", "a/b", 9, True, NOW, NOW, NOW, USER, [MESSAGE_ID]) == (
        shown.id,
        shown.agent_id,
        shown.summary,
        shown.description,
        shown.model,
        shown.context_window_limit,
        shown.archived,
        shown.archived_at,
        shown.last_message_at,
        shown.created_at,
        shown.last_updated_by_id,
        shown.in_context_message_ids,
    )
    assert 0.5 == shown.api_model_settings.temperature
    assert None is read_by_sdk(SdkConversation, conversation_json(value)).in_context_message_ids


def test_a_body_describes_a_conversation():
    """Every field of a body is in the draft; what nobody knows is ignored."""
    body = {
        "summary": "s",
        "description": "d",
        "model": "a/b",
        "model_settings": SETTINGS,
        "context_window_limit": 9,
        "hidden": True,
        "unknown": 1,
    }
    expected = ConversationDraft(
        summary="s", description="d", model="a/b", model_settings=SETTINGS, context_window_limit=9, hidden=True
    )
    assert expected == conversation_draft(body)
    assert ConversationDraft() == conversation_draft({"isolated_block_labels": []})


def test_a_body_describes_changes():
    """What is given is changed, null clears what can be empty, archiving notes the time."""
    body = {
        "summary": None,
        "model": "a/b",
        "model_settings": SETTINGS,
        "archived": True,
        "last_message_at": "2026-01-01T01:00:00+01:00",
    }
    expected = ConversationChanges(
        summary=None,
        model="a/b",
        model_settings=SETTINGS,
        archived_at=NOW,
        last_message_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    assert expected == conversation_changes(body, NOW)
    assert ConversationChanges(archived_at=None) == conversation_changes({"archived": False}, NOW)
    cleared = ConversationChanges(model=None, model_settings=None, last_message_at=None)
    assert cleared == conversation_changes({"model": None, "model_settings": None, "last_message_at": None}, NOW)
    assert ConversationChanges() == conversation_changes({"archived": None}, NOW)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"summary": 5}, "$.summary"),
        ({"model_settings": []}, "$.model_settings"),
        ({"archived": "yes"}, "$.archived"),
        ({"last_message_at": "yesterday"}, "$.last_message_at"),
        ({"last_message_at": "0001-01-01T00:00:00+02:00"}, "$.last_message_at"),
    ],
)
def test_a_wrong_field_is_refused(body, path):
    """A field of a wrong type, and a time beyond time, is refused with its path."""
    with pytest.raises(InvalidInput) as caught:
        conversation_changes(body, NOW)
    assert path == caught.value.path


def test_isolated_blocks_do_not_exist():
    """Blocks of a conversation's own are refused by name rather than left out."""
    for work in (conversation_draft, lambda body: conversation_changes(body, NOW)):
        with pytest.raises(Unsupported, match="isolated_block_labels"):
            work({"isolated_block_labels": ["human"]})


def test_a_query_filters():
    """A query that says nothing asks for those that are not archived, in the order of creation."""
    assert ConversationFilter() == conversation_filter({})
    query = {
        "agent_id": [AGENT_ID],
        "archive_status": ["all"],
        "summary_search": ["s"],
        "order_by": ["last_message_at"],
    }
    expected = ConversationFilter(agent_id=AGENT_ID, archived=None, summary_search="s", order="last_message_at")
    assert expected == conversation_filter(query)
    assert ConversationFilter(archived=True) == conversation_filter({"archive_status": ["archived"]})


@pytest.mark.parametrize("name", ["agent_id", "archive_status", "order_by"])
def test_a_wrong_filter_is_refused(name):
    """A filter that nobody knows is refused with its name."""
    with pytest.raises(InvalidInput) as caught:
        conversation_filter({name: ["x"]})
    assert f"$.{name}" == caught.value.path


def test_names_of_threads():
    """A path names a conversation, or the default thread of an agent in one of two ways."""
    assert ThreadName(conversation_id=CONVERSATION_ID) == thread_name(CONVERSATION_ID, AGENT_ID)
    assert ThreadName(agent_id=AGENT_ID) == thread_name("default", AGENT_ID) == thread_name(AGENT_ID, None)
    for word, agent_id, path in (
        ("default", None, "$.agent_id"),
        ("default", "x", "$.agent_id"),
        ("x", None, "$.conversation_id"),
    ):
        with pytest.raises(InvalidInput) as caught:
            thread_name(word, agent_id)
        assert path == caught.value.path


def test_conversation_as_a_filter():
    """A filter names a conversation, or the default thread in one of three ways."""
    for word in (None, "default", AGENT_ID):
        assert None is conversation_of(word, AGENT_ID)
    assert CONVERSATION_ID == conversation_of(CONVERSATION_ID, AGENT_ID)
    with pytest.raises(InvalidInput, match=r"\$\.conversation_id"):
        conversation_of("x", AGENT_ID)


def test_a_reset():
    """A reset says whether the initial messages are wanted; a word that is no flag is refused."""
    asked = [reset_fields({"add_default_initial_messages": flag}) for flag in (False, True)]
    assert [False, True] == [fields.add_default_initial_messages for fields in asked]
    with pytest.raises(InvalidInput, match=r"\$\.add_default_initial_messages"):
        reset_fields({"add_default_initial_messages": "x"})


def test_where_a_stream_goes_on():
    """A body says from where on, in which portions and how often; what it leaves out is the house's own affair."""
    assert Resumption() == resumption_of(FollowFields())
    fields = FollowFields(starting_after=3, batch_size=2, poll_interval=0.5)
    assert Resumption(after=3, chunks=2, poll_seconds=0.5) == resumption_of(fields)
