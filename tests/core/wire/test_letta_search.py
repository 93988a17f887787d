"""Searching messages in the shapes of Letta's API."""

import datetime as dt
from typing import Any

import pytest
from letta_client.types import MessageSearchResponse
from pydantic import TypeAdapter

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import uuid4_of
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.service.message_search import FoundMessages, MessageQuery
from kelpie_core.wire.letta_search import MessageSearch, found_json, message_search
from tests.twins import NOON

AGENT, TALK = f"agent-{uuid4_of(1)}", f"conv-{uuid4_of(2)}"


def test_search():
    """Each field of the API is one of ours."""
    assert MessageSearch(query=MessageQuery(), limit=50) == message_search({})
    raw: dict[str, Any] = {
        "query": "tea", "agent_id": AGENT, "conversation_id": TALK, "limit": 3, "search_mode": "hybrid",
        "roles": ["assistant", "system"], "start_date": "2026-03-01", "end_date": "2026-03-01T13:00:00+01:00",
    }  # fmt: skip
    expected = MessageQuery(
        words="tea",
        agent_id=AGENT,
        thread_id=TALK,
        roles=frozenset((Role.ASSISTANT, Role.SYSTEM)),
        start=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        end=NOON,
    )
    assert MessageSearch(query=expected, limit=3) == message_search(raw)


@pytest.mark.parametrize(
    ("raw", "thread_id"),
    [({"conversation_id": "default", "agent_id": AGENT}, AGENT), ({"conversation_id": AGENT}, AGENT)],
)
def test_the_default_thread(raw, thread_id):
    """An agent's default thread is named by the word for it, or by the agent's id."""
    assert thread_id == message_search(raw).query.thread_id


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"query": 5}, "$.query"),
        ({"agent_id": "x"}, "$.agent_id"),
        ({"conversation_id": "x"}, "$.conversation_id"),
        ({"conversation_id": "default"}, "$.agent_id"),
        ({"search_mode": "magic"}, "$.search_mode"),
        ({"roles": ["tool"]}, "$.roles"),
        ({"start_date": "soon"}, "$.start_date"),
        ({"end_date": "0001-01-01T00:00:00+14:00"}, "$.end_date"),
    ],
)
def test_bad_searches(raw, path):
    """A search that makes no sense is refused by its path."""
    with pytest.raises(InvalidInput) as caught:
        message_search(raw)
    assert path == caught.value.path


def test_no_search_by_meaning():
    """What needs vectors is not offered."""
    with pytest.raises(Unsupported, match=r"messages\.search with search_mode vector"):
        message_search({"search_mode": "vector"})


def test_the_sdk_reads_what_was_found():
    """Each message is an item of the SDK's type for who said it."""
    message = Message(
        id="m", agent_id=AGENT, conversation_id=TALK, seq=1, role=Role.USER, content=(TextPart(text="hi"),),
        created_at=NOON,
    )  # fmt: skip
    prompt = Message(id="s", agent_id=AGENT, seq=0, role=Role.SYSTEM, content=(TextPart(text="be"),), created_at=NOON)
    found = found_json(FoundMessages(messages=(message, prompt)))
    shown = TypeAdapter(MessageSearchResponse).validate_python(found)
    assert ["user_message", "system_message"] == [one.message_type for one in shown]
    assert ("m", "hi", AGENT, TALK, NOON) == (
        shown[0].message_id,
        shown[0].content,  # type: ignore[union-attr]
        shown[0].agent_id,
        shown[0].conversation_id,
        shown[0].created_at,
    )
