"""A chat message. Messages of a thread are numbered by `seq`, without a gap in the order in which they were stored."""

import datetime as dt
from enum import StrEnum

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.checks import aware_utc
from kelpie_core.model.content import ContentPart
from kelpie_core.model.tool import ToolCall, ToolReturn


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    APPROVAL = "approval"
    SUMMARY = "summary"


@attrs.frozen(kw_only=True)
class Message:
    """One stored message. Stored once, never changed. On the agent's default thread there is no `conversation_id`.

    `otid` is the client's own id for it: a second message of the thread with the same one is not stored again.
    `approvals` are the answers to approval requests, in the wire's shape.
    """

    id: str
    agent_id: str
    conversation_id: str | None = None
    organization_id: str = ""
    seq: int
    role: Role
    content: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    tool_returns: tuple[ToolReturn, ...] = ()
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    run_id: str | None = None
    step_id: str | None = None
    group_id: str | None = None
    batch_item_id: str | None = None
    model: str | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    denial_reason: str | None = None
    approvals: tuple[JsonObject, ...] = ()
    is_error: bool = False
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    extra: JsonObject = attrs.field(factory=dict)

    @property
    def thread_id(self) -> str:
        """Return the conversation's id, or on the default thread the agent's."""
        return self.conversation_id or self.agent_id
