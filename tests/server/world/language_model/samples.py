"""Requests for tests of the language models: messages, tools, and the request around them."""

import itertools

from kelpie_core.json_types import JsonObject
from kelpie_core.model.content import ContentPart, OpaquePart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus
from kelpie_core.ports import ModelRequest
from kelpie_server.world.language_model.calls import Call, Endpoint
from tests.twins import NOON

_NUMBERS = itertools.count()
LOOK_SCHEMA: JsonObject = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def message(role: Role, *parts: ContentPart | str, **fields: object) -> Message:
    """Return a message; texts stand for text parts."""
    number = next(_NUMBERS)
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    known = {"id": f"message-{number}", "agent_id": "agent-1", "seq": number, "created_at": NOON}
    return Message(role=role, content=content, **(known | fields))  # type: ignore[arg-type]


def user(*parts: ContentPart | str, **fields: object) -> Message:
    """Return a user's message."""
    return message(Role.USER, *parts, **fields)


def said(*parts: ContentPart | str, calls: tuple[ToolCall, ...] = (), model: str | None = None) -> Message:
    """Return a message of the model."""
    return message(Role.ASSISTANT, *parts, tool_calls=calls, model=model)


def call(key: str = "c1", name: str = "look", arguments: str = '{"text":"a"}') -> ToolCall:
    """Return a call."""
    return ToolCall(id=key, name=name, arguments=arguments)


def returned(key: str | None = "c1", text: str | None = "found", *, ok: bool = True) -> ToolReturn:
    """Return what a call gave."""
    return ToolReturn(tool_call_id=key, status=ToolStatus.SUCCESS if ok else ToolStatus.ERROR, text=text)


def told(*returns: ToolReturn, **fields: object) -> Message:
    """Return a message that tells returns."""
    return message(Role.TOOL, tool_returns=returns, **fields)


def image(**source: object) -> OpaquePart:
    """Return a picture."""
    return OpaquePart(fields={"type": "image", "source": source})


def tool(name: str = "look", parameters: JsonObject | None = None, **fields: object) -> Tool:
    """Return a tool."""
    schema = {"name": name, "description": "Look.", "parameters": parameters or LOOK_SCHEMA}
    known: dict[str, object] = {"organization_id": "org", "created_by_id": "user", "json_schema": schema}
    known |= {"created_at": NOON, "updated_at": NOON}
    return Tool(id=f"tool-{name}", name=name, **(known | fields))  # type: ignore[arg-type]


def request(*messages: Message, **fields: object) -> ModelRequest:
    """Return a request for "m1"."""
    known = {"agent_id": "agent-1", "model": "ollama/m1", "system": "Be brief.", "tools": ()}
    return ModelRequest(messages=messages, **(known | fields))  # type: ignore[arg-type]


def call_of(asked: ModelRequest, base_url: str = "http://127.0.0.1:1/v1", **fields: object) -> Call:
    """Return a call of a model at an address."""
    endpoint = Endpoint(provider="ollama", base_url=base_url, key="sk-secret-key-1", **fields)  # type: ignore[arg-type]
    return Call(endpoint=endpoint, model="m1", request=asked, is_own=lambda handle: handle == "own/m1")
