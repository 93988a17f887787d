"""A message in the shapes of Letta's API."""

import attrs
import pytest
from letta_client.types.agents import ApprovalRequestMessage
from letta_client.types.agents import Message as SdkMessage

from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.wire.letta_message import MessageType, message_json, messages_json, otid_of, pending_json
from tests.core.wire.letta_samples import MESSAGE_ID, NOW, RUN_ID, STEP_ID, message, read_by_sdk

IMAGE = OpaquePart(fields={"type": "image", "source": {"type": "url", "url": "http://a/b.png"}})
CALLS = (ToolCall(id="c1", name="add", arguments="{}"), ToolCall(id="c2", name="sub", arguments="[]"))


def shown(value: Message) -> list[dict[str, object]]:
    """Return a message's variants without what all have, each read by the SDK first."""
    variants = message_json(value)
    for variant in variants:
        assert variant["message_type"] == read_by_sdk(SdkMessage, variant).message_type  # type: ignore[arg-type]
    common = {"id", "date", "name", "otid", "sender_id", "step_id", "is_err", "seq_id", "run_id"}
    return [{name: one for name, one in variant.items() if name not in common} for variant in variants]


def test_common_fields():
    """Every variant says whose it is, when and in which run."""
    (variant,) = message_json(message(Role.USER, "hi", name="Bo", sender_id="s", is_error=True))
    assert {
        "id": MESSAGE_ID,
        "date": "2026-11-22T15:35:45.721697+00:00",
        "name": "Bo",
        "otid": "667a979a-a9a1-4c93-ba41-e9839a92d000",
        "sender_id": "s",
        "step_id": STEP_ID,
        "is_err": True,
        "seq_id": None,
        "run_id": RUN_ID,
        "message_type": "user_message",
        "content": "hi",
    } == variant


@pytest.mark.parametrize(
    ("message_id", "otid"),
    [
        ("message-667a979a-a9a1-4c93-ba41-e9839a92d06f", "667a979a-a9a1-4c93-ba41-e9839a92d001"),
        ("message-d467080e-29b8-4d08-9bfd-91dff8b42dae", "d467080e-29b8-4d08-9bfd-91dff8b42d81"),
    ],
)
def test_otid_of_a_part(message_id, otid):
    """The low seven bits of the id give way to the index."""
    assert otid == otid_of(message_id, 1)


def test_otid_of_the_client_is_kept():
    """The client's own otid is the first variant's."""
    first, second = message_json(message(Role.ASSISTANT, ReasoningPart(reasoning="hm"), "hi", otid="mine"))
    assert ("mine", otid_of(MESSAGE_ID, 1)) == (first["otid"], second["otid"])


def test_system_message():
    """A system message is its text, whatever its parts."""
    parts = ("a", ReasoningPart(reasoning="b"), OpaquePart(fields={"k": 1}), ContentPart())
    assert [{"message_type": "system_message", "content": 'ab{"k":1}null'}] == shown(message(Role.SYSTEM, *parts))


def test_summary_message():
    """A summary is its text."""
    assert [{"message_type": "summary_message", "summary": "so far", "compaction_stats": None}] == shown(
        message(Role.SUMMARY, "so far")
    )


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((), ""),
        (("hi",), "hi"),
        (("a", "b"), [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        (("see", IMAGE), [{"type": "text", "text": "see"}, IMAGE.fields]),
        ((OpaquePart(fields={"type": "odd"}),), [{"type": "text", "text": '{"type":"odd"}'}]),
    ],
)
def test_user_message(parts, content):
    """One text is shown as text, anything else as parts; a part without words of its own as JSON."""
    assert [{"message_type": "user_message", "content": content}] == shown(message(Role.USER, *parts))


def test_reply_in_parts():
    """Each part of a reply is a variant, tool calls are one."""
    parts = (
        ReasoningPart(reasoning="hm", signature="s"),
        ReasoningPart(reasoning="ah", is_native=False),
        OpaquePart(fields={"type": "redacted_reasoning", "data": "x"}),
        OpaquePart(fields={"type": "omitted_reasoning"}),
        TextPart(text="hi"),
        IMAGE,
    )
    native = {"source": "reasoner_model", "reasoning": "hm", "signature": "s"}
    derived = {"source": "non_reasoner_model", "reasoning": "ah", "signature": None}
    calls = [
        {"name": "add", "arguments": "{}", "tool_call_id": "c1"},
        {"name": "sub", "arguments": "[]", "tool_call_id": "c2"},
    ]
    assert [
        {"message_type": "reasoning_message", **native},
        {"message_type": "reasoning_message", **derived},
        {"message_type": "hidden_reasoning_message", "state": "redacted", "hidden_reasoning": "x"},
        {"message_type": "hidden_reasoning_message", "state": "omitted", "hidden_reasoning": None},
        {"message_type": "assistant_message", "content": "hi"},
        {
            "message_type": "assistant_message",
            "content": '{"type":"image","source":{"type":"url","url":"http://a/b.png"}}',
        },
        {"message_type": "tool_call_message", "tool_call": calls[0], "tool_calls": calls},
    ] == shown(message(Role.ASSISTANT, *parts, tool_calls=CALLS))


def test_reply_of_an_unknown_kind():
    """A part that the API has no words for is shown as JSON."""
    assert [{"message_type": "assistant_message", "content": "null"}] == shown(message(Role.ASSISTANT, ContentPart()))


def test_empty_reply_is_shown():
    """A reply without parts is an empty message: a page of history is empty only at its end."""
    assert [{"message_type": "assistant_message", "content": ""}] == shown(message(Role.ASSISTANT))


def test_tool_returns():
    """Several returns are one variant, its own fields being those of the first."""
    returns = (
        ToolReturn(tool_call_id="c1", status=ToolStatus.SUCCESS, text="3", stdout=("a",)),
        ToolReturn(tool_call_id="c2", status=ToolStatus.ERROR, stderr=("b",)),
    )
    first = {"tool_return": "3", "status": "success", "tool_call_id": "c1", "stdout": ["a"], "stderr": None}
    second = {"tool_return": "", "status": "error", "tool_call_id": "c2", "stdout": None, "stderr": ["b"]}
    assert [
        {
            "message_type": "tool_return_message",
            **first,
            "tool_returns": [{"type": "tool", **first}, {"type": "tool", **second}],
        }
    ] == shown(message(Role.TOOL, tool_returns=returns))


@pytest.mark.parametrize(("call_id", "shown_id"), [("c9", "c9"), (None, "")])
def test_tool_return_of_an_old_file(call_id, shown_id):
    """A return that is only text is shown as a success, under the call that the message names."""
    (variant,) = shown(message(Role.TOOL, "done", tool_call_id=call_id))
    assert ("done", "success", shown_id) == (variant["tool_return"], variant["status"], variant["tool_call_id"])


def test_approval_request():
    """A request for approval is a tool call under another name."""
    (variant,) = shown(message(Role.APPROVAL, tool_calls=CALLS[:1]))
    assert ("approval_request_message", "add") == (variant["message_type"], variant["tool_call"]["name"])  # type: ignore[index]


def test_approval_response():
    """An answer to such a request says what was decided."""
    approvals = ({"type": "approval", "approve": False, "tool_call_id": "c1"},)
    fields = {"approve": False, "approval_request_id": MESSAGE_ID, "denial_reason": "no", "approvals": approvals}
    assert [
        {
            "message_type": "approval_response_message",
            "approve": False,
            "approval_request_id": MESSAGE_ID,
            "reason": "no",
            "approvals": list(approvals),
        }
    ] == shown(message(Role.APPROVAL, **fields))


def test_types_select_variants():
    """Only the asked-for variants are shown; the others keep their otid."""
    value = message(Role.ASSISTANT, ReasoningPart(reasoning="hm"), "hi")
    (variant,) = message_json(value, frozenset((MessageType.ASSISTANT,)))
    assert ("hi", otid_of(MESSAGE_ID, 1)) == (variant["content"], variant["otid"])


def test_descending_is_ascending_turned_round():
    """A page in descending order is the same variants in reverse."""
    first, second = message(Role.USER, "q"), message(Role.ASSISTANT, ReasoningPart(reasoning="hm"), "a")
    assert messages_json([first, second])[::-1] == messages_json([second, first], descending=True)


def calls_of(variants: list[dict[str, object]]) -> list[tuple[object, list[str]]]:
    """Return which calls each variant bears."""
    return [(one["message_type"], [c["tool_call_id"] for c in one.get("tool_calls", [])]) for one in variants]  # type: ignore[attr-defined]


def test_only_calls_that_ask_are_in_the_request():
    """Of a reply with calls of both kinds, those that wait for an answer are a variant of their own."""
    asks = attrs.evolve(CALLS[1], asks=True)
    variants = shown(message(Role.APPROVAL, "may I?", tool_calls=(CALLS[0], asks)))
    expected = [("assistant_message", []), ("tool_call_message", ["c1"]), ("approval_request_message", ["c2"])]
    assert expected == calls_of(variants)


def test_imported_request_asks_for_all_its_calls():
    """A request that does not say which of its calls wait asks for all of them."""
    assert [("approval_request_message", ["c1", "c2"])] == calls_of(shown(message(Role.APPROVAL, tool_calls=CALLS)))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ToolCall(id="c", name="send_message", arguments='{"message": "hi"}'), {"content": "hi"}),
        (ToolCall(id="c", name="send_message", arguments='{"message": 5}'), None),
        (ToolCall(id="c", name="send_message", arguments="{"), None),
        (ToolCall(id="c", name="send_message", arguments='{"message": "hi"}', asks=True), None),
        (ToolCall(id="c", name="say", arguments='{"message": "hi"}'), None),
    ],
)
def test_speech_by_a_call(call, expected):
    """What an agent says by calling send_message is the assistant's message; any other call is a call."""
    (variant,) = shown(message(Role.ASSISTANT, tool_calls=(call,)))
    kind = "approval_request_message" if call.asks else "tool_call_message"
    assert (kind if expected is None else "assistant_message") == variant["message_type"]
    assert (expected or {}).get("content") == variant.get("content")


def test_what_waits_is_shown_as_the_request():
    """An agent's pending approval is the message that asks, with the calls that wait and no others."""
    calls = (CALLS[0], attrs.evolve(CALLS[1], asks=True))
    waits = PendingApproval(message_id=MESSAGE_ID, run_id=RUN_ID, step_id=STEP_ID, calls=calls, created_at=NOW)
    read = read_by_sdk(ApprovalRequestMessage, pending_json(waits))
    assert (MESSAGE_ID, RUN_ID, STEP_ID, NOW) == (read.id, read.run_id, read.step_id, read.date)
    assert ["c2"] == [call.tool_call_id for call in read.tool_calls]  # type: ignore[union-attr]
