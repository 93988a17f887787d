"""Threads of one agent: conversations beside its default one, forks, resets, turns in the background.

two-conversations    three threads of one agent at once: each keeps its own, the block that they share loses nothing
conversation-delete  a conversation goes while turns run in it: nothing of it comes back, the others stay whole
fork-at-work         a fork of a thread that is at work: it holds what the source held, and outlives it
reset-at-work        a thread is reset while turns run and servers die: what was before is gone, what comes after stays
background           turns that nobody listens to: every run that was begun ends, and is begun once
resumed-elsewhere    a client goes on at another server (stale history on resume): it reads all that it was told
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from kelpie_core.errors import AgentBusy, CallerError, NotFound, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.records import CONVERSATIONS, HEADS, MESSAGES, RUNS, STEPS
from kelpie_core.service.drafts import ConversationDraft, MessageDraft, TurnOptions
from kelpie_core.service.turn_events import MessageStored
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import RESET, audit, check_shared, history_of, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import call, cluster_of, faults_sometimes, scripts, set_up
from kelpie_sim.check.history import Op
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

T = TypeVar("T")
DELETE, FORK, BEGIN = "delete", "fork", "begin"
LINES_EACH = 3
READS = 20


async def _two_conversations(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    client = Client(cluster, "setup")
    threads = (None, *[(await _converse(client, agent, name)).id for name in ("one", "two")])

    async def writer(number: int) -> None:
        lines = [f"w{number}-{n}" for n in range(LINES_EACH)]
        calls = " & ".join(call("core_memory_append", label="human", content=line) for line in lines)
        script = f"call {calls}\nsay written"
        writer, server = Client(cluster, f"writer-{number}"), cluster.servers[number % 2]
        await writer.send(agent.id, f"w{number}", script, server=server, conversation_id=threads[number])

    await asyncio.gather(*(writer(number) for number in range(len(threads))))
    await audit(cluster)
    block = await client.until_done(lambda kelpie: kelpie.agents.block(agent.id, "human"))
    check_shared(cluster, block.value)
    if block.value.count("w") == len(threads) * LINES_EACH:
        world.sometimes.hit("all lines")


async def _conversation_delete(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    client, stream = Client(cluster, "setup"), world.streams.stream("workload")
    doomed, kept = await _converse(client, agent, "doomed"), await _converse(client, agent, "kept")

    async def sender(number: int) -> None:
        sender, server = Client(cluster, f"sender-{number}"), cluster.servers[number % 2]
        for n in range(2):
            mark, where = f"m{number}-{n}", stream.pick((doomed.id, doomed.id, kept.id))
            await sender.send(agent.id, mark, scripts(stream, mark), server=server, wait=60, conversation_id=where)

    async def deleter() -> Op:
        await asyncio.sleep(stream.between(0, 120) / 1_000)
        return await _told(cluster, DELETE, lambda kelpie: kelpie.conversations.delete(doomed.id), server=1)

    _, _, op = await asyncio.gather(sender(0), sender(1), deleter())
    world.check(op.outcome != "fail", "conversation: deleting what is there was refused")
    if all(one.id != doomed.id for one in await records_of(cluster, CONVERSATIONS)):
        await _check_deleted(cluster, client, agent, doomed)  # at once, whether anything was swept or not
    await audit(cluster)
    there = any(one.id == doomed.id for one in await records_of(cluster, CONVERSATIONS))
    world.check(not (there and op.outcome == "ok"), "conversation: one that was deleted is there again")
    if not there:
        await _check_deleted(cluster, client, agent, doomed)
        left = {
            "heads": [head.thread_id for head in await records_of(cluster, HEADS)],
            "messages": [message.thread_id for message in await records_of(cluster, MESSAGES)],
            "runs": [run.thread_id for run in await records_of(cluster, RUNS)],
        }
        for name, threads in left.items():
            world.check(doomed.id not in threads, f"conversation: {name} of one that was deleted are left")
        runs = {run.id for run in await records_of(cluster, RUNS)}
        orphans = [step for step in await records_of(cluster, STEPS) if step.run_id not in runs]
        world.check(not orphans, "conversation: steps of one that was deleted are left")
        world.sometimes.hit("gone")
    whole = await client.until_done(partial(history_of, agent_id=agent.id, conversation_id=kept.id))
    world.check(whole[0].seq == 0, "conversation: another one went as well")
    await client.until_done(partial(_agent_deleted, agent_id=agent.id))
    await audit(cluster)  # nothing of the agent is left, its conversations neither


async def _check_deleted(cluster: Cluster, client: Client, agent: Agent, gone: Conversation) -> None:
    """Check that nobody finds a conversation that was deleted, or anything of it."""
    reads: tuple[Callable[[Kelpie], Awaitable[object]], ...] = (
        lambda kelpie: kelpie.conversations.get(gone.id),
        partial(history_of, agent_id=agent.id, conversation_id=gone.id),
    )
    for read in reads:
        found = True
        try:
            await client.until_done(read)
        except NotFound:
            found = False
        cluster.world.check(not found, "conversation: a read finds one that was deleted")
    messages = await client.until_done(lambda kelpie: kelpie.messages.list_all())
    runs = await client.until_done(lambda kelpie: kelpie.runs.list())
    shown = {message.conversation_id for message in messages} | {run.conversation_id for run in runs}
    cluster.world.check(gone.id not in shown, "conversation: a list shows what belongs to one that was deleted")


async def _fork_at_work(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    client, stream = Client(cluster, "client"), world.streams.stream("workload")
    source = await _converse(client, agent, "source")

    async def sender() -> None:
        for n in range(2):
            mark = f"m{n}"
            await client.send(agent.id, mark, scripts(stream, mark), wait=60, conversation_id=source.id)

    async def forker() -> Op:
        await asyncio.sleep(stream.between(0, 150) / 1_000)

        async def work(kelpie: Kelpie) -> str:
            return (await kelpie.conversations.fork(agent.id, source.id)).conversation.id

        return await _told(cluster, FORK, work, server=1)

    _, op = await asyncio.gather(sender(), forker())
    if op.outcome == "ok":
        forked = str(op.result["told"])
        whole = await client.until_done(partial(history_of, agent_id=agent.id, conversation_id=source.id))
        copies = await client.until_done(partial(history_of, agent_id=agent.id, conversation_id=forked))
        shared = [_gist(message) for message in copies[1:]]
        world.check(shared == [_gist(m) for m in whole[1 : len(copies)]], "fork: it does not hold what its source held")
        world.check(not {m.id for m in whole} & {m.id for m in copies}, "fork: a message is in two threads")
        await client.until_done(partial(_deleted, conversation_id=source.id))
        after = await Client(cluster, "after").send(agent.id, "m9", "say on my own", conversation_id=forked, wait=120)
        if after.outcome == "ok" and not after.result["failed"]:
            again = await client.until_done(partial(history_of, agent_id=agent.id, conversation_id=forked))
            world.check(again[: len(copies)] == copies, "fork: it changed when its source went")
            if len(copies) > 1:
                world.sometimes.hit("outlived its source")
    await audit(cluster)


async def _reset_at_work(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    stream = world.streams.stream("workload")

    async def sender(number: int) -> None:
        client, server = Client(cluster, f"sender-{number}"), cluster.servers[number % 2]
        for n in range(3):
            mark = f"m{number}-{n}"
            await client.send(agent.id, mark, scripts(stream, mark), server=server, wait=60)

    async def reader() -> None:
        for _ in range(READS):
            (head,) = [head for head in await records_of(cluster, HEADS) if head.agent_id == agent.id]
            # One page: between two of them the messages may go, and the cursor with them.
            shown = await Client(cluster, "reader").until_done(lambda kelpie: kelpie.messages.list(agent.id))
            hidden = [message for message in shown if head.hides(message.seq)]
            world.check(not hidden, "reset: what was taken away, and is not swept yet, is shown")
            await asyncio.sleep(stream.between(1, 30) / 1_000)

    async def resetter() -> None:
        for _ in range(2):
            await asyncio.sleep(stream.between(0, 150) / 1_000)
            work = partial(_reset, agent_id=agent.id, wait_seconds=stream.pick((0, 30)))
            op = await _told(cluster, RESET, work, server=1, thread=agent.id)
            if op.outcome != "info":
                world.sometimes.hit("reset" if op.outcome == "ok" else "refused while a turn was at work")

    await asyncio.gather(sender(0), sender(1), reader(), resetter())
    await audit(cluster)
    messages = [message for message in await records_of(cluster, MESSAGES) if message.agent_id == agent.id]
    (head,) = [head for head in await records_of(cluster, HEADS) if head.agent_id == agent.id]
    world.check(not any(head.hides(message.seq) for message in messages), "reset: messages that it took away are left")
    world.check(any(message.seq == 0 for message in messages), "reset: it took the system message away")
    last = await Client(cluster, "after").send(agent.id, "m9", "say still here", wait=60)
    world.check(last.outcome == "ok" and not last.result["failed"], "reset: the agent does not answer any more")


async def _background(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    stream, begun = world.streams.stream("workload"), dict[str, set[str]]()
    client = Client(cluster, "client")

    async def beginner(number: int) -> None:
        where = None if number == 0 else (await _converse(Client(cluster, f"setup-{number}"), agent, "beside")).id
        otid, script = f"otid-{number}", scripts(stream, f"m{number}")
        message = MessageDraft(content=(TextPart(text=script),), otid=otid)
        for n in range(2):  # a client that hears nothing asks again, at another server
            work = partial(_begun, agent_id=agent.id, message=message, conversation_id=where)
            op = await _told(cluster, BEGIN, work, server=(number + n) % 2)
            if op.outcome == "ok":
                begun.setdefault(otid, set()).add(str(op.result["told"]))

    await asyncio.gather(beginner(0), beginner(1))
    await audit(cluster)  # every run has ended by then
    runs = {run.id: run for run in await records_of(cluster, RUNS)}
    for otid, run_ids in begun.items():
        world.check(len(run_ids) == 1, "background: one message began two runs")
        run = runs.get(min(run_ids))
        world.check(run is not None and run.background, "background: a run that was told of is not there")
        if run is not None and run.status is RunStatus.COMPLETED:
            messages = await client.until_done(partial(_messages_of, run_id=run.id))
            world.check(messages[0].otid == otid, "background: a run does not begin with its message")
            world.check(messages[-1].role is Role.ASSISTANT, "background: a run that ended well has no answer")
            world.sometimes.hit("ended well")


async def _resumed_elsewhere(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    stream, client = world.streams.stream("workload"), Client(cluster, "client")
    conversation = await _converse(client, agent, "moved")
    told: list[Message] = []
    for n in range(3):
        server = cluster.servers[n % 2]
        op = await client.stream(
            agent.id, f"m{n}", scripts(stream, f"m{n}"), server=server, wait=120, conversation_id=conversation.id
        )
        told += cluster.state.told.get(op.index, ()) if op.outcome == "ok" else ()
        # The client goes on at the other server: what it was told must be there, and the run is told again as it was.
        other = cluster.servers[(n + 1) % 2]
        history = await client.until_done(
            partial(history_of, agent_id=agent.id, conversation_id=conversation.id), server=other
        )
        world.check(all(message in history for message in told), "resume: another server does not know what was told")
        if op.outcome == "ok":
            again = await client.until_done(partial(_told_again, run_id=str(op.result["run"])), server=other)
            stored = tuple(message.seq for message in again)
            world.check(op.result["failed"] or stored == op.result["messages"], "resume: a run is told otherwise")
            world.sometimes.hit("told again")
    await audit(cluster)


async def _converse(client: Client, agent: Agent, name: str) -> Conversation:
    """Create a conversation; if nobody knows whether it was created, look before doing it again."""

    async def work(kelpie: Kelpie) -> Conversation:
        for found in await kelpie.conversations.list():
            if (found.agent_id, found.summary) == (agent.id, name):
                return found
        return (await kelpie.conversations.create(agent.id, ConversationDraft(summary=name))).conversation

    return await client.until_done(work)


async def _deleted(kelpie: Kelpie, conversation_id: str) -> None:
    try:
        await kelpie.conversations.delete(conversation_id)
    except NotFound:
        return  # by an attempt that nobody was told of


async def _reset(kelpie: Kelpie, agent_id: str, wait_seconds: float) -> None:
    await kelpie.messages.reset(agent_id, wait_seconds=wait_seconds)


async def _agent_deleted(kelpie: Kelpie, agent_id: str) -> None:
    try:
        await kelpie.agents.delete(agent_id)
    except NotFound:
        return  # by an attempt that nobody was told of


async def _begun(kelpie: Kelpie, agent_id: str, message: MessageDraft, conversation_id: str | None) -> str:
    options = TurnOptions(background=True, wait_seconds=60)
    run: Run = await kelpie.messages.begin(agent_id, [message], options, conversation_id=conversation_id)
    return run.id


async def _messages_of(kelpie: Kelpie, run_id: str) -> list[Message]:
    return list(await kelpie.runs.all_messages(run_id))


async def _told_again(kelpie: Kelpie, run_id: str) -> list[Message]:
    events = [event async for event in kelpie.messages.follow(run_id)]
    return [event.message for event in events if isinstance(event, MessageStored)]


async def _told(
    cluster: Cluster, operation: str, work: Callable[[Kelpie], Awaitable[T]], *, server: int, **arguments: object
) -> Op:
    """Do something at a server and record what came of it."""
    op = cluster.world.history.invoke(f"{operation} at {server}", operation, **arguments)
    try:
        op.ok(told=await cluster.servers[server].call(work))
    except (CallerError, AgentBusy) as error:
        op.fail(error)
    except (StoreError, ServerGone) as error:
        op.info(error)
    return op


def _gist(message: Message) -> tuple[object, ...]:
    return (message.role, message.content, message.tool_calls, message.tool_returns)


def _resetting_dies(swarm: Swarm) -> tuple[Fault, ...]:
    """Return the usual faults, and a server that dies around the commits of its resets: before the sweep, above all."""
    usual = faults_sometimes(swarm)
    dies = f.CrashAfterCommit(
        on="commit", hosts=("server-2",), probability=swarm.rate("dies", (0.0, 0.1, 0.3)), max_triggers=2
    )
    return (*usual, dies) if usual else ()


def _scenario(
    name: str,
    run: Callable[[World], Awaitable[None]],
    doc: str,
    *sometimes: str,
    faults: Callable[[Swarm], tuple[Fault, ...]] = faults_sometimes,
) -> Scenario:
    return Scenario(
        name=name,
        run=run,
        faults=faults,
        operations=OPERATIONS,
        seeds=100,
        sometimes=sometimes,
        doc=doc,
    )


SCENARIOS = (
    _scenario("two-conversations", _two_conversations, "Three threads of one agent at once.", "all lines"),
    _scenario("conversation-delete", _conversation_delete, "A conversation goes while turns run in it.", "gone"),
    _scenario("fork-at-work", _fork_at_work, "A fork of a thread that is at work.", "outlived its source"),
    _scenario(
        "reset-at-work",
        _reset_at_work,
        "A thread is reset while turns run.",
        "reset",
        "refused while a turn was at work",
    ),
    _scenario("background", _background, "Turns that nobody listens to.", "ended well"),
    _scenario("resumed-elsewhere", _resumed_elsewhere, "A client goes on at another server.", "told again"),
)
