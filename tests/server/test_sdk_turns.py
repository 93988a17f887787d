"""Turns as the SDK's users know them: approvals, client-side tools, tool rules, agent types; asked by the real SDK."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from letta_client import APIStatusError, AsyncLetta, BadRequestError, ConflictError, UnprocessableEntityError
from letta_client.types.agents import ApprovalRequestMessage, ApprovalResponseMessage
from letta_client.types.agents.message_create_params import ClientTool

from kelpie_core.ports import ModelChunk, ModelFinished, TextDelta, ToolCallDelta
from tests.server.far_sides import ScriptedModel, World, in_world, says

# The SDK calls its own method for streams deprecated; people use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
SHELL: list[ClientTool] = [{"name": "shell", "description": "d", "parameters": {"type": "object", "properties": {}}}]
NOTE = '{"label": "human", "new_string": "likes tea"}'


def calls(*named: tuple[str, str], text: str = "") -> tuple[ModelChunk | Exception, ...]:
    """Return a reply that makes these calls, their arguments in two pieces."""
    chunks: list[ModelChunk | Exception] = [TextDelta(text=text)] if text else []
    for index, (name, arguments) in enumerate(named):
        chunks.append(ToolCallDelta(index=index, id=f"call-{index}", name=name, arguments=arguments[:3]))
        chunks.append(ToolCallDelta(index=index, arguments=arguments[3:]))
    return (*chunks, ModelFinished())


def by_sdk(test: Callable[[Any, World], Coroutine[object, object, None]], *replies: Any) -> None:
    """Run a test with the SDK for a server in process, whose model gives these replies."""

    async def run(world: World) -> None:
        async with AsyncLetta(base_url="http://kelpie", api_key="any", max_retries=0, http_client=world.http) as letta:
            await test(letta, world)

    in_world(run, ScriptedModel(*replies))


def approval(*approvals: object, **fields: object) -> Any:
    """Return an answer to what waits."""
    return {"type": "approval", "approvals": list(approvals), **fields}


def verdict(approve: bool, key: str = "call-0", **fields: object) -> Any:
    """Return a verdict on a call."""
    return {"type": "approval", "tool_call_id": key, "approve": approve, **fields}


async def guarded(letta: Any, **fields: Any) -> str:
    """Return the id of an agent that must ask before it writes down anything."""
    rules: Any = [{"type": "requires_approval", "tool_name": "memory_insert"}]
    agent = await letta.agents.create(memory_blocks=[{"label": "human", "value": "Bo"}], tool_rules=rules, **fields)
    return str(agent.id)


def kinds(messages: Any) -> list[str]:
    """Return which variants these are."""
    return [message.message_type for message in messages]


def test_approval_by_hand():
    """The request arrives and is shown with the agent; the answer lets the tool run; both are in the history."""

    async def test(letta: Any, world: World) -> None:
        agent_id = await guarded(letta)
        asked = await letta.agents.messages.create(agent_id, input="hi")
        assert "requires_approval" == asked.stop_reason.stop_reason
        request = asked.messages[-1]
        assert (ApprovalRequestMessage, "approval_request_message") == (type(request), request.message_type)
        assert ["call-0"] == [call.tool_call_id for call in request.tool_calls]
        waits = (await letta.agents.retrieve(agent_id)).pending_approval
        assert (request.id, "memory_insert", NOTE) == (waits.id, waits.tool_call.name, waits.tool_call.arguments)
        answered = await letta.agents.messages.create(agent_id, messages=[approval(verdict(True))])
        assert ["tool_return_message", "assistant_message"] == kinds(answered.messages)
        assert ("success", "Bo\nlikes tea") == (answered.messages[0].status, answered.messages[0].tool_return)
        assert None is (await letta.agents.retrieve(agent_id)).pending_approval
        history = [one async for one in letta.agents.messages.list(agent_id, order="asc")]
        response = history[-3]
        assert (ApprovalResponseMessage, "approval_response_message") == (type(response), response.message_type)
        assert [("call-0", True)] == [(one.tool_call_id, one.approve) for one in response.approvals]

    by_sdk(test, calls(("memory_insert", NOTE), text="may I?"), says("done"))


def test_denial_with_a_reason():
    """The model reads why its call was denied; nothing is written."""

    async def test(letta: Any, world: World) -> None:
        agent_id = await guarded(letta)
        await letta.agents.messages.create(agent_id, input="hi")
        answer = approval(verdict(False, reason="not yet"), otid="o1")
        denied = await letta.agents.messages.create(agent_id, messages=[answer])
        words = "this call was denied, and not made: not yet"
        assert ("error", words) == (denied.messages[0].status, denied.messages[0].tool_return)
        again = await letta.agents.messages.create(agent_id, messages=[answer])
        assert denied.messages == again.messages
        assert "Bo" == (await letta.agents.blocks.retrieve("human", agent_id=agent_id)).value

    by_sdk(test, calls(("memory_insert", NOTE)), says("well then"))


def test_words_that_clients_match():
    """Each refusal has its status and the words by which clients tell it, and changes nothing."""

    async def test(letta: Any, world: World) -> None:
        agent_id = await guarded(letta)
        with pytest.raises(BadRequestError, match="No tool call is currently awaiting approval"):
            await letta.agents.messages.create(agent_id, messages=[approval(verdict(True))])
        await letta.agents.messages.create(agent_id, input="hi")
        with pytest.raises(ConflictError, match="waiting for approval") as caught:
            await letta.agents.messages.create(agent_id, input="well?")
        assert "false" == caught.value.response.headers["x-should-retry"]
        assert caught.value.response.json()["pending_request_id"].startswith("message-")
        with pytest.raises(BadRequestError, match="Invalid tool call IDs"):
            await letta.agents.messages.create(agent_id, messages=[approval(verdict(True, "call-9"))])
        with pytest.raises(UnprocessableEntityError, match=r"messages\[0\]"):
            await letta.agents.messages.create(agent_id, messages=[approval({"type": "maybe"})])
        await letta.agents.messages.cancel(agent_id)
        assert None is (await letta.agents.retrieve(agent_id)).pending_approval
        stale = [approval(verdict(False), otid="a"), {"role": "user", "content": "go on", "otid": "b"}]
        answer = await letta.agents.messages.create(agent_id, messages=stale)
        assert "here I am" == answer.messages[0].content

    by_sdk(test, calls(("memory_insert", NOTE)), says("here I am"))


def test_client_tool_in_a_stream():
    """Its call streams as a request for approval, name first; the return goes to the model in either form."""

    async def test(letta: Any, world: World) -> None:
        agent = await letta.agents.create(include_base_tools=False)
        stream = letta.agents.messages.stream
        events = [
            one
            async for one in await stream(agent.id, input="hi", client_tools=SHELL, stream_tokens=True, background=True)
        ]
        pieces = [one.tool_call for one in events if isinstance(one, ApprovalRequestMessage)]
        assert ["shell", None, None] == [piece.name for piece in pieces]
        assert {"x": 1} == json.loads("".join(piece.arguments or "" for piece in pieces))
        assert ["call-0"] * 3 == [piece.tool_call_id for piece in pieces]
        assert ["stop_reason", "usage_statistics"] == kinds(events[-2:])
        assert "requires_approval" == events[-2].stop_reason
        gave: Any = {"type": "tool", "tool_call_id": "call-0", "tool_return": "a.txt", "status": "success"}
        answer = approval(gave, otid="o1")
        told = [one async for one in await stream(agent.id, messages=[answer], client_tools=SHELL)]
        assert ["ping", "tool_return_message", "approval_request_message", "stop_reason", "usage_statistics"] == kinds(
            told
        )
        returns: Any = {
            "type": "tool_return",
            "tool_returns": [{**gave, "tool_return": [{"type": "text", "text": "b"}]}],
        }
        last = await letta.agents.messages.create(agent.id, messages=[returns])
        assert ["b", "two files"] == [last.messages[0].tool_return, last.messages[1].content]

    by_sdk(test, calls(("shell", '{"x": 1}')), calls(("shell", '{"x": 2}')), says("two files"))


def test_image_as_a_tool_return_is_not_taken():
    """What cannot be handed to the model is refused by name rather than dropped."""

    async def test(letta: Any, world: World) -> None:
        agent = await letta.agents.create(include_base_tools=False)
        await letta.agents.messages.create(agent.id, input="hi", client_tools=SHELL)
        image = {"type": "image", "source": {"type": "base64", "data": "", "media_type": "image/png"}}
        gave = {"type": "tool", "tool_call_id": "call-0", "tool_return": [image], "status": "success"}
        with pytest.raises(APIStatusError, match="parts that are no text") as caught:
            await letta.agents.messages.create(agent.id, messages=[approval(gave)])
        assert 501 == caught.value.status_code

    by_sdk(test, calls(("shell", "{}")))


def test_memgpt_agent_speaks_by_calls():
    """Its send_message is the assistant's message; it ends the turn, unless it asks to go on."""

    async def test(letta: Any, world: World) -> None:
        agent = await letta.agents.create(agent_type="memgpt_v2_agent", memory_blocks=[{"label": "human", "value": ""}])
        rules = {(rule.tool_name, rule.type) for rule in agent.tool_rules or ()}
        assert {("send_message", "exit_loop"), ("memory_insert", "continue_loop")} <= rules
        answer = await letta.agents.messages.create(agent.id, input="hi")
        shown = ["tool_call_message", "tool_return_message", "assistant_message", "tool_return_message"]
        assert (shown, "end_turn") == (kinds(answer.messages), answer.stop_reason.stop_reason)
        assert "noted!" == answer.messages[2].content
        events = [one async for one in await letta.agents.messages.stream(agent.id, input="so?", stream_tokens=True)]
        assert ["ping", "assistant_message", "tool_return_message", "stop_reason", "usage_statistics"] == kinds(events)
        assert "so!" == events[1].content

    by_sdk(
        test,
        calls(("memory_insert", '{"label": "human", "new_string": "x", "request_heartbeat": false}')),
        calls(("send_message", '{"message": "noted!"}')),
        calls(("send_message", '{"message": "so!"}')),
    )


def test_tool_rules_are_obeyed_and_checked():
    """A call out of order is an error that the model reads; a rule that nobody would obey is refused by its place."""

    async def test(letta: Any, world: World) -> None:
        rules: Any = [
            {"type": "run_first", "tool_name": "memory_replace"},
            {"type": "exit_loop", "tool_name": "memory_replace"},
        ]
        agent = await letta.agents.create(memory_blocks=[{"label": "human", "value": "Bo"}], tool_rules=rules)
        answer = await letta.agents.messages.create(agent.id, input="hi")
        assert "tool_rule" == answer.stop_reason.stop_reason
        returned = [one.tool_return for one in answer.messages if one.message_type == "tool_return_message"]
        refusal = "tool rule violated: 'memory_insert' may not be called first: the turn begins with 'memory_replace'"
        assert [refusal, "Cy"] == returned
        bad: Any = [{"type": "be_nice", "tool_name": "x"}]
        with pytest.raises(UnprocessableEntityError, match=r"\$.tool_rules\[0\].type"):
            await letta.agents.create(tool_rules=bad)
        with pytest.raises(UnprocessableEntityError, match=r"\$.tool_rules\[0\].type"):
            await letta.agents.update(agent.id, tool_rules=bad)

    replace = '{"label": "human", "old_string": "Bo", "new_string": "Cy"}'
    by_sdk(test, calls(("memory_insert", NOTE)), calls(("memory_replace", replace)))


def test_approval_that_is_asked_for_later():
    """Whether a tool asks can be set and taken back for one agent; a turn in a conversation asks there."""

    async def test(letta: Any, world: World) -> None:
        agent = await letta.agents.create(memory_blocks=[{"label": "human", "value": "Bo"}])
        set_approval = letta.agents.tools.update_approval
        await set_approval("memory_insert", agent_id=agent.id, body_requires_approval=True)
        talk = await letta.conversations.create(agent_id=agent.id)
        create = letta.conversations.messages.create
        asked = [one async for one in await create(talk.id, messages=[{"role": "user", "content": "hi"}])]
        assert "requires_approval" == asked[-2].stop_reason
        assert None is (await letta.agents.retrieve(agent.id)).pending_approval
        answered = [one async for one in await create(talk.id, messages=[approval(verdict(True))])]
        assert ["tool_return_message", "assistant_message"] == kinds(answered[1:3])
        await set_approval("memory_insert", agent_id=agent.id, body_requires_approval=False)
        answer = await letta.agents.messages.create(agent.id, input="hi")
        assert "end_turn" == answer.stop_reason.stop_reason

    insert = calls(("memory_insert", NOTE))
    by_sdk(test, insert, says("done"), insert, says("done"))
