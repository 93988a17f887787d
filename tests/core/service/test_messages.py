"""Sending, streaming, listing, cancelling: what people do with an agent, and what they are told."""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from kelpie_core.errors import AgentBusy, AlreadyExists, InvalidInput, NotFound, Refused, TurnFailed
from kelpie_core.limits import LEASE_SECONDS, PAGE_ITEMS_MAX
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.ports import ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_core.records import MESSAGES
from kelpie_core.service.drafts import AgentChanges, ConversationDraft, Page, ToolDraft, TurnOptions
from kelpie_core.service.messages import TurnResult
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded, TurnEvent
from tests.house import OTHERS, House, call, everything, gist, house, said
from tests.twins import NOON, Act, Harm, Reply, model_error, virtual

ROLL = (Reply(text="let me see", calls=(call("roll"),)), Reply(text="a six"))


def told(events: list[TurnEvent]) -> list[str]:
    """Return events in short."""
    return [_told(event) for event in events]


def _told(event: TurnEvent) -> str:
    match event:
        case RunStarted(run=run):
            return f"started {run.status}"
        case MessageStored(message=message):
            return gist([message])[0]
        case Delta(part=TextDelta(text=text)):
            return f"text {text}"
        case Delta(part=ReasoningDelta(text=text)):
            return f"reasoning {text}"
        case Delta(part=ToolCallDelta() as part):
            return f"call {part.index} {part.name} {part.arguments}"
        case TurnEnded(run=run):
            return f"ended {run.status} {run.stop_reason}"
    raise AssertionError(event)


async def heard(stream: AsyncIterator[TurnEvent]) -> list[TurnEvent]:
    """Return all events of a stream."""
    return [event async for event in stream]


@virtual
async def test_plain_turn() -> None:
    """A turn stores its input, the model's answer and its account, and gives the answer back."""
    home = house()
    agent = await home.agent(model="m")
    result = await home.main.messages.send(agent.id, [said("hi", name="Bo", sender_id="x")])
    run = result.run
    assert ["assistant: hello there"] == gist(result.messages)
    usage = Usage(prompt_tokens=10, completion_tokens=5)
    assert (RunStatus.COMPLETED, StopReason.END_TURN, None, usage, NOON, 1) == (
        run.status,
        run.stop_reason,
        run.error,
        run.usage,
        run.completed_at,
        run.seq_first,
    )
    history = await home.main.messages.list(agent.id)
    assert ["system:", "user: hi", "assistant: hello there"] == gist(history)
    assert [0, 1, 2] == [message.seq for message in history]
    assert [None, run.id, run.id] == [message.run_id for message in history]
    assert ("Bo", "x", "m") == (history[1].name, history[1].sender_id, history[2].model)
    assert result.messages[0] == await home.main.messages.get(result.messages[0].id)
    assert run == await home.main.runs.get(run.id)
    assert None is (await home.main.agents.state(agent.id)).head.lease


@virtual
async def test_model_sees_the_history() -> None:
    """The second turn's model call has the first turn in it, and the system prompt with the blocks as they now are."""
    home = house()
    agent = await home.agent(system="Be kind.", model="m", llm_config={"a": 1}, model_settings={"b": 2})
    await home.main.messages.send(agent.id, [said("one")])
    await home.main.agents.update(agent.id, AgentChanges(system="Be brief."))
    await home.main.messages.send(agent.id, [said("two"), said("three")])
    request = home.model.requests[-1]
    assert ["user: one", "assistant: hello there", "user: two", "user: three"] == gist(request.messages)
    assert (agent.id, "m", "Be brief.", (), {"a": 1}, {"b": 2}) == (
        request.agent_id,
        request.model,
        request.system,
        request.tools,
        request.llm_config,
        request.model_settings,
    )


@virtual
async def test_streamed_turn() -> None:
    """A stream tells the start, each message once it is stored, and the end."""
    home = house(*ROLL)
    agent = await home.agent(ToolDraft(name="roll"))
    events = await heard(home.main.messages.stream(agent.id, [said()]))
    assert [
        "started running",
        "assistant: let me see roll({})",
        "tool: roll=success:done",
        "assistant: a six",
        "ended completed end_turn",
    ] == told(events)


@virtual
async def test_told_is_stored() -> None:
    """Whatever a listener has heard of is in the store at that moment."""
    home = house(*ROLL)
    agent = await home.agent(ToolDraft(name="roll"))
    async for event in home.main.messages.stream(agent.id, [said()]):
        match event:
            case RunStarted(run=run) | TurnEnded(run=run):
                assert run.status == (await home.main.runs.get(run.id)).status
            case MessageStored(message=message):
                assert message == await home.main.messages.get(message.id)


@virtual
async def test_streamed_tokens() -> None:
    """With tokens, the pieces of each message come before it, under the id and step that it will have."""
    home = house(Reply(reasoning="hm", text="let me see", calls=(call("roll", '{"x": 1}'),)), Reply(text="a six"))
    agent = await home.agent(ToolDraft(name="roll"))
    events = await heard(home.main.messages.stream(agent.id, [said()], TurnOptions(tokens=True)))
    assert [
        "started running",
        "reasoning hm",
        "text let",
        "text  me",
        "text  see",
        'call 0 roll {"x"',
        "call 0 None : 1}",
        'assistant: let me see roll({"x": 1})',
        "tool: roll=success:done",
        "text a",
        "text  six",
        "assistant: a six",
        "ended completed end_turn",
    ] == told(events)
    stored = {e.message.id: e.message for e in events if isinstance(e, MessageStored)}
    deltas = [event for event in events if isinstance(event, Delta)]
    assert [stored[delta.message_id].step_id for delta in deltas] == [delta.step_id for delta in deltas]
    assert {deltas[0].run_id} == {message.run_id for message in stored.values()}


@virtual
async def test_stream_that_is_closed_stops_nothing() -> None:
    """A listener that goes away leaves the turn to go on to its end."""
    home = house(Reply(text="late", seconds=60))
    agent = await home.agent()
    stream = home.main.messages.stream(agent.id, [said()])
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await home.clock.sleep(61)
    assert ["system:", "user: hi", "assistant: late"] == gist(await home.main.messages.list(agent.id))


@virtual
async def test_bad_input_stores_nothing() -> None:
    """A turn that cannot begin leaves no trace."""
    home = house()
    agent = await home.agent()
    before = await everything(home.memory)
    with pytest.raises(InvalidInput, match="must not be empty"):
        await home.main.messages.send(agent.id, [])
    with pytest.raises(InvalidInput, match=r"\$\.max_steps"):
        await home.main.messages.send(agent.id, [said()], TurnOptions(steps_max=0))
    with pytest.raises(NotFound, match="agent-x"):
        await home.main.messages.send("agent-x", [said()])
    assert before == await everything(home.memory)


@virtual
async def test_other_organizations_messages_are_not_found() -> None:
    """Every call on another organization's agent or message says that it is not there."""
    home = house()
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    before = await everything(home.memory)
    messages = home.main.acting_as(OTHERS).messages
    for waiting in (messages.send(agent.id, [said()]), messages.list(agent.id), messages.cancel(agent.id)):
        with pytest.raises(NotFound, match=f"agent '{agent.id}' was not found"):
            await waiting
    with pytest.raises(NotFound):
        await messages.get(result.messages[0].id)
    with pytest.raises(NotFound, match="message 'message-x' was not found"):
        await messages.get("message-x")
    assert before == await everything(home.memory)


@virtual
async def test_failed_turn_is_raised() -> None:
    """A sender hears of a failed run as an error that names it; a stream ends with it."""
    home = house(model_error("llm_rate_limit", retriable=False))
    agent = await home.agent()
    with pytest.raises(TurnFailed, match="the provider is down") as caught:
        await home.main.messages.send(agent.id, [said()])
    run = await home.main.runs.get(caught.value.run_id)
    assert ("llm_rate_limit", RunStatus.FAILED, StopReason.LLM_API_ERROR) == (
        caught.value.kind,
        run.status,
        run.stop_reason,
    )
    events = await heard(home.main.messages.stream(agent.id, [said()]))
    assert ["started running", "ended failed llm_api_error"] == told(events)
    assert ["system:", "user: hi", "user: hi"] == gist(await home.main.messages.list(agent.id))


# What was sent before.


@virtual
async def test_same_otid_gives_the_same_turn() -> None:
    """Input that was sent before begins nothing: its turn's events come again, and nothing is stored."""
    home = house(*ROLL)
    agent = await home.agent(ToolDraft(name="roll"))
    drafts = [said("roll", otid="o1"), said("dice", otid="o2")]
    first = await home.main.messages.send(agent.id, drafts)
    await home.main.messages.send(agent.id, [said("other")])
    before = await everything(home.memory)
    assert first == await home.main.messages.send(agent.id, drafts)
    assert first == await home.main.messages.send(agent.id, drafts[:1])
    assert before == await everything(home.memory)


@virtual
async def test_same_otid_while_it_runs() -> None:
    """Input that is sent again while its turn is at work waits for the end, here and in another process."""
    home = house(Reply(text="late", seconds=45))
    agent = await home.agent()
    draft = said(otid="o1")
    senders = [home.main, home.main, home.kelpie(), home.kelpie()]
    results = await asyncio.gather(*(kelpie.messages.send(agent.id, [draft]) for kelpie in senders))
    assert [results[0]] * 4 == results
    assert 1 == len(home.model.requests)
    assert ["system:", "user: hi", "assistant: late"] == gist(await home.main.messages.list(agent.id))


@virtual
async def test_same_otid_of_a_failed_turn() -> None:
    """A turn that failed has failed for whoever asks again."""
    home = house(model_error(retriable=False))
    agent = await home.agent()
    failures = []
    for _ in range(2):
        with pytest.raises(TurnFailed) as caught:
            await home.main.messages.send(agent.id, [said(otid="o1")])
        failures.append(caught.value.run_id)
    assert (failures[0], 1) == (failures[1], len(home.model.requests))


@virtual
async def test_same_otid_of_an_abandoned_turn() -> None:
    """A turn whose process died is taken up by whoever sends its input again."""
    home = house()
    agent = await home.agent()
    await home.die(home.main.messages.send(agent.id, [said(otid="o1")]), Harm.DIE_BEFORE, 2)
    result = await home.kelpie().messages.send(agent.id, [said(otid="o1")])
    assert (RunStatus.COMPLETED, ["assistant: hello there"]) == (result.run.status, gist(result.messages))
    assert LEASE_SECONDS <= (result.run.completed_at or NOON).timestamp() - NOON.timestamp() <= LEASE_SECONDS + 1


@pytest.mark.parametrize("drafts", [[said(otid="o1"), said(otid="o3")], [said(otid="o3"), said(otid="o2")]])
@virtual
async def test_half_of_an_input_is_refused(drafts: list[object]) -> None:
    """Input of which only a part was sent before is refused: the rest would be lost without a word."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said(otid="o1"), said(otid="o2")])
    with pytest.raises(AlreadyExists, match=r"message with otid 'o[12]' exists already"):
        await home.main.messages.send(agent.id, drafts)  # type: ignore[arg-type]
    assert 4 == len(await home.main.messages.list(agent.id))


@virtual
async def test_otid_is_the_agents_own() -> None:
    """Two agents may be sent the same otid, and each has its turn."""
    home = house()
    agents = [await home.agent(), await home.agent()]
    results = [await home.main.messages.send(agent.id, [said(otid="o1")]) for agent in agents]
    assert [agent.id for agent in agents] == [result.run.agent_id for result in results]


@virtual
async def test_otid_without_a_run_counts_as_new() -> None:
    """A message that came with an imported file belongs to no run here, so there is no turn to give again."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        old = Message(id="m", agent_id=agent.id, seq=-1, role=Role.USER, otid="o1", run_id="run-x", created_at=NOON)
        await tx.put(MESSAGES, old)
    result = await home.main.messages.send(agent.id, [said(otid="o1")])
    assert ["assistant: hello there"] == gist(result.messages)


@virtual
async def test_long_turn_is_given_whole() -> None:
    """A turn with more messages than a page holds is given again with all of them."""
    home = house()
    agent = await home.agent()
    first = await home.main.messages.send(agent.id, [said(otid="o1")])
    more = tuple(attrs.evolve(first.messages[0], id=f"m{seq}", seq=seq) for seq in range(3, 3 + PAGE_ITEMS_MAX))
    async with home.memory.transaction() as tx:
        for message in more:
            await tx.put(MESSAGES, message)
    expected = TurnResult(run=first.run, messages=(*first.messages, *more))
    assert expected == await home.main.messages.send(agent.id, [said(otid="o1")])


# A busy agent.


@virtual
async def test_busy_agent_refuses() -> None:
    """While a turn runs, a second sender is told so at once, with the run that is in the way; nothing is stored."""
    home = house(Reply(text="late", seconds=60))
    agent = await home.agent()
    first = asyncio.ensure_future(home.main.messages.send(agent.id, [said("one")]))
    await home.clock.sleep(1)
    for kelpie in (home.main, home.kelpie()):
        with pytest.raises(AgentBusy) as caught:
            await kelpie.messages.send(agent.id, [said("two")])
        assert 1 == asyncio.get_running_loop().time()
    result = await first
    assert (agent.id, result.run.id) == (caught.value.agent_id, caught.value.run_id)
    assert ["system:", "user: one", "assistant: late"] == gist(await home.main.messages.list(agent.id))


@virtual
async def test_busy_agent_is_waited_for() -> None:
    """Senders that wait have their turns one after the other; none interleaves."""
    home = house(Reply(text="late", seconds=20))
    agent = await home.agent()
    sends = (home.main.messages.send(agent.id, [said(str(n))], TurnOptions(wait_seconds=100)) for n in range(3))
    results = await asyncio.gather(*sends)
    history = await home.main.messages.list(agent.id)
    assert [result.run.id for result in sorted(results, key=lambda result: result.run.seq_first) for _ in "ab"] == [
        message.run_id for message in history[1:]
    ]
    assert ["user", "assistant"] * 3 == [message.role for message in history[1:]]


@virtual
async def test_wait_has_an_end() -> None:
    """A sender that has waited as long as it said is refused."""
    home = house(Reply(text="late", seconds=60))
    agent = await home.agent()
    first = asyncio.ensure_future(home.main.messages.send(agent.id, [said("one")]))
    await home.clock.sleep(0)
    with pytest.raises(AgentBusy):
        await home.main.messages.send(agent.id, [said("two")], TurnOptions(wait_seconds=10))
    assert 10 == asyncio.get_running_loop().time()
    await first


@virtual
async def test_abandoned_turn_goes_first() -> None:
    """A sender that finds a dead process's turn takes that up; one that waits has its own turn after it."""
    home = house()
    agent = await home.agent()
    await home.die(home.main.messages.send(agent.id, [said("one")]), Harm.DIE_AFTER, 1)
    await home.clock.sleep(LEASE_SECONDS)
    other = home.kelpie()
    with pytest.raises(AgentBusy):
        await other.messages.send(agent.id, [said("refused")])
    await other.messages.send(agent.id, [said("two")], TurnOptions(wait_seconds=5))
    assert [
        "system:",
        "user: one",
        "assistant: hello there",
        "user: two",
        "assistant: hello there",
    ] == gist(await other.messages.list(agent.id))


# Cancelling.


async def cancelled(home: House, kelpie_number: int, seconds: float) -> tuple[Run, list[str], float]:
    """Cancel a turn after so many seconds, from its own process (0) or another (1); return how it ended, and when."""
    agent = await home.agent(ToolDraft(name="roll"))
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(seconds)
    kelpie = (home.main, home.kelpie())[kelpie_number]
    asked = await kelpie.messages.cancel(agent.id)
    assert asked is not None
    assert (RunStatus.RUNNING, True) == (asked.status, asked.cancel_requested)
    result = await turn
    return result.run, gist(await home.main.messages.list(agent.id))[1:], asyncio.get_running_loop().time()


@pytest.mark.parametrize(("process", "end"), [(0, 5), (1, 10)], ids=["own process", "another process"])
@virtual
async def test_cancel_while_the_model_is_called(process: int, end: float) -> None:
    """The call is broken off, at once or at the next heartbeat, the input stays, and nothing else is stored."""
    run, history, at = await cancelled(house(Reply(text="late", seconds=60)), process, 5)
    assert (RunStatus.CANCELLED, StopReason.CANCELLED, None) == (run.status, run.stop_reason, run.error)
    assert (["user: hi"], end) == (history, at)


@pytest.mark.parametrize(("process", "end"), [(0, 5), (1, 10)], ids=["own process", "another process"])
@virtual
async def test_cancel_while_a_tool_runs(process: int, end: float) -> None:
    """The tool is broken off and every open call is answered, so that the history stays whole."""
    home = house(Reply(calls=(call("roll"), call("roll", key="c2"))), roll=Act(seconds=60))
    run, history, at = await cancelled(home, process, 5)
    words = "error:the turn was cancelled before this call returned"
    assert ["user: hi", "assistant: roll({}) roll({})", f"tool: roll={words} c2={words}"] == history
    assert (RunStatus.CANCELLED, end, ["roll"], []) == (run.status, at, home.tools.started, home.tools.finished)


@virtual
async def test_cancel_before_it_begins() -> None:
    """A turn that is cancelled as soon as it is stored never calls the model."""
    home = house()
    agent = await home.agent()
    events: list[TurnEvent] = []
    async for event in home.main.messages.stream(agent.id, [said()]):
        events.append(event)
        if isinstance(event, RunStarted):
            await home.main.messages.cancel(agent.id, event.run.id)
    assert ["started running", "ended cancelled cancelled"] == told(events)
    assert [] == home.model.requests


@virtual
async def test_cancel_of_an_abandoned_turn() -> None:
    """A dead process's turn is taken up to be ended as cancelled."""
    home = house()
    agent = await home.agent()
    await home.die(home.main.messages.send(agent.id, [said()]), Harm.DIE_BEFORE, 3)
    await home.clock.sleep(LEASE_SECONDS)
    other = home.kelpie()
    run = await other.messages.cancel(agent.id)
    assert run is not None
    await home.clock.sleep(0.01)
    assert (RunStatus.CANCELLED, None) == (
        (await other.runs.get(run.id)).status,
        (await other.agents.state(agent.id)).head.lease,
    )


@virtual
async def test_cancel_of_nothing() -> None:
    """Without a turn there is nothing to cancel; an ended run stays as it ended; another agent's is refused."""
    home = house()
    agent, other = await home.agent(), await home.agent()
    assert None is await home.main.messages.cancel(agent.id)
    result = await home.main.messages.send(agent.id, [said()])
    assert result.run == await home.main.messages.cancel(agent.id, result.run.id)
    assert result.run == await home.main.runs.get(result.run.id)
    with pytest.raises(Refused, match=f"run {result.run.id} is not of agent {other.id}"):
        await home.main.messages.cancel(other.id, result.run.id)
    with pytest.raises(NotFound, match="run 'run-x' was not found"):
        await home.main.messages.cancel(agent.id, "run-x")


@virtual
async def test_cancel_twice_is_once() -> None:
    """A second wish changes nothing."""
    home = house(Reply(text="late", seconds=60))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    other = home.kelpie()
    assert await other.messages.cancel(agent.id) == await other.messages.cancel(agent.id)
    assert RunStatus.CANCELLED == (await turn).run.status


@virtual
async def test_turn_after_a_cancelled_one() -> None:
    """The next turn begins at once, and its model sees no half exchange."""
    home = house(Reply(calls=(call("roll"),)), Reply(text="a six"), roll=Act(seconds=60))
    await cancelled(home, 0, 5)
    (agent,) = await home.main.agents.list()
    home.tools.acts = {}
    result = await home.main.messages.send(agent.id, [said("again")])
    assert ["assistant: roll({})", "tool: roll=success:done", "assistant: a six"] == gist(result.messages)
    words = "roll=error:the turn was cancelled before this call returned"
    assert ["user: hi", "assistant: roll({})", f"tool: {words}", "user: again"] == gist(home.model.requests[1].messages)


@virtual
async def test_list_is_by_page() -> None:
    """A page is the oldest messages, or the newest when descending."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    assert ["system:"] == gist(await home.main.messages.list(agent.id, Page(limit=1)))
    newest = await home.main.messages.list(agent.id, Page(limit=1, descending=True))
    assert ["assistant: hello there"] == gist(newest)


@virtual
async def test_new_input_beside_an_old_otid_is_refused() -> None:
    """What was not sent before is not answered with an earlier turn: nothing of it would be stored."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said("one", otid="1")])
    before = await everything(home.memory)
    for drafts in ([said("one", otid="1"), said("two")], [said("another", otid="1")]):
        with pytest.raises(AlreadyExists, match="message with otid '1' exists already"):
            await home.main.messages.send(agent.id, drafts)
    assert before == await everything(home.memory)


@virtual
async def test_otid_of_an_imported_history_begins_one_turn() -> None:
    """The imported message began no run here; ours did, and is found again."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said("one", otid="1")])
    data = b"".join([piece async for piece in home.main.transfer.export_file(agent.id)])
    (copy,) = await home.main.transfer.import_file(data)
    results = [await home.main.messages.send(copy, [said("again", otid="1")]) for _ in range(3)]
    assert [results[0]] * 3 == results
    assert 2 == [one.otid for one in await home.main.messages.list(copy)].count("1")


@virtual
async def test_exchange_that_the_window_cuts_is_not_seen() -> None:
    """A provider that numbers its calls anew in each reply never sees a return without its call."""
    home = house(Reply(calls=(call("look", key="call_0"),)), Reply(text="ok"))
    agent = await home.agent(ToolDraft(name="look", idempotent=True))
    for count in (2, *[1] * 60):
        await home.main.messages.send(agent.id, [said(str(number)) for number in range(count)])
    assert all(request.messages[0].role is not Role.TOOL for request in home.model.requests)


@virtual
async def test_turn_begun_in_the_background() -> None:
    """A turn is begun and its run returned at once; the turn goes on by itself, and its otid begins no second one."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    run = await home.main.messages.begin(agent.id, [said(otid="o")], TurnOptions(background=True))
    assert (RunStatus.RUNNING, True, NOON) == (run.status, run.background, home.clock.now())
    assert run.id == (await home.main.messages.begin(agent.id, [said(otid="o")])).id
    await asyncio.sleep(20)
    assert RunStatus.COMPLETED is (await home.main.runs.get(run.id)).status
    assert ["system:", "user: hi", "assistant: slow"] == gist(await home.main.messages.list(agent.id))


@virtual
async def test_turn_begun_by_a_process_that_dies() -> None:
    """A run that was stored as begun ends, although the process that began it died before it could say so."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    assert await home.die(home.main.messages.begin(agent.id, [said()]), Harm.DIE_AFTER, 1)
    await asyncio.sleep(LEASE_SECONDS)
    async with home.kelpie() as second:
        (run,) = await second.runs.list()
        told_again = await heard(second.messages.follow(run.id))
    assert ["started running", "assistant: slow", "ended completed end_turn"] == told(told_again)


@virtual
async def test_run_is_followed() -> None:
    """A run is told from its beginning while it works, at another process too, and after its end."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    run = await home.main.messages.begin(agent.id, [said()])
    followers = [asyncio.ensure_future(heard(one.messages.follow(run.id))) for one in (home.main, home.kelpie())]
    for follower in followers:
        assert ["started running", "assistant: slow", "ended completed end_turn"] == told(await follower)
    again = ["started completed", "assistant: slow", "ended completed end_turn"]
    assert again == told(await heard(home.main.messages.follow(run.id)))
    with pytest.raises(NotFound, match=run.id):
        await heard(home.main.acting_as(OTHERS).messages.follow(run.id))


@virtual
async def test_run_of_a_thread_is_found() -> None:
    """The run that holds a thread is found, and one by the otid of its message."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    messages, key = home.main.messages, made.conversation.id
    run = await messages.begin(agent.id, [said(otid="o")], conversation_id=key)
    assert run == await messages.find_run(agent.id, conversation_id=key)
    assert run == await messages.find_run(agent.id, conversation_id=key, otid="o")
    for fields in ({}, {"otid": "o"}, {"otid": "x", "conversation_id": key}):
        with pytest.raises(NotFound, match="run '"):
            await messages.find_run(agent.id, **fields)


@virtual
async def test_run_of_a_conversation_is_cancelled_by_its_id() -> None:
    """A run is cancelled by its id wherever it is; without one it is the run that holds the thread."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    first = await home.main.messages.begin(agent.id, [said()])
    second = await home.main.messages.begin(agent.id, [said()], conversation_id=made.conversation.id)
    named = await home.main.messages.cancel(agent.id, second.id)
    held = await home.main.messages.cancel(agent.id)
    assert (second.id, first.id) == (named and named.id, held and held.id)
    await asyncio.sleep(1)
    assert {RunStatus.CANCELLED} == {run.status for run in await home.main.runs.list()}
    assert None is await home.main.messages.cancel(agent.id, conversation_id=made.conversation.id)


@virtual
async def test_messages_of_a_group() -> None:
    """A list of a group's messages holds those and no others."""
    home = house()
    agent = await home.agent()
    for group_id in ("g", None, "h"):
        await home.main.messages.send(agent.id, [said(str(group_id), group_id=group_id)])
    assert ["user: g"] == gist(await home.main.messages.list(agent.id, group_id="g"))


@virtual
async def test_messages_of_all_agents() -> None:
    """One list holds what all agents of the organization store, in the order of time, page by page."""
    home = house()
    agents = [await home.agent() for _ in range(2)]
    for number in (0, 1, 0):
        await home.clock.sleep(1)
        await home.main.messages.send(agents[number].id, [said(str(number))])
    whole = await home.main.messages.list_all()
    texts = ["system:"] * 2 + [who for n in "010" for who in (f"user: {n}", "assistant: hello there")]
    assert texts == gist(whole)
    found: list[Message] = []
    while page := await home.main.messages.list_all(Page(limit=3, after=found[-1].id if found else None)):
        found += page
    assert whole == found
    assert whole[::-1] == await home.main.messages.list_all(Page(descending=True))
    with pytest.raises(InvalidInput, match=r"\$\.after"):
        await home.main.acting_as(OTHERS).messages.list_all(Page(after=whole[0].id))
