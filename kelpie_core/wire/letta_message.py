"""A message in the shapes of Letta's API.

The API has no message with several parts: each part of a stored message is a variant of its own, told by
`message_type`, and the variants of one message share its id. A variant's `otid` is the message's id with the low seven
bits replaced by the variant's index, unless the client gave the message one.

Laws: every stored message gives at least one variant, so a page of messages is empty only when there are none; a part
that the API has no words for is shown as its JSON text, never left out.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart, text_of
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.turn.conduct import SEND_MESSAGE, parsed_arguments


class MessageType(StrEnum):
    """The variants, in the wire's words."""

    SYSTEM = "system_message"
    USER = "user_message"
    ASSISTANT = "assistant_message"
    REASONING = "reasoning_message"
    HIDDEN_REASONING = "hidden_reasoning_message"
    TOOL_CALL = "tool_call_message"
    TOOL_RETURN = "tool_return_message"
    APPROVAL_REQUEST = "approval_request_message"
    APPROVAL_RESPONSE = "approval_response_message"
    SUMMARY = "summary_message"
    EVENT = "event_message"


MessageTypes = frozenset[MessageType] | None


def messages_json(
    messages: Iterable[Message], types: MessageTypes = None, *, descending: bool = False
) -> list[JsonObject]:
    """Return the variants of several messages, in their order; `descending` turns each message's variants round."""
    step = -1 if descending else 1
    return [variant for message in messages for variant in message_json(message, types)[::step]]


def message_json(message: Message, types: MessageTypes = None) -> list[JsonObject]:
    """Return the variants of a message, those of `types` only unless it is None."""
    variants = _variants(message)
    shown = [{**_common(message, i), **variant} for i, variant in enumerate(variants)]
    return [variant for variant in shown if types is None or variant["message_type"] in types]


def otid_of(message_id: str, index: int) -> str:
    """Return the otid of the `index`-th variant of a message."""
    bare = message_id.removeprefix("message-")
    return f"{bare[:-2]}{int(bare[-2:], 16) & 0x80 | index & 0x7F:02x}"


def tool_call_json(call: ToolCall) -> JsonObject:
    """Return a tool call."""
    return {"name": call.name, "arguments": call.arguments, "tool_call_id": call.id}


def tool_calls_json(calls: Sequence[ToolCall]) -> JsonObject:
    """Return calls as a message bears them, the first one under the older name too."""
    shown = [tool_call_json(call) for call in calls]
    return {"tool_call": shown[0], "tool_calls": shown}


def pending_json(pending: PendingApproval) -> JsonObject:
    """Return what waits for approval, as the message that asks for it."""
    return {
        "id": pending.message_id,
        "date": pending.created_at.isoformat(),
        "message_type": MessageType.APPROVAL_REQUEST,
        **tool_calls_json(pending.asked),
        "step_id": pending.step_id,
        "run_id": pending.run_id,
    } | dict.fromkeys(("name", "otid", "sender_id", "is_err", "seq_id"))


def _common(message: Message, index: int) -> JsonObject:
    return {
        "id": message.id,
        "date": message.created_at.isoformat(),
        "name": message.name,
        "otid": message.otid if message.otid is not None and index == 0 else otid_of(message.id, index),
        "sender_id": message.sender_id,
        "step_id": message.step_id,
        "is_err": message.is_error or None,
        "seq_id": None,
        "run_id": message.run_id,
    }


def _variants(message: Message) -> list[JsonObject]:
    if message.role is Role.SYSTEM:
        return [{"message_type": MessageType.SYSTEM, "content": _plain(message.content)}]
    if message.role is Role.USER:
        return [{"message_type": MessageType.USER, "content": _content_json(message.content)}]
    if message.role is Role.SUMMARY:
        summary = _plain(message.content)
        return [{"message_type": MessageType.SUMMARY, "summary": summary, "compaction_stats": None}]
    if message.role is Role.TOOL:
        return [_tool_return(message)]
    if message.role is Role.APPROVAL and not message.tool_calls:
        return [_approval_response(message)]
    return _reply(message)


def _reply(message: Message) -> list[JsonObject]:
    """Return what the model said and asked for: a variant for each part, then the calls, those that ask apart."""
    variants = [_reply_part(part) for part in message.content]
    asking, free = asking_calls(message), list[ToolCall]()
    for call in message.tool_calls:
        words = None if call in asking else spoken(call)
        if words is not None:
            variants.append({"message_type": MessageType.ASSISTANT, "content": words})
        elif call not in asking:
            free.append(call)
    for kind, calls in ((MessageType.TOOL_CALL, free), (MessageType.APPROVAL_REQUEST, asking)):
        if calls:
            variants.append({"message_type": kind, **tool_calls_json(calls)})
    return variants or [{"message_type": MessageType.ASSISTANT, "content": ""}]


def asking_calls(message: Message) -> tuple[ToolCall, ...]:
    """Return the calls of a message that ask for approval. An imported request does not say which: all of them."""
    asking = tuple(call for call in message.tool_calls if call.asks)
    return message.tool_calls if message.role is Role.APPROVAL and not asking else asking


def spoken(call: ToolCall) -> str | None:
    """Return the words that an agent says by a call, None if the call is no speech."""
    words = (parsed_arguments(call) or {}).get("message") if call.name == SEND_MESSAGE else None
    return words if isinstance(words, str) else None


def _reply_part(part: ContentPart) -> JsonObject:
    if isinstance(part, TextPart):
        return {"message_type": MessageType.ASSISTANT, "content": part.text}
    if isinstance(part, ReasoningPart):
        return {
            "message_type": MessageType.REASONING,
            "source": "reasoner_model" if part.is_native else "non_reasoner_model",
            "reasoning": part.reasoning,
            "signature": part.signature,
        }
    fields = part.fields if isinstance(part, OpaquePart) else {}
    if fields.get("type") == "redacted_reasoning":
        return {
            "message_type": MessageType.HIDDEN_REASONING,
            "state": "redacted",
            "hidden_reasoning": _json_text(fields.get("data")),
        }
    if fields.get("type") == "omitted_reasoning":
        return {"message_type": MessageType.HIDDEN_REASONING, "state": "omitted", "hidden_reasoning": None}
    return {"message_type": MessageType.ASSISTANT, "content": _part_text(part)}


def _tool_return(message: Message) -> JsonObject:
    """Return the answers to tool calls. Old files have the answer as text and the call's id on the message."""
    returns = message.tool_returns or (
        ToolReturn(tool_call_id=None, status=ToolStatus.SUCCESS, text=_plain(message.content)),
    )
    answers = [_answer(one, message) for one in returns]
    first = {name: value for name, value in answers[0].items() if name != "type"}
    return {"message_type": MessageType.TOOL_RETURN, **first, "tool_returns": answers}


def _answer(one: ToolReturn, message: Message) -> JsonObject:
    return {
        "type": "tool",
        "tool_return": one.text or "",
        "status": one.status.value,
        "tool_call_id": one.tool_call_id or message.tool_call_id or "",
        "stdout": _lines(one.stdout),
        "stderr": _lines(one.stderr),
    }


def _lines(lines: Sequence[str] | None) -> list[str] | None:
    return None if lines is None else list(lines)


def _approval_response(message: Message) -> JsonObject:
    return {
        "message_type": MessageType.APPROVAL_RESPONSE,
        "approve": message.approve,
        "approval_request_id": message.approval_request_id,
        "reason": message.denial_reason,
        "approvals": list(message.approvals),
    }


def _content_json(content: tuple[ContentPart, ...]) -> str | list[JsonObject]:
    """Return one text as text, several parts as parts."""
    if all(isinstance(part, TextPart) for part in content) and len(content) <= 1:
        return text_of(content)
    return [_part_json(part) for part in content]


def _part_json(part: ContentPart) -> JsonObject:
    if isinstance(part, OpaquePart) and part.fields.get("type") == "image":
        return part.fields
    return {"type": "text", "text": _part_text(part)}


def _plain(content: tuple[ContentPart, ...]) -> str:
    return "".join(map(_part_text, content))


def _part_text(part: ContentPart) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ReasoningPart):
        return part.reasoning
    return _json_text(part.fields if isinstance(part, OpaquePart) else None)


def _json_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
