"""Values that the tests of Letta's shapes share, and the SDK's own types as the judge of what we send."""

import datetime as dt
from typing import Any, TypeVar

import msgspec
from pydantic import TypeAdapter

from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.content import ContentPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.tool import Tool
from kelpie_core.model.turn import StopReason, Turn, Usage

T = TypeVar("T")
NOW = dt.datetime(2026, 11, 22, 15, 35, 45, 721_697, tzinfo=dt.UTC)
USER = "user-00000000-0000-4000-8000-000000000000"
ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"
AGENT_ID = "agent-9b2d813f-0f6b-4776-97a4-ba14c7af9636"
BLOCK_ID = "block-a36c4f76-99f9-4a9b-8106-6e2338fe0b8d"
TOOL_ID = "tool-39a81c18-9466-4593-bc0b-9ad9d2a562a3"
MESSAGE_ID = "message-667a979a-a9a1-4c93-ba41-e9839a92d06f"
RUN_ID = "run-133e4123-1024-4464-bd92-f4731b2344ff"
STEP_ID = "step-9531901e-7dea-40dd-9f37-9aca889e90c2"


def read_by_sdk(kind: type[T], value: object) -> T:
    """Return a JSON value as the SDK's type, nothing coerced and nothing let pass; raise if it does not fit."""
    return TypeAdapter(kind).validate_json(msgspec.json.encode(value), strict=True)


def agent(**fields: Any) -> Agent:
    """Return an agent with these fields."""
    plain = {"id": AGENT_ID, "name": "Ada", "model": "openai/gpt-4o-mini", "created_at": NOW, "updated_at": NOW}
    return Agent(**{"organization_id": ORGANIZATION, "created_by_id": USER, **plain, **fields})


def block(**fields: Any) -> Block:
    """Return a block with these fields."""
    plain = {"id": BLOCK_ID, "label": "human", "value": "Bo", "created_at": NOW, "updated_at": NOW}
    return Block(**{"organization_id": ORGANIZATION, "created_by_id": USER, **plain, **fields})


def tool(**fields: Any) -> Tool:
    """Return a tool with these fields."""
    plain = {"id": TOOL_ID, "name": "add", "created_at": NOW, "updated_at": NOW}
    return Tool(**{"organization_id": ORGANIZATION, "created_by_id": USER, **plain, **fields})


def message(role: Role, *content: ContentPart | str, **fields: Any) -> Message:
    """Return a message of these parts; a text stands for a part of text."""
    parts = tuple(TextPart(text=part) if isinstance(part, str) else part for part in content)
    plain = {"id": MESSAGE_ID, "agent_id": AGENT_ID, "seq": 3, "created_at": NOW, "run_id": RUN_ID, "step_id": STEP_ID}
    return Message(role=role, content=parts, **{**plain, **fields})


def run(**fields: Any) -> Run:
    """Return a run with these fields; it has ended well unless they say otherwise."""
    plain = {
        "id": RUN_ID,
        "agent_id": AGENT_ID,
        "status": RunStatus.COMPLETED,
        "turn": Turn(steps_max=50, tool_calls_max=500, tokens_max=10_000, steps=2),
        "stop_reason": StopReason.END_TURN,
        "usage": Usage(prompt_tokens=7, completion_tokens=3),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Run(**{"organization_id": ORGANIZATION, "created_by_id": USER, **plain, **fields})
