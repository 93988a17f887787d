"""Calls that wait for somebody's answer: asking, answering, refusing, cancelling, and every crash in between."""

from typing import Any

import attrs
import pytest

from kelpie_core.errors import AlreadyExists, ApprovalMismatch, ApprovalPending, InvalidInput, Refused
from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import AgentHead
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ClientTool
from kelpie_core.model.turn import StopReason
from kelpie_core.service.approvals import NOTHING_WAITS, WITHDRAWN
from kelpie_core.service.drafts import AgentChanges, BlockDraft, ConversationDraft, MessageDraft, ToolDraft, TurnOptions
from kelpie_core.service.messages import TurnResult
from kelpie_core.service.tool_calls import UNAPPROVED
from kelpie_core.service.turn_events import Delta
from tests.house import House, call, gist, house, said
from tests.twins import Act, Harm, Reply, virtual

GUARDED = ToolDraft(name="guarded", default_requires_approval=True)
FREE = ToolDraft(name="free")
DENIED = "error:this call was denied, and not made"


def verdict(key: str = "guarded", *, approve: bool = True, reason: str | None = None) -> JsonObject:
    """Return a verdict on a call."""
    return {"type": "approval", "tool_call_id": key, "approve": approve, "reason": reason}


def gave(key: str = "guarded", text: object = "six", status: str = "success") -> JsonObject:
    """Return what a client says that a call gave."""
    return {"type": "tool", "tool_call_id": key, "tool_return": text, "status": status}


def answer(*approvals: JsonObject, **fields: Any) -> MessageDraft:
    """Return a message that answers calls."""
    return MessageDraft(role=Role.APPROVAL, approvals=approvals, **fields)


def asking(*calls: str) -> House:
    """Return a house whose model makes these calls at once and then says that all is well."""
    return house(Reply(text="may I?", calls=tuple(call(name) for name in calls)), Reply(text="all is well"))


async def asked(home: House, *tools: ToolDraft, **fields: Any) -> tuple[str, TurnResult]:
    """Return an agent that waits for approval, and the turn that asked."""
    agent = await home.agent(*(tools or (GUARDED,)), **fields)
    return agent.id, await home.main.messages.send(agent.id, [said()])


async def told(home: House, agent_id: str) -> list[str]:
    """Return the history of an agent behind its system message."""
    return gist(await home.main.messages.list(agent_id))[1:]


async def head_of(home: House, agent_id: str) -> AgentHead:
    """Return an agent's head."""
    return (await home.main.agents.state(agent_id)).head


ASKED = ["user: hi", "approval: may I? guarded({})"]


@virtual
async def test_reply_that_asks_ends_the_run_and_waits() -> None:
    """The tool does not run; the run is completed, and what waits stands on the head with the request's ids."""
    home = asking("guarded")
    agent_id, result = await asked(home)
    expected = (RunStatus.COMPLETED, StopReason.REQUIRES_APPROVAL)
    assert expected == (result.run.status, result.run.stop_reason)
    assert [] == home.tools.started
    assert ASKED == await told(home, agent_id)
    (request,), head = result.messages, await head_of(home, agent_id)
    waits = head.pending
    assert waits is not None
    assert (request.id, result.run.id, request.step_id, request.created_at) == (
        waits.message_id,
        waits.run_id,
        waits.step_id,
        waits.created_at,
    )
    assert (attrs.evolve(call("guarded"), asks=True),) == waits.calls == waits.asked == request.tool_calls
    assert None is head.lease


@pytest.mark.parametrize(
    ("approvals", "returned", "started"),
    [
        ((verdict(),), "guarded=success:done", ["guarded"]),
        ((verdict(approve=False),), f"guarded={DENIED}", []),
        ((verdict(approve=False, reason="too late"),), f"guarded={DENIED}: too late", []),
        ((gave(),), "guarded=success:six", []),
        ((gave(status="error"),), "guarded=error:six", []),
        ((gave(text=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),), "guarded=success:a\nb", []),
    ],
)
@virtual
async def test_answer_lets_the_turn_go_on(approvals: tuple[JsonObject, ...], returned: str, started: list[str]) -> None:
    """An approved call runs, a denied one and one that the client ran do not; the model reads the return."""
    home = asking("guarded")
    agent_id, _ = await asked(home)
    result = await home.main.messages.send(agent_id, [answer(*approvals)])
    assert [f"tool: {returned}", "assistant: all is well"] == gist(result.messages)
    assert [*ASKED, "approval:", f"tool: {returned}", "assistant: all is well"] == await told(home, agent_id)
    assert (started, None) == (home.tools.started, (await head_of(home, agent_id)).pending)
    assert ["user: hi", "assistant: may I? guarded({})", f"tool: {returned}"] == gist(home.model.requests[-1].messages)


@pytest.mark.parametrize(
    ("approve", "request_id", "returned"),
    [
        (True, None, "guarded=success:done"),
        (True, "guarded", "guarded=success:done"),
        (False, "the message", f"guarded={DENIED}: no"),
    ],
)
@virtual
async def test_answer_in_the_older_words(approve: bool, request_id: str | None, returned: str) -> None:
    """An answer without calls speaks of all that wait, whether it names the request, the call or neither."""
    home = asking("guarded")
    agent_id, result = await asked(home)
    named = result.messages[0].id if request_id == "the message" else request_id
    draft = answer(approve=approve, approval_request_id=named, denial_reason="no")
    result = await home.main.messages.send(agent_id, [draft])
    assert f"tool: {returned}" == gist(result.messages)[0]


@virtual
async def test_only_some_calls_ask() -> None:
    """All calls of a reply wait for the answer, in their order; only those that ask need one."""
    home = asking("free", "guarded", "nothing")
    agent_id, result = await asked(home, GUARDED, FREE)
    assert ([False, True, False], []) == ([one.asks for one in result.messages[0].tool_calls], home.tools.started)
    result = await home.main.messages.send(agent_id, [answer(verdict())])
    names = "there is no tool 'nothing'; there are: guarded, free"
    expected = f"tool: free=success:done guarded=success:done nothing=error:{names}"
    assert (expected, ["free", "guarded"]) == (gist(result.messages)[0], home.tools.started)


@virtual
async def test_rule_asks_for_a_builtin_tool() -> None:
    """A rule of the agent holds for builtin tools too: the edit is made once somebody agrees."""
    note = '{"label": "human", "new_string": "likes tea"}'
    home = house(Reply(calls=(call("memory_insert", note),)), Reply(text="well"))
    rules = ({"type": "requires_approval", "tool_name": "memory_insert"},)
    agent = await home.agent(tool_names=("memory_insert",), tool_rules=rules, blocks=(BlockDraft(label="human"),))
    await home.main.messages.send(agent.id, [said()])
    assert "" == (await home.main.agents.block(agent.id, "human")).value
    await home.main.messages.send(agent.id, [answer(verdict("memory_insert"))])
    assert "likes tea" == (await home.main.agents.block(agent.id, "human")).value


@pytest.mark.parametrize(
    ("drafts", "error", "words"),
    [
        ([said("well?")], ApprovalPending, "waiting for approval of guarded"),
        ([answer(verdict("other"))], ApprovalMismatch, "Invalid tool call IDs: expected guarded, but received other"),
        ([answer(verdict(), verdict())], ApprovalMismatch, "received guarded, guarded"),
        ([answer(verdict(), verdict("other"))], ApprovalMismatch, "received guarded, other"),
        ([answer(approve=True, approval_request_id="other")], ApprovalMismatch, "received other"),
        ([answer()], InvalidInput, "give either approvals or approve"),
        ([said(), answer(verdict())], InvalidInput, r"\$.messages\[1\]: answers must come before all other messages"),
        ([answer({"type": "maybe"})], InvalidInput, r"approvals\[0\].type: no answer has the type 'maybe'"),
        ([answer({"type": "approval"})], InvalidInput, "missing required field `tool_call_id`"),
        ([answer(gave(text=5))], InvalidInput, r"approvals\[0\].tool_return: expected a text or a list of parts"),
        ([answer(verdict(reason="\ud800"))], InvalidInput, "holds a lone surrogate"),
    ],
)
@virtual
async def test_input_that_does_not_fit_changes_nothing(
    drafts: list[MessageDraft], error: type[Exception], words: str
) -> None:
    """It is refused in words that say what waits, nothing is stored, and the right answer is still taken."""
    home = asking("guarded")
    agent_id, _ = await asked(home)
    before = await head_of(home, agent_id)
    with pytest.raises(error, match=words):
        await home.main.messages.send(agent_id, drafts)
    assert (before, ASKED) == (await head_of(home, agent_id), await told(home, agent_id))
    result = await home.main.messages.send(agent_id, [answer(verdict())])
    assert StopReason.END_TURN == result.run.stop_reason


@pytest.mark.parametrize(
    "drafts",
    [
        [answer(verdict())],
        [answer(verdict(approve=False))],
        [answer(verdict()), said()],
        [answer(gave()), said()],
        [answer(approve=True), said()],
    ],
)
@virtual
async def test_nothing_waits(drafts: list[MessageDraft]) -> None:
    """An answer to nothing is refused and leaves nothing behind."""
    home = asking()
    agent = await home.agent(GUARDED)
    with pytest.raises(ApprovalMismatch, match=NOTHING_WAITS):
        await home.main.messages.send(agent.id, drafts)
    assert [] == await told(home, agent.id)


@pytest.mark.parametrize("stale", [answer(verdict(approve=False)), answer(gave(status="error")), answer(approve=False)])
@virtual
async def test_stale_denial_before_a_message(stale: MessageDraft) -> None:
    """A denial of what does not wait any more changes nothing; the message behind it begins its turn."""
    home = house(Reply(text="hello there"))
    agent = await home.agent(GUARDED)
    drafts = [attrs.evolve(stale, otid="o1"), said(otid="o2")]
    result = await home.main.messages.send(agent.id, drafts)
    assert ["approval:", "user: hi", "assistant: hello there"] == await told(home, agent.id)
    assert ["user: hi"] == gist(home.model.requests[0].messages)
    again = await home.main.messages.send(agent.id, drafts)
    assert (result.run.id, 1) == (again.run.id, len(home.model.requests))


@pytest.mark.parametrize("approve", [True, False])
@virtual
async def test_message_behind_an_answer_comes_after_the_returns(approve: bool) -> None:
    """The denial, the returns and the message are stored in that order, and the model reads all of them."""
    home = house(Reply(text="may I?", calls=(call("guarded"),)))
    agent_id, _ = await asked(home)
    home.model.lines = (Reply(text="well then"),)
    drafts = [answer(verdict(approve=approve), otid="o1"), said("go on", otid="o2")]
    result = await home.main.messages.send(agent_id, drafts)
    returned = "tool: guarded=success:done" if approve else f"tool: guarded={DENIED}"
    assert [*ASKED, "approval:", returned, "user: go on", "assistant: well then"] == await told(home, agent_id)
    assert [returned, "assistant: well then"] == gist(result.messages)
    assert result.run.id == (await home.main.messages.send(agent_id, drafts)).run.id


@virtual
async def test_answer_sent_again_is_taken_once() -> None:
    """With the same otid the first run is told again; another answer under that otid is refused."""
    home = asking("guarded")
    agent_id, _ = await asked(home)
    first = await home.main.messages.send(agent_id, [answer(verdict(), otid="o1")])
    again = await home.main.messages.send(agent_id, [answer(verdict(), otid="o1")])
    assert (first, ["guarded"]) == (again, home.tools.started)
    with pytest.raises(AlreadyExists, match="message with otid 'o1' exists already"):
        await home.main.messages.send(agent_id, [answer(verdict(approve=False), otid="o1")])


@pytest.mark.parametrize("named", [True, False])
@virtual
async def test_cancel_answers_what_waits(named: bool) -> None:
    """The calls are answered with errors, the head is free, and the next message is taken at once."""
    home = asking("guarded", "free")
    agent_id, result = await asked(home, GUARDED, FREE)
    cancelled = await home.main.messages.cancel(agent_id, result.run.id if named else None)
    assert (result.run, None) == (cancelled, (await head_of(home, agent_id)).pending)
    expected = f"tool: guarded=error:{WITHDRAWN} free=error:{WITHDRAWN}"
    assert expected == (await told(home, agent_id))[-1]
    with pytest.raises(ApprovalMismatch, match=NOTHING_WAITS):
        await home.main.messages.send(agent_id, [answer(verdict())])
    home.model.lines = (Reply(text="well then"),)
    result = await home.main.messages.send(agent_id, [said("go on")])
    assert ["assistant: well then"] == gist(result.messages)
    assert expected == gist(home.model.requests[-1].messages)[2]
    assert None is await home.main.messages.cancel(agent_id)


@virtual
async def test_cancel_of_another_run_leaves_what_waits() -> None:
    """Only the run that asked, or no run by name, gives up what waits."""
    home = house(Reply(text="hello there"))
    agent = await home.agent(GUARDED)
    earlier = await home.main.messages.send(agent.id, [said()])
    home.model.lines = (Reply(calls=(call("guarded"),)),)
    await home.main.messages.send(agent.id, [said()])
    assert earlier.run == await home.main.messages.cancel(agent.id, earlier.run.id)
    assert None is not (await head_of(home, agent.id)).pending


@pytest.mark.parametrize("harm", [Harm.FAIL, Harm.LOSE])
@virtual
async def test_cancel_happens_once(harm: Harm) -> None:
    """A withdrawal whose acknowledgement is lost is not made twice, and is told all the same."""
    home = asking("guarded")
    agent_id, result = await asked(home)
    home.store.arm(harm)
    assert result.run == await home.main.messages.cancel(agent_id)
    assert [*ASKED, f"tool: guarded=error:{WITHDRAWN}"] == await told(home, agent_id)


@virtual
async def test_cancel_while_the_model_asks() -> None:
    """A reply that comes after the wish to cancel asks nobody: its calls are answered, and nothing waits."""
    home = house(Reply(text="may I?", calls=(call("guarded"),), seconds=10))
    agent = await home.agent(GUARDED)
    other = home.kelpie()  # it cannot stop the other process's model, only leave its wish in the store
    events = home.main.messages.stream(agent.id, [said()])
    await anext(events)
    await home.clock.sleep(5)
    await other.messages.cancel(agent.id)
    rest = [event async for event in events]
    assert 3 == len(rest)
    words = "the turn was cancelled before this call returned"
    assert ["user: hi", "assistant: may I? guarded({})", f"tool: guarded=error:{words}"] == await told(home, agent.id)
    assert (None, []) == ((await head_of(home, agent.id)).pending, home.tools.started)


CLIENT = TurnOptions(client_tools=(ClientTool(name="shell", description="d", parameters={"type": "object"}),))


@virtual
async def test_client_tool_is_offered_for_its_run_only() -> None:
    """A call of it always waits; the client's return goes to the model; nothing is stored as a tool."""
    home = asking("shell")
    agent = await home.agent(FREE)
    result = await home.main.messages.send(agent.id, [said()], CLIENT)
    offered = home.model.requests[0].tools
    schema = {"name": "shell", "description": "d", "parameters": {"type": "object"}}
    assert (["free", "shell"], schema) == ([tool.name for tool in offered], offered[1].json_schema)
    assert StopReason.REQUIRES_APPROVAL == result.run.stop_reason
    result = await home.main.messages.send(agent.id, [answer(gave("shell", "ls"))])
    assert ["tool: shell=success:ls", "assistant: all is well"] == gist(result.messages)
    assert ["free"] == [tool.name for tool in home.model.requests[1].tools]
    assert ["free"] == [tool.name for tool in await home.main.tools.list()]


@virtual
async def test_client_tool_stands_in_place_of_an_attached_one() -> None:
    """Of two tools of one name the request's is offered, and its calls wait."""
    home = asking("free")
    agent = await home.agent(FREE)
    options = TurnOptions(client_tools=(ClientTool(name="free"),))
    result = await home.main.messages.send(agent.id, [said()], options)
    assert [None] == [tool.source_type for tool in home.model.requests[0].tools]
    assert (StopReason.REQUIRES_APPROVAL, []) == (result.run.stop_reason, home.tools.started)


@virtual
async def test_deltas_say_that_a_call_asks() -> None:
    """Each piece of a call that will wait says so; pieces of other calls do not."""
    home = asking("free", "guarded")
    agent = await home.agent(GUARDED, FREE)
    events = [e async for e in home.main.messages.stream(agent.id, [said()], TurnOptions(tokens=True))]
    marks = [event.asks for event in events if isinstance(event, Delta)]
    assert [False, False, False, False, True, True] == marks


@virtual
async def test_workflow_finds_its_request_again() -> None:
    """An agent that forgets each turn still has the request in its window when the answer comes."""
    home = asking("guarded")
    agent_id, _ = await asked(home, message_buffer_autoclear=True)
    await home.main.messages.send(agent_id, [answer(verdict())])
    assert ["user: hi", "assistant: may I? guarded({})", "tool: guarded=success:done"] == gist(
        home.model.requests[-1].messages
    )
    assert () == (await head_of(home, agent_id)).window


@virtual
async def test_of_two_approvers_one_is_taken() -> None:
    """The second answer finds the agent busy or nothing waiting, and the tool runs once."""
    home = house(Reply(calls=(call("guarded"),)), Reply(text="well"), guarded=Act(seconds=10))
    agent_id, _ = await asked(home)
    first = home.main.messages.stream(agent_id, [answer(verdict())])
    await anext(first)
    with pytest.raises(Refused, match="is currently being processed"):
        await home.main.messages.send(agent_id, [answer(verdict())])
    async for _ in first:
        pass
    assert ["guarded"] == home.tools.started
    with pytest.raises(ApprovalMismatch, match=NOTHING_WAITS):
        await home.main.messages.send(agent_id, [answer(verdict())])


@pytest.mark.parametrize("harm", [Harm.DIE_BEFORE, Harm.DIE_AFTER])
@pytest.mark.parametrize("at", range(1, 12))
@virtual
async def test_crash_at_any_commit_of_an_answered_turn(harm: Harm, at: int) -> None:
    """Wherever the process dies another takes the turn up, and the history is whole: nothing open, nothing twice."""
    home = asking("guarded")
    agent_id, _ = await asked(home, attrs.evolve(GUARDED, idempotent=True))
    draft = [answer(verdict(), otid="o1"), MessageDraft(content=(TextPart(text="go on"),), otid="o2")]
    home.model.lines = (Reply(text="well then"),)
    await home.die(home.main.messages.send(agent_id, draft), harm, at)
    await home.clock.sleep(60)
    survivor = home.kelpie()
    await survivor.recover()
    await survivor.messages.send(agent_id, draft)
    expected = [*ASKED, "approval:", "tool: guarded=success:done", "user: go on", "assistant: well then"]
    assert expected == gist(await survivor.messages.list(agent_id))[1:]
    assert None is (await survivor.agents.state(agent_id)).head.pending


@virtual
async def test_what_waits_in_a_conversation_holds_no_other() -> None:
    """Each thread waits for itself: the default one goes on, and a cancel there takes nothing away here."""
    home = house(Reply(text="may I?", calls=(call("guarded"),)), Reply(text="all is well"))
    agent = await home.agent(GUARDED)
    talk = (await home.main.conversations.create(agent.id, ConversationDraft())).conversation
    await home.main.messages.send(agent.id, [said()], conversation_id=talk.id)
    assert None is (await head_of(home, agent.id)).pending
    assert None is await home.main.messages.cancel(agent.id)
    await home.main.messages.send(agent.id, [said("here")])
    assert None is not (await head_of(home, agent.id)).pending
    result = await home.main.messages.send(agent.id, [answer(verdict())], conversation_id=talk.id)
    assert ["tool: guarded=success:done", "assistant: all is well"] == gist(result.messages)
    assert None is not (await head_of(home, agent.id)).pending
    cancelled = await home.main.messages.cancel(agent.id)
    assert cancelled is not None
    assert None is (await head_of(home, agent.id)).pending


@virtual
async def test_reset_gives_up_what_waits() -> None:
    """The request goes with the messages, and the next message is taken at once."""
    home = asking("guarded")
    agent_id, _ = await asked(home)
    await home.main.messages.reset(agent_id)
    assert (None, []) == ((await head_of(home, agent_id)).pending, await told(home, agent_id))
    home.model.lines = (Reply(text="well then"),)
    result = await home.main.messages.send(agent_id, [said()])
    assert ["assistant: well then"] == gist(result.messages)


@virtual
async def test_tool_that_came_to_need_approval_does_not_run() -> None:
    """A call of which nobody was asked is refused, where its tool began to need approval after the reply."""
    home = house(Reply(calls=(call("free"),)), Reply(text="well"))
    agent = await home.agent(FREE)
    assert await home.die(home.main.messages.send(agent.id, [said()]), Harm.DIE_AFTER, 3)
    survivor = home.kelpie()
    rules: tuple[JsonObject, ...] = ({"type": "requires_approval", "tool_name": "free"},)
    await survivor.agents.update(agent.id, AgentChanges(tool_rules=rules))
    await home.clock.sleep(60)
    await survivor.recover()
    await home.clock.sleep(1)
    expected = ["user: hi", "assistant: free({})", f"tool: free=error:{UNAPPROVED}", "assistant: well"]
    assert (expected, []) == (gist(await survivor.messages.list(agent.id))[1:], home.tools.started)
