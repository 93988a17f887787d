"""Driving a turn: tools, limits, failures, deaths, and other processes, at every commit."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from kelpie_core.errors import InvariantBroken, LeaseLost, ModelError, NotFound, StoreError, TurnFailed
from kelpie_core.limits import LEASE_SECONDS, MODEL_RETRIES_MAX, TOOL_SECONDS_DEFAULT
from kelpie_core.model.agent import TurnLimits
from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.ports import ModelChunk, ModelRequest
from kelpie_core.records import AGENTS, BLOCKS, HEADS, Table
from kelpie_core.service.drafts import BlockDraft, ToolDraft, TurnOptions
from kelpie_core.service.messages import TurnResult
from kelpie_core.service.turn_events import MessageStored, TurnEnded
from tests.house import Deed, House, call, calm_outcome, everything, gist, house, outcomes, said
from tests.twins import NOON, Act, Harm, Reply, ScriptedModel, VirtualClock, model_error, run, virtual

INTERRUPTED = "error:interrupted: the server stopped while this tool was running; whether it took effect is unknown"
ROLL, LOOK = ToolDraft(name="roll"), ToolDraft(name="look", idempotent=True)
NOTE = '{"label": "human", "new_string": "likes dice"}'
CALLS = (call("roll"), call("look"), call("memory_insert", NOTE))


def busy_house() -> House:
    """Return a house whose model calls a plain tool, an idempotent one and a builtin one, and then speaks."""
    return house(Reply(text="let me see", calls=CALLS), Reply(text="a six"))


async def busy_turn(home: House) -> Deed:
    """Return a turn with those calls."""
    agent = await home.agent(ROLL, LOOK, tool_names=("memory_insert",), blocks=(BlockDraft(label="human", value="Bo"),))
    return lambda: home.main.messages.send(agent.id, [said()])


SAID = "assistant: let me see roll({}) look({}) memory_insert(" + NOTE + ")"
BUSY = ["system:", "user: hi", SAID, "tool: roll={} look=success:done memory_insert=success:Bo\nlikes dice"]


def told(roll: str) -> list[str]:
    """Return the whole history of that turn, given what the first call returned."""
    return [BUSY[0], *BUSY[1:3], BUSY[3].format(roll), "assistant: a six"]


async def history(home: House) -> list[str]:
    """Return the history of the only agent, the words of its system message aside."""
    (agent,) = await home.kelpie().agents.list()
    return ["system:", *gist(await home.kelpie().messages.list(agent.id))[1:]]


async def the_run(home: House) -> Run:
    """Return the only run."""
    (only,) = await home.kelpie().runs.list()
    return only


# Tools.


@virtual
async def test_tools_run_in_order() -> None:
    """All calls of a reply run one after the other, and their returns are stored together; the model is asked again."""
    home = busy_house()
    deed = await busy_turn(home)
    result = await deed()
    assert isinstance(result, TurnResult)
    assert told("success:done") == await history(home)
    assert told("success:done")[2:] == gist(result.messages)
    assert (["roll", "look"], 2, 3) == (home.tools.finished, result.run.turn.steps, result.run.turn.tool_calls)
    assert Usage(prompt_tokens=20, completion_tokens=10) == result.run.usage
    assert ["roll", "look", "memory_insert"] == [tool.name for tool in home.model.requests[0].tools]


@virtual
async def test_memory_edit_is_in_the_next_call() -> None:
    """What a memory tool wrote is stored in the block, and the very next model call has it."""
    home = busy_house()
    await (await busy_turn(home))()
    (block,) = await home.main.blocks.list()
    assert ("Bo\nlikes dice", [False, True]) == (
        block.value,
        ["likes dice" in request.system for request in home.model.requests],
    )


@virtual
async def test_tool_gets_what_it_needs() -> None:
    """A tool is given its arguments, the agent's secrets and a time."""
    home = house(Reply(calls=(call("roll", '{"sides": 6}'),)), Reply(text="ok"))
    agent = await home.agent(ROLL, secrets={"KEY": "hunter2"})
    await home.main.messages.send(agent.id, [said()])
    assert [("roll", {"sides": 6}, {"KEY": "hunter2"}, TOOL_SECONDS_DEFAULT)] == home.tools.asked


@virtual
async def test_model_reads_what_it_did_wrong() -> None:
    """An unknown tool and arguments that are not a JSON object are error returns, and the turn goes on."""
    calls = (call("fly"), call("roll", "{", key="c2"), call("memory_insert", "[]", key="c3"))
    home = house(Reply(calls=calls), Reply(text="sorry"))
    agent = await home.agent(ROLL, tool_names=("memory_insert",))
    result = await home.main.messages.send(agent.id, [said()])
    answers = (
        "fly=error:there is no tool 'fly'; there are: roll, memory_insert",
        "c2=error:the arguments are not a JSON object",
        "c3=error:the arguments are not a JSON object",
    )
    assert [f"tool: {' '.join(answers)}", "assistant: sorry"] == gist(result.messages)[1:]
    assert [] == home.tools.started


@virtual
async def test_tool_is_gone_in_mid_turn() -> None:
    """A tool that was deleted before its call began is no tool of the agent."""
    home = house(Reply(calls=(call("look"), call("roll"))), Reply(text="ok"), look=Act(seconds=5))
    agent = await home.agent(ROLL, LOOK)
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    await home.main.tools.delete(agent.tool_ids[0])
    answers = "look=success:done roll=error:there is no tool 'roll'; there are: look"
    assert f"tool: {answers}" == gist((await turn).messages)[1]


@virtual
async def test_shared_block_keeps_all_edits() -> None:
    """Agents that edit one block at once lose none of the edits."""
    home = house(Reply(calls=(call("memory_insert", NOTE),), seconds=1), Reply(text="ok"))
    block = await home.main.blocks.create(BlockDraft(label="human", value="Bo"))
    agents = [await home.agent(block_ids=(block.id,), tool_names=("memory_insert",)) for _ in range(5)]
    await asyncio.gather(*(home.main.messages.send(agent.id, [said()]) for agent in agents))
    assert "\n".join(("Bo", *["likes dice"] * 5)) == (await home.main.blocks.get(block.id)).value


@virtual
async def test_block_that_is_gone_is_left_out() -> None:
    """A block whose record is not there is left out of the model's call."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human"), BlockDraft(label="persona")))
    async with home.memory.transaction() as tx:
        await tx.delete(BLOCKS, (agent.block_ids[0],))
    await home.main.messages.send(agent.id, [said()])
    assert (False, True) == tuple(f"<{label}>" in home.model.requests[0].system for label in ("human", "persona"))


# Limits: each with its own stop reason.


@pytest.mark.parametrize(
    ("fields", "options", "reason", "steps", "started"),
    [
        ({"steps_max": 2}, TurnOptions(), StopReason.MAX_STEPS, 2, 4),
        ({"steps_max": 9}, TurnOptions(steps_max=1), StopReason.MAX_STEPS, 1, 2),
        ({"steps_max": 1}, TurnOptions(steps_max=9), StopReason.MAX_STEPS, 1, 2),
        ({"tool_calls_max": 3}, TurnOptions(), StopReason.MAX_TOOL_CALLS, 2, 3),
        ({"tokens_max": 45}, TurnOptions(), StopReason.MAX_TOKENS, 3, 6),
        ({"seconds_max": 25}, TurnOptions(), StopReason.MAX_SECONDS, 2, 3),
        ({"seconds_max": 10}, TurnOptions(), StopReason.MAX_SECONDS, 1, 1),
    ],
)
@virtual
async def test_limit_ends_the_turn(
    fields: dict[str, int], options: TurnOptions, reason: StopReason, steps: int, started: int
) -> None:
    """A turn that would go on for ever ends at its limit, with the limit's reason, every call answered."""
    line = Reply(calls=(call("roll"), call("roll", key="c2")))
    home = house(*[line] * 20, roll=Act(seconds=10))
    agent = await home.agent(ROLL, limits=TurnLimits(**fields))
    result = await home.main.messages.send(agent.id, [said()], options)
    assert (RunStatus.COMPLETED, reason, steps, started) == (
        result.run.status,
        result.run.stop_reason,
        result.run.turn.steps,
        len(home.tools.started),
    )
    assert [2, 2] * steps == [len(message.tool_calls or message.tool_returns) for message in result.messages]


@virtual
async def test_deadline_breaks_off_the_model() -> None:
    """A model that takes longer than the turn may last is not waited for."""
    home = house(Reply(text="late", seconds=100))
    agent = await home.agent(limits=TurnLimits(seconds_max=50))
    result = await home.main.messages.send(agent.id, [said()])
    assert (StopReason.MAX_SECONDS, (), 50) == (
        result.run.stop_reason,
        result.messages,
        asyncio.get_running_loop().time(),
    )


@virtual
async def test_nothing_begins_after_the_deadline() -> None:
    """If storing a return takes the turn past its deadline, the next tool is not even begun."""
    home = house(Reply(calls=(call("roll"), call("roll", key="c2"))), roll=Act(seconds=9.999))
    agent = await home.agent(ROLL, limits=TurnLimits(seconds_max=10))
    home.store.arm(Harm.FAIL, 5)
    result = await home.main.messages.send(agent.id, [said()])
    words = "error:the turn ran out of time before this call returned"
    assert f"tool: roll=success:done c2={words}" == gist(result.messages)[1]
    assert (["roll"], StopReason.MAX_SECONDS) == (home.tools.started, result.run.stop_reason)


class _SlowClock(VirtualClock):
    """A clock of day that stands still while time passes."""

    def now(self) -> dt.datetime:
        """Return noon."""
        return NOON


@virtual
async def test_deadline_needs_no_clock_of_day() -> None:
    """A turn ends in time although the clock of day was set back meanwhile."""
    home = House(model=ScriptedModel((Reply(text="late", seconds=100),)), clock=_SlowClock())
    agent = await home.agent(limits=TurnLimits(seconds_max=50))
    result = await home.main.messages.send(agent.id, [said()])
    assert (StopReason.MAX_SECONDS, 50) == (result.run.stop_reason, asyncio.get_running_loop().time())


# The model.


@pytest.mark.parametrize("failures", range(1, MODEL_RETRIES_MAX + 1))
@virtual
async def test_model_is_tried_again(failures: int) -> None:
    """A failure that may pass is tried again, with waits that double."""
    home = house((*[model_error()] * failures, Reply(text="ok")))
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    waited = sum((0.25, 0.5, 1.0)[:failures])
    assert (["assistant: ok"], failures + 1, waited) == (
        gist(result.messages),
        len(home.model.requests),
        asyncio.get_running_loop().time(),
    )


@pytest.mark.parametrize(
    ("line", "calls", "reason", "error"),
    [
        (
            model_error("llm_timeout"),
            MODEL_RETRIES_MAX + 1,
            StopReason.LLM_API_ERROR,
            RunError(type="llm_timeout", message="the provider is down"),
        ),
        (
            model_error("llm_authentication", retriable=False),
            1,
            StopReason.LLM_API_ERROR,
            RunError(type="llm_authentication", message="the provider is down"),
        ),
        (
            Reply(text="half", cut=True),
            MODEL_RETRIES_MAX + 1,
            StopReason.LLM_API_ERROR,
            RunError(type="llm_error", message="the model's stream was cut"),
        ),
        (
            Reply(),
            MODEL_RETRIES_MAX + 1,
            StopReason.LLM_API_ERROR,
            RunError(type="llm_error", message="the model returned an empty reply"),
        ),
    ],
    ids=["down", "refused", "cut", "empty"],
)
@virtual
async def test_model_that_fails_ends_the_turn(
    line: Reply | Exception, calls: int, reason: StopReason, error: RunError
) -> None:
    """A model that gives no answer fails the run, with the wire's word for why; nothing is made up in its place."""
    home = house(line)
    agent = await home.agent()
    with pytest.raises(TurnFailed, match=error.message):
        await home.main.messages.send(agent.id, [said()])
    ended = await the_run(home)
    assert (RunStatus.FAILED, reason, error) == (ended.status, ended.stop_reason, ended.error)
    assert (calls, ["system:", "user: hi"]) == (len(home.model.requests), await history(home))


@virtual
async def test_reply_cut_at_its_length_is_stored() -> None:
    """A reply that the model cut at its own limit is stored, and the stop reason says so."""
    home = house(Reply(text="and then", truncated=True))
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    assert (["assistant: and then"], StopReason.MAX_TOKENS) == (gist(result.messages), result.run.stop_reason)


@pytest.mark.parametrize("line", [Reply(text="half a", cut=True), (Reply(text="half a", cut=True), Reply(text="ok"))])
@virtual
async def test_heard_pieces_are_not_repeated(line: Reply | tuple[Reply, ...]) -> None:
    """A stream that is cut after a listener heard of it is no reason to say it all again: the run fails."""
    home = house(line)
    agent = await home.agent()
    with pytest.raises(TurnFailed, match="the model's stream was cut"):
        await home.main.messages.send(agent.id, [said()], TurnOptions(tokens=True))
    assert 1 == len(home.model.requests)


# Our own bugs.


@pytest.mark.parametrize("bug", [ValueError("boom"), InvariantBroken("boom")], ids=["foreign", "our own"])
def test_bug_fails_the_run_and_is_heard_of(bug: Exception) -> None:
    """An error that nobody expected ends the run, the call answered, reaches the sender, and is told to the loop."""

    async def story() -> None:
        home = house(Reply(calls=(call("roll"),)), roll=Act(error=bug))
        agent = await home.agent(ROLL)
        with pytest.raises(TurnFailed, match=f"{type(bug).__name__}: boom"):
            await home.main.messages.send(agent.id, [said()])
        ended = await the_run(home)
        error = RunError(type="internal_error", message=f"{type(bug).__name__}: boom")
        assert (RunStatus.FAILED, StopReason.ERROR, error) == (ended.status, ended.stop_reason, ended.error)
        words = "error:the turn broke off before this call returned"
        assert ["system:", "user: hi", "assistant: roll({})", f"tool: roll={words}"] == await history(home)
        assert None is (await home.main.agents.state(agent.id)).head.lease

    run(story(), complaints=(repr(bug),))


# The store fails.


@pytest.mark.parametrize("harm", [Harm.FAIL, Harm.LOSE])
def test_turn_happens_once(harm: Harm) -> None:
    """Whichever commit fails or loses its acknowledgement, the turn ends as if nothing had gone wrong."""
    expected = calm_outcome(busy_turn, busy_house)
    ends = list(outcomes(busy_turn, harm, busy_house))
    assert [expected] * 11 == ends


@pytest.mark.parametrize("at", range(2, 12))
@virtual
async def test_all_that_was_stored_is_heard(at: int) -> None:
    """However long a store does not acknowledge, its turn ends, and what is stored of it was told, once."""
    home = busy_house()
    agent = await home.agent(ROLL, LOOK, blocks=(BlockDraft(label="human"),), tool_names=("memory_insert",))
    home.store.arm(Harm.LOSE_ALL, at)
    events = [event async for event in home.main.messages.stream(agent.id, [said()])]
    ended = await the_run(home)
    stored = [one for one in await home.main.messages.list(agent.id) if one.step_id is not None]
    assert stored == [event.message for event in events if isinstance(event, MessageStored)]
    assert TurnEnded(run=ended) == events[-1]
    assert (RunStatus.COMPLETED if at == 11 else RunStatus.FAILED) == ended.status


@pytest.mark.parametrize("at", range(1, 12))
@virtual
async def test_store_that_stays_broken(at: int) -> None:
    """The sender hears of a store that fails for good; when it works again, recovery ends what had begun."""
    home = busy_house()
    deed = await busy_turn(home)
    home.store.arm(Harm.FAIL_ON, at)
    with pytest.raises(StoreError, match="the disk is full"):
        await deed()
    home.store.arm(None)
    await home.clock.sleep(LEASE_SECONDS)
    assert (at > 1) == await home.main.recover()
    await home.main.aclose()
    resumed = INTERRUPTED if at in (4, 5) else "success:done"
    assert (told(resumed) if at > 1 else ["system:"]) == await history(home)


@virtual
async def test_store_that_fails_a_while() -> None:
    """A store that works again when the turn is broken off has the run stored as failed, and the sender hears so."""
    home = busy_house()
    deed = await busy_turn(home)
    home.store.arm(Harm.FAIL_ON, 5)
    turn = asyncio.ensure_future(deed())
    await home.clock.sleep(0.02)  # three retries wait 2.5, 5 and 10 ms, then the turn is broken off
    assert 9 == home.store.commits
    home.store.arm(None)
    with pytest.raises(TurnFailed, match="the store failed: the disk is full"):
        await turn
    words = "error:the turn broke off before this call returned"
    assert [*BUSY[:3], f"tool: roll={words} look={words} memory_insert={words}"] == await history(home)
    ended = await the_run(home)
    assert (RunStatus.FAILED, StopReason.ERROR) == (ended.status, ended.stop_reason)


@virtual
async def test_heartbeat_finds_the_store_broken() -> None:
    """A heartbeat that fails for good breaks the turn off as failed: nobody has cancelled it."""
    home = house(Reply(text="late", seconds=60))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(5)
    home.store.arm(Harm.CORRUPT)
    with pytest.raises(TurnFailed, match="the store failed: a page is corrupt"):
        await turn
    ended = await the_run(home)
    assert (10, RunStatus.FAILED, StopReason.ERROR) == (
        asyncio.get_running_loop().time(),
        ended.status,
        ended.stop_reason,
    )


# The process dies.


@pytest.mark.parametrize(
    ("harm", "interrupted", "unsent"), [(Harm.DIE_BEFORE, (4, 5), (1,)), (Harm.DIE_AFTER, (3, 4), ())]
)
@pytest.mark.parametrize("at", range(1, 12))
@virtual
async def test_death_at_any_commit(harm: Harm, interrupted: tuple[int, ...], unsent: tuple[int, ...], at: int) -> None:
    """Another process takes the turn up: no call dangles, and none that is not idempotent runs twice."""
    home = busy_house()
    assert await home.die((await busy_turn(home))(), harm, at)  # type: ignore[arg-type]
    other = home.kelpie()
    ended = (harm, at) == (Harm.DIE_AFTER, 11)
    assert 0 == await other.recover()
    await home.clock.sleep(LEASE_SECONDS)
    assert (at not in unsent and not ended) == await other.recover()
    await other.aclose()
    expected = told(INTERRUPTED if at in interrupted else "success:done")
    assert (["system:"] if at in unsent else expected) == await history(home)
    assert home.tools.started.count("roll") <= 1
    found = await everything(home.memory)
    assert [None] == [head.lease for head in found["heads"]]  # type: ignore[attr-defined]
    assert [RunStatus.COMPLETED] * (at not in unsent) == [one.status for one in found.get("runs", [])]  # type: ignore[attr-defined]
    assert 2 * (at not in unsent) == len(found.get("steps", []))


@virtual
async def test_idempotent_tool_runs_again() -> None:
    """A tool that may run twice does so after a death; one that may not is answered as interrupted."""
    starts: dict[str, tuple[int, str]] = {}
    for tool in (ROLL, LOOK):
        home = house(Reply(calls=(call(tool.name),)), Reply(text="ok"))
        agent = await home.agent(tool)
        assert await home.die(home.main.messages.send(agent.id, [said()]), Harm.DIE_BEFORE, 5)
        await home.clock.sleep(LEASE_SECONDS)
        await home.kelpie().recover()
        await home.clock.sleep(1)
        starts[tool.name] = (len(home.tools.started), (await history(home))[3])
    assert {"roll": (1, f"tool: roll={INTERRUPTED}"), "look": (2, "tool: look=success:done")} == starts


# Another process.


@virtual
async def test_lease_is_kept_while_the_model_is_slow() -> None:
    """A turn that is at work keeps its lease for as long as it takes: no other process takes it up."""
    home = house(Reply(text="late", seconds=500))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    for _ in range(49):
        await home.clock.sleep(10)
        assert 0 == await home.kelpie().recover()
    assert ["assistant: late"] == gist((await turn).messages)
    assert 1 == len(home.model.requests)


@pytest.mark.parametrize(("heals_at", "hears_at"), [(95, 99.5), (45, 50.07)], ids=["at its commit", "at its heartbeat"])
@virtual
async def test_process_that_lost_its_lease_writes_nothing(heals_at: float, hears_at: float) -> None:
    """A process cut off from the store finds out that another has the turn, and nothing of its own is stored.

    Four heartbeats that failed, each after 17.5 ms of retries, have moved the fifth.
    """
    home = house(Reply(text="late", seconds=99.5))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    home.store.arm(Harm.FAIL_ON)
    await home.clock.sleep(LEASE_SECONDS)
    other = home.kelpie()
    assert 1 == await other.recover()
    await home.clock.sleep(heals_at - 31)
    home.store.arm(None)
    with pytest.raises(LeaseLost):
        await turn
    assert hears_at == round(asyncio.get_running_loop().time(), 2)
    assert ["system:", "user: hi"] == await history(home)
    await home.clock.sleep(100)
    assert ["system:", "user: hi", "assistant: late"] == await history(home)
    assert RunStatus.COMPLETED == (await the_run(home)).status


@pytest.mark.parametrize("seconds", [9, 99], ids=["at its commit", "at its heartbeat"])
@virtual
async def test_agent_is_deleted_in_mid_turn(seconds: float) -> None:
    """The sender hears that the agent is gone, and nothing of it comes back."""
    home = house(Reply(text="late", seconds=seconds))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(5)
    await home.main.agents.delete(agent.id)
    with pytest.raises(NotFound, match=f"agent '{agent.id}' was not found"):
        await turn
    assert (min(seconds, 10), {}) == (asyncio.get_running_loop().time(), await everything(home.memory))


@virtual
async def test_agent_is_deleted_between_steps() -> None:
    """A turn whose agent goes while a tool runs finds no agent to go on with."""
    home = house(Reply(calls=(call("roll"), call("roll", key="c2"))), roll=Act(seconds=3))
    agent = await home.agent(ROLL)
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    await home.main.agents.delete(agent.id)
    with pytest.raises(NotFound, match=agent.id):
        await turn
    assert ["tools"] == list(await everything(home.memory))


@pytest.mark.parametrize("table", [AGENTS, HEADS], ids=lambda table: table.name)
@virtual
async def test_agent_that_is_gone_stops_the_turn(table: Table[object]) -> None:
    """An agent of which a record is gone when the model is to be called counts as gone, and no model is called."""
    home = house()
    agent = await home.agent()
    stream = home.main.messages.stream(agent.id, [said()])
    await anext(stream)
    async with home.memory.transaction() as tx:
        await tx.delete(table, (agent.id,))
    with pytest.raises(NotFound, match=agent.id):
        await anext(stream)
    assert [] == home.model.requests


CANCELLED_WITHIN = repr(RuntimeError("the work was cancelled from within"))


class _CancelledWithin:
    """A model that is cancelled by its own doing."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Raise."""
        raise asyncio.CancelledError
        yield


def test_work_that_is_cancelled_from_within_is_a_bug() -> None:
    """It fails its run, once: to take it for the turn's own end would hand the turn over for ever."""
    home = House(model=_CancelledWithin())  # type: ignore[arg-type]

    async def story() -> None:
        agent = await home.agent()
        with pytest.raises(TurnFailed, match="cancelled from within"):
            await home.main.messages.send(agent.id, [said()])
        assert RunStatus.FAILED is (await the_run(home)).status

    run(story(), complaints=(CANCELLED_WITHIN,))


def test_bug_that_cannot_be_accounted_is_heard() -> None:
    """If the store fails too, the sender hears of the bug itself, and the run is left to recovery."""
    home = House(model=_CancelledWithin())  # type: ignore[arg-type]

    async def story() -> None:
        agent = await home.agent()
        home.store.arm(Harm.FAIL_ON, 3)
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await home.main.messages.send(agent.id, [said()])
        home.store.arm(None)
        assert RunStatus.RUNNING is (await the_run(home)).status

    run(story(), complaints=(CANCELLED_WITHIN,))


class _Stubborn:
    """A tool that does not stop when it is told to, for an hour."""

    async def run(self, *_: object) -> None:
        """Go on."""
        end = asyncio.get_running_loop().time() + 3_600
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(left)


@virtual
async def test_tool_that_will_not_stop_does_not_hold_the_turn() -> None:
    """A cancelled turn ends a moment later, whatever its tool does."""
    home = House(model=ScriptedModel((Reply(calls=(call("roll"),)),)), tools=_Stubborn())  # type: ignore[arg-type]
    agent = await home.agent(ROLL)
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    await home.main.messages.cancel(agent.id)
    assert (StopReason.CANCELLED, 6) == ((await turn).run.stop_reason, asyncio.get_running_loop().time())
    await home.clock.sleep(4_000)


@pytest.mark.parametrize("after", [1, 10])
@virtual
async def test_cancelled_tool_may_take_its_time(after: float) -> None:
    """A tool that ends by its cancellation only after the turn has left it is not waited for, nor heard of."""

    async def run(*_: object) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(after)

    tools = type("Slow", (), {"run": staticmethod(run)})()
    home = House(model=ScriptedModel((Reply(calls=(call("roll"),)),)), tools=tools)
    agent = await home.agent(ROLL)
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()]))
    await home.clock.sleep(1)
    await home.main.messages.cancel(agent.id)
    assert (StopReason.CANCELLED, 1 + min(after, 5)) == (
        (await turn).run.stop_reason,
        asyncio.get_running_loop().time(),
    )
    await home.clock.sleep(100)


@virtual
async def test_error_after_the_start_is_uncertain() -> None:
    """A sender whose input is stored is never told to send it again."""
    home = busy_house()
    deed = await busy_turn(home)
    home.store.arm(Harm.FAIL_ON, 2)
    with pytest.raises(StoreError) as caught:
        await deed()
    assert caught.value.uncertain


@pytest.mark.parametrize(("kind", "words"), [("", "x"), ("llm_rate_limit", "bad \ufffd")])
@virtual
async def test_failure_of_the_model_is_told_as_it_is(kind: str, words: str) -> None:
    """However odd a model's error, its run fails and its sender hears of it."""
    home = house(ModelError(words.replace("\ufffd", "\ud800"), kind=kind, retriable=False))
    agent = await home.agent()
    with pytest.raises(TurnFailed) as caught:
        await home.main.messages.send(agent.id, [said()])
    assert (kind, words) == (caught.value.kind, str(caught.value))
