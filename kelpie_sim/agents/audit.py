"""The audit at the end of a run: faults stop, the servers settle, and what clients were told is held against the store.

settled     every run ends, and nothing that was to vanish is left
kept        what was told as done is there, once, and reads back as it was told
refused     what was refused is not there
reset       what a reset took away is not there
once        what nobody knows of is there at most once
paired      no tool call is open but those that wait for approval
accounted   a run that ended has one step for each of its replies, and used what they used
scripted    a turn that ended well called what its script says, and a tool's return is what the tool gave
effects     a tool that must not run twice did not
interrupted a call is given up only where a server died or another took over
calm        without a fault no turn fails and nobody is left in doubt
edits       a memory edit that was reported is in the block, once; one that was not, is not
"""

from collections import Counter
from functools import partial
from typing import TypeVar, cast

import attrs

from kelpie_core.kelpie import Kelpie
from kelpie_core.keys import prefix_end
from kelpie_core.limits import IMPORT_DEADLINE_SECONDS
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import text_of
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolStatus
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.optimistic import Range
from kelpie_core.records import AGENTS, BY_KEY, CONVERSATIONS, EVENT_LOGS, HEADS, MESSAGES, RUNS, STEPS, SWEEPS, Table
from kelpie_core.service.drafts import Page
from kelpie_core.service.tool_calls import INTERRUPTED
from kelpie_core.turn.conduct import parsed_arguments
from kelpie_sim.agents.client import SEND, Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import LlmMalformedToolCall
from kelpie_sim.agents.language_model import last_words
from kelpie_sim.check.history import Op

# Longer than the deadline of an import: what a broken one began is swept only then.
SETTLE_SECONDS = IMPORT_DEADLINE_SECONDS + 600
EDIT = "core_memory_append"
RESET = "reset"
_ANSWERING = ("look", "note", "dig")
_REPLIES = (Role.ASSISTANT, Role.APPROVAL)
R = TypeVar("R")


async def audit(cluster: Cluster) -> None:
    """Heal, settle, and check everything; raise InvariantBroken, NotSettled."""
    world, client = cluster.world, Client(cluster, "auditor")
    world.heal()
    await world.settle(lambda: _is_settled(cluster), within_seconds=SETTLE_SECONDS, what="every run ends")
    await check_told(cluster)
    await check_accounts(cluster)
    agents = await client.until_done(_all_agents)
    for agent_id, conversation_id in await _threads(cluster, agents):
        thread_id = conversation_id or agent_id
        messages = await client.until_done(partial(history_of, agent_id=agent_id, conversation_id=conversation_id))
        check_sends(cluster, thread_id, messages)
        own = await _of_own_runs(cluster, messages)
        check_edits(cluster, agent_id, own)
        check_interruptions(cluster, own)
        check_returns(cluster, messages)
        account = cluster.state.account(thread_id)
        waits = account.head_last.pending if account.head_last is not None else None
        waiting = {call.id for call in waits.calls} if waits is not None else set[str]()
        world.check(set(account.open_calls) == waiting, "paired: a tool call is open at the end")
    check_effects(cluster)
    check_calm(cluster)
    await _check_nothing_left(cluster, {agent.id for agent in agents})


async def history_of(kelpie: Kelpie, agent_id: str, conversation_id: str | None = None) -> list[Message]:
    """Return all messages of a thread through the public list, page by page."""
    messages: list[Message] = []
    while True:
        after = messages[-1].id if messages else None
        page = await kelpie.messages.list(agent_id, Page(limit=7, after=after), conversation_id=conversation_id)
        messages.extend(page)
        if len(page) < 7:
            return messages


async def records_of(cluster: Cluster, table: Table[R]) -> list[R]:
    """Return every record of a table straight from the durable store."""
    erased = cast(Table[object], table)
    wanted = Range(table=erased, index=BY_KEY, low=b"", high=prefix_end(b""), limit=100_000)
    return [table.decode(row.body) for row in await cluster.durable.range(wanted)]


def check_sends(cluster: Cluster, thread_id: str, messages: list[Message]) -> None:
    """Check what clients were told of their sends against a thread's history."""
    scripts = Counter(text_of(message.content) for message in messages if message.role is Role.USER)
    of_run: dict[str, list[Message]] = {}
    for message in messages:
        if message.run_id is not None and message.role is not Role.USER:
            of_run.setdefault(message.run_id, []).append(message)
    resets = [one for one in cluster.world.history.of(RESET) if one.arguments["thread"] == thread_id]
    for op in cluster.world.history.of(SEND):
        if thread_of(op) != thread_id:
            continue
        found = scripts[str(op.arguments["script"])]
        later = [one for one in resets if one.outcome != "fail" and (one.end is None or one.end > op.start)]
        if later:
            _check_reset(cluster, op, found, later)
        else:
            _check_send(cluster, op, found, of_run)


def thread_of(op: Op) -> object:
    """Return the thread that a send was for: its conversation, or the default one of its agent."""
    return op.arguments.get("thread", op.arguments["agent"])


def _check_reset(cluster: Cluster, op: Op, found: int, resets: list[Op]) -> None:
    """Check a send against resets that may have come behind it: one that did has taken its message away."""
    gone = any(one.outcome == "ok" and op.end is not None and one.start > op.end for one in resets)
    cluster.world.check(found <= (0 if gone else 1), "reset: a message that was taken away is there again")


def _check_send(cluster: Cluster, op: Op, found: int, of_run: dict[str, list[Message]]) -> None:
    check = cluster.world.check
    if op.outcome == "fail":
        check(found == 0, "refused: a message is stored although its sender was told no")
    elif op.outcome == "info":
        check(found <= 1, "once: a message is stored twice")
    else:
        check(found == 1, "kept: a message that was told as taken is not stored once")
        if not op.result["failed"]:
            messages = of_run.get(str(op.result["run"]), [])
            stored = tuple(message.seq for message in messages)
            check(op.result["messages"] == stored, "kept: the messages of a turn do not read back as they were told")
            told = cluster.state.told.get(op.index)  # over HTTP a client is told less than the messages
            check(told is None or told == tuple(messages), "kept: a message does not read back as it was told")
            by_calls = cluster.state.by_calls.get(
                str(op.arguments["agent"])
            )  # such a turn ends where it does not ask on
            if op.result["reason"] == StopReason.END_TURN and not by_calls:
                check(
                    text_of(messages[-1].content) == last_words(str(op.arguments["script"])),
                    "kept: a turn that ended well gave half an answer",
                )
                _check_calls(cluster, str(op.arguments["script"]), messages)


def _check_calls(cluster: Cluster, script: str, messages: list[Message]) -> None:
    """Check that a turn which ended well made the calls of its script, unless the model was made to spoil one."""
    if any(r.fired and r.kind == LlmMalformedToolCall.__name__ for r in cluster.world.faults.report()):
        return
    lines = [line.removeprefix("call ") for line in script.split("\n") if line.startswith("call ")]
    asked = [call for line in lines for call in line.split(" & ")]
    made = [f"{call.name} {call.arguments}" for message in messages for call in message.tool_calls]
    cluster.world.check(asked == made, "scripted: a turn that ended well did not make the calls of its script")


def check_returns(cluster: Cluster, messages: list[Message]) -> None:
    """Check that what a scripted tool returned is stored as it gave it: `look` its text, others that it is noted."""
    calls = {(m.run_id, m.step_id, c.id): c for m in messages for c in m.tool_calls if c.name in _ANSWERING}
    for message in messages:
        for returned in message.tool_returns:
            call = calls.get((message.run_id, message.step_id, returned.tool_call_id or ""))
            if call is None or returned.status is not ToolStatus.SUCCESS:
                continue
            asked = (parsed_arguments(call) or {}).get("text", "")
            given = asked if call.name == "look" else "noted"
            cluster.world.check(returned.text == given, "scripted: a tool's return is not what the tool gave")


async def check_told(cluster: Cluster) -> None:
    """Check that a turn which was told as ended well, or as failed, is accounted so, unless its agent was deleted."""
    runs = {run.id: run for run in await records_of(cluster, RUNS)}
    threads = {agent.id for agent in await records_of(cluster, AGENTS)}
    threads |= {conversation.id for conversation in await records_of(cluster, CONVERSATIONS)}
    for op in cluster.world.history.of(SEND, "ok"):
        if op.result["run"] is None or thread_of(op) not in threads:
            continue  # a client over HTTP hears of the run by its messages, and there were none
        run = runs.get(str(op.result["run"]))
        stored = run is not None and (run.status is RunStatus.FAILED) == op.result["failed"]
        cluster.world.check(stored, "kept: a run is accounted otherwise than its sender was told")


async def check_accounts(cluster: Cluster) -> None:
    """Check that each run which ended, of an agent that is there, has the steps of its replies and their usage."""
    agents = {agent.id for agent in await records_of(cluster, AGENTS)}
    steps, of_run = await records_of(cluster, STEPS), dict[tuple[str, str | None], list[Message]]()
    for message in await records_of(cluster, MESSAGES):
        of_run.setdefault((message.thread_id, message.run_id), []).append(message)
    cleared = {head.thread_id: head.cleared.end for head in await records_of(cluster, HEADS)}
    for run in await records_of(cluster, RUNS):
        reset = run.seq_first < cleared.get(run.thread_id, 0)  # its messages are gone, its steps are not
        if run.agent_id not in agents or run.status is RunStatus.RUNNING or reset:
            continue
        own = [step for step in steps if step.run_id == run.id]
        replies = [m.step_id for m in of_run.get((run.thread_id, run.id), ()) if m.role in _REPLIES]
        made = sorted(step.id for step in own) == sorted(key for key in replies if key is not None)
        cluster.world.check(made, "accounted: a run has not one step for each of its replies")
        used = {name: sum(getattr(step.usage, name) for step in own) for name in attrs.asdict(Usage())}
        cluster.world.check(attrs.asdict(run.usage) == used, "accounted: a run did not use what its steps used")


def check_edits(cluster: Cluster, agent_id: str, messages: list[Message]) -> None:
    """Note which edits the tool returns of an agent report; `check_shared` holds them against a block."""
    calls = {(m.run_id, c.id): c for m in messages for c in m.tool_calls if c.name == EDIT}
    for message in messages:
        for returned in message.tool_returns:
            call = calls.get((message.run_id, returned.tool_call_id or ""))
            if call is not None:
                done = returned.status is ToolStatus.SUCCESS
                cluster.reported_edits.append((agent_id, call.arguments, done))


def check_shared(cluster: Cluster, value: str) -> None:
    """Check that a block which began empty holds exactly the lines whose edits were reported, each once."""
    lines = [line for line in value.split("\n") if line]
    reported = [arguments for _, arguments, done in cluster.reported_edits if done]
    for arguments in reported:
        found = [line for line in lines if f'"{line}"' in arguments]
        cluster.world.check(len(found) == 1, "edits: a reported edit is not in the block once")
    cluster.world.check(len(lines) == len(reported), "edits: the block holds a line that nobody reported")


def check_interruptions(cluster: Cluster, messages: list[Message]) -> None:
    """Check that no call was given up as interrupted where no driver was lost.

    One is lost when its server dies, when another takes over, or when the store fails it to the end: then its sender
    was left in doubt.
    """
    doubts = any(op.outcome == "info" for op in cluster.world.history.of(SEND))
    if not doubts and len(cluster.servers) == 1 and cluster.server.host.incarnation == 1:
        given_up = [r for message in messages for r in message.tool_returns if r.text == INTERRUPTED]
        cluster.world.check(not given_up, "interrupted: a call was given up although nothing had stopped")


def check_calm(cluster: Cluster) -> None:
    """Check that in a run without any fault nobody was left in doubt and no turn failed."""
    if any(report.fired for report in cluster.world.faults.report()):
        return
    for op in cluster.world.history.of(SEND):
        sound = op.outcome == "fail" or (op.outcome == "ok" and not op.result["failed"])
        cluster.world.check(sound, "calm: a turn failed although nothing went wrong")


def check_effects(cluster: Cluster) -> None:
    """Check that no tool took effect twice."""
    twice = [note for note, times in Counter(cluster.ledger.notes).items() if times > 1]
    cluster.world.check(not twice, "effects: a tool that must not run twice did")


async def _threads(cluster: Cluster, agents: list[Agent]) -> list[tuple[str, str | None]]:
    """Return every thread of the agents: the default one of each, and their conversations."""
    conversations = [(one.agent_id, one.id) for one in await records_of(cluster, CONVERSATIONS)]
    return [*((agent.id, None) for agent in agents), *conversations]


async def _of_own_runs(cluster: Cluster, messages: list[Message]) -> list[Message]:
    """Return the messages that a run here has stored: not those that were imported, or copied by a fork."""
    runs = {run.id for run in await records_of(cluster, RUNS)}
    return [message for message in messages if message.run_id in runs]


async def _is_settled(cluster: Cluster) -> bool:
    running = [run for run in await records_of(cluster, RUNS) if run.status is RunStatus.RUNNING]
    return not running and not await records_of(cluster, SWEEPS)


async def _check_nothing_left(cluster: Cluster, agent_ids: set[str]) -> None:
    owners = {
        "messages": {message.agent_id for message in await records_of(cluster, MESSAGES)},
        "heads": {head.agent_id for head in await records_of(cluster, HEADS)},
        "conversations": {conversation.agent_id for conversation in await records_of(cluster, CONVERSATIONS)},
        "runs": {run.agent_id for run in await records_of(cluster, RUNS)},
        "steps": {step.agent_id for step in await records_of(cluster, STEPS)},
        "streams": {log.agent_id for log in await records_of(cluster, EVENT_LOGS)},
    }
    for name, found in owners.items():
        cluster.world.check(found <= agent_ids, f"settled: {name} of an agent that is not there are left")


async def _all_agents(kelpie: Kelpie) -> list[Agent]:
    agents: list[Agent] = []
    while True:
        after = agents[-1].id if agents else None
        page = await kelpie.agents.list(Page(limit=5, after=after))
        agents.extend(page)
        if len(page) < 5:
            return agents
