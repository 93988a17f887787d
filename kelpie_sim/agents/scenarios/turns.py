"""One agent, one or two senders: turns whose store, host, model or tools fail.

turn                    a turn with parallel tools and memory edits, nothing wrong
turn-faults             the same, plain and streamed, under every fault
stream-persistence      a stream, its store failing
custom-tool-stream      a registered custom tool called in a stream, its runner failing
crash-recovery          power lost around commits, in mid-model and in mid-tool
lost-acknowledgement    commits that go through unheard, and nothing else
two-senders             two senders to one agent: neither lost nor bled into each other
slow-model              a model slower than the lease, and a host that cannot renew it or stands still: fencing
cancel                  cancelling at any moment
same-message-twice      a client that repeats its message with the same otid
"""

import asyncio

import attrs

from kelpie_core.errors import CallerError, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.content import TextPart, text_of
from kelpie_core.model.message import Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.tool import ToolStatus
from kelpie_core.records import RUNS
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, history_of, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import (
    call,
    cluster_of,
    failing_store,
    faults_sometimes,
    rare_faults,
    scripts,
    set_up,
)
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.machine import HostPause

TURN = "\n".join(
    (
        "call "
        + " & ".join(
            (
                call("note", text="n1"),
                call("core_memory_append", label="human", content="likes tea"),
                call("look", text="l1"),
            )
        ),
        "call " + call("core_memory_replace", label="human", old_content="tea", new_content="coffee"),
        "say all done",
    )
)


async def _turn(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client = Client(cluster, "client")
    op = await client.stream(agent.id, "m1", TURN, tokens=True)
    world.check(op.outcome == "ok" and op.result["failed"] is False, "turn: it did not end well without a fault")
    messages = await client.until_done(lambda kelpie: history_of(kelpie, agent.id))
    roles = [message.role for message in messages]
    expected = [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    world.check(roles == expected, f"turn: the history is {' '.join(roles)}")
    world.check(text_of(messages[-1].content) == "all done ", "turn: the answer does not read back")
    block = await client.until_done(lambda kelpie: kelpie.agents.block(agent.id, "human"))
    world.check(block.value == "likes coffee", f"turn: the block reads {block.value!r}")
    world.check(cluster.ledger.notes == ["n1"], "turn: the tool did not take effect once")
    await audit(cluster)


async def _turns_under_faults(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client, stream = Client(cluster, "client"), world.streams.stream("workload")
    for n in range(stream.between(1, 3)):
        script = scripts(stream, f"m{n}")
        if stream.chance(0.5):
            await client.stream(agent.id, f"m{n}", script, wait=120, tokens=stream.chance(0.5))
        else:
            await client.send(agent.id, f"m{n}", script, wait=120)
    await audit(cluster)


async def _stream_once(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client = Client(cluster, "client")
    op = await client.stream(agent.id, "m1", TURN, tokens=True)
    if op.outcome == "ok":
        world.sometimes.hit("stream failed" if op.result["failed"] else "stream ended well")
    else:
        world.sometimes.hit("stream broke with an error")
    await audit(cluster)


async def _custom_tool(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client = Client(cluster, "client")
    script = f"call {call('look', text='the answer')}\nsay found"
    op = await client.stream(agent.id, "m1", script)
    messages = await client.until_done(lambda kelpie: history_of(kelpie, agent.id))
    returns = [returned for message in messages for returned in message.tool_returns]
    for returned in returns:
        world.sometimes.hit("tool succeeded" if returned.status is ToolStatus.SUCCESS else "tool failed")
        if returned.status is ToolStatus.SUCCESS:
            world.check(returned.text == "the answer", "tool: its return does not read back")
    if op.outcome == "ok" and not op.result["failed"]:
        world.check(len(returns) == 1, "tool: a stream that ended well has not one return")
    await audit(cluster)


async def _two_senders(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    (agent,) = await set_up(cluster, ("Ada",))
    stream = world.streams.stream("workload")

    async def sender(number: int) -> None:
        client, server = Client(cluster, f"sender-{number}"), cluster.servers[number % 2]
        for n in range(3):
            mark = f"m{number}-{n}"
            await client.send(agent.id, mark, scripts(stream, mark), server=server, wait=stream.pick((0, 60)))

    await asyncio.gather(sender(0), sender(1))
    refused = sum(op.outcome == "fail" for op in world.history)
    if refused:
        world.sometimes.hit("busy")
    await audit(cluster)


async def _cancel(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client, stream = Client(cluster, "client"), world.streams.stream("workload")
    sending = asyncio.ensure_future(client.send(agent.id, "m1", TURN, wait=60))
    await asyncio.sleep(stream.between(0, 120) / 1_000)
    try:
        await cluster.server.call(lambda kelpie: kelpie.messages.cancel(agent.id))
    except (StoreError, CallerError, ServerGone) as error:
        world.story(f"cancel: {type(error).__name__}")
    await sending
    await audit(cluster)
    for run in await records_of(cluster, RUNS):
        if run.status is not RunStatus.FAILED:
            world.sometimes.hit(f"run {run.status}")
    second = await Client(cluster, "after").send(agent.id, "m2", "say still here", wait=60)
    world.check(second.outcome == "ok" and not second.result["failed"], "cancel: the agent does not answer any more")


async def _same_message_twice(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    message = MessageDraft(content=(TextPart(text=TURN),), otid="client-1")

    async def work(kelpie: Kelpie) -> str:
        return (await kelpie.messages.send(agent.id, [message], TurnOptions(wait_seconds=120))).run.id

    runs: set[str] = set()
    for _ in range(3):
        try:
            runs.add(await cluster.server.call(work))
        except (StoreError, ServerGone) as error:
            world.story(f"send: {type(error).__name__}")
        except Exception as error:
            if not hasattr(error, "run_id"):
                raise
            world.sometimes.hit("failed, then asked again")
    await audit(cluster)
    world.check(len(runs) <= 1, "otid: one message made two runs")
    messages = await Client(cluster, "reader").until_done(lambda kelpie: history_of(kelpie, agent.id))
    copies = sum(stored.otid == "client-1" for stored in messages)
    world.check(copies <= 1, f"otid: the message is stored {copies} times")


def crashes(swarm: Swarm) -> tuple[Fault, ...]:
    """Return one power loss: around a commit, in mid-model or in mid-tool."""
    where = swarm.pick("where", ("before", "after", "model", "tool"))
    after = swarm.size("after", 0, 16)
    match where:
        case "before":
            return (f.CrashBeforeCommit(on="commit", probability=0.5, after=after, max_triggers=1),)
        case "after":
            return (f.CrashAfterCommit(on="commit", probability=0.5, after=after, max_triggers=1),)
        case "model":
            return (f.LlmCrash(probability=0.3, max_triggers=1),)
    return (f.ToolCrash(probability=0.5, max_triggers=1),)


def lost_acknowledgements(swarm: Swarm) -> tuple[Fault, ...]:
    """Return nothing but commits that go through unheard: whatever was begun must end as if nothing had happened."""
    return (f.LostAcknowledgement(on="commit", probability=swarm.pick("lost_ack", (0.1, 0.3, 0.5))),)


def _slow(swarm: Swarm) -> tuple[Fault, ...]:
    """Return a model that outlasts the lease of a host which cannot renew it: another takes over, and both wait.

    The host cannot because its store refuses, or because it stands still and does not know that time goes by.
    """
    host, until = ("server-1",), swarm.size("until", 31, 100)
    slow_ms = swarm.pick("slow_ms", (45_000, until * 1_000, until * 1_000 + 1_000, until * 1_000 + 3_000))
    if swarm.flag("stands_still"):
        pause_ms = swarm.pick("pause_ms", (31_000, 40_000, 60_000))
        return (
            f.LlmSlow(
                on=f.MODEL_CHUNK, probability=0.5, latency_ms=swarm.pick("slow_a_bit_ms", (1_000, 8_000, 25_000))
            ),
            HostPause(probability=swarm.pick("pause", (0.01, 0.03, 0.1)), pause_ms=pause_ms, max_triggers=4),
        )
    return (
        f.LlmSlow(on=f.MODEL_CHUNK, probability=0.5, latency_ms=slow_ms),
        f.StorageWriteFail(on="head_write", hosts=host, probability=0.99, between=(0.2, float(until))),
    )


def _tool_faults(swarm: Swarm) -> tuple[Fault, ...]:
    kind = swarm.pick("kind", ("fail", "runner", "timeout", "crash"))
    kinds = {"fail": f.ToolFail, "runner": f.ToolRunnerFail, "timeout": f.ToolTimeout, "crash": f.ToolCrash}
    return (kinds[kind](probability=0.7, max_triggers=1),)


_PLAIN = Scenario(name="turn", run=_turn, operations=OPERATIONS, seeds=60, doc="A turn with tools, nothing wrong.")
SCENARIOS = (
    _PLAIN,
    attrs.evolve(_PLAIN, name="turn-faults", run=_turns_under_faults, faults=rare_faults, seeds=250),
    attrs.evolve(
        _PLAIN,
        name="stream-persistence",
        run=_stream_once,
        faults=failing_store,
        seeds=200,
        sometimes=("stream failed", "stream ended well", "stream broke with an error"),
    ),
    attrs.evolve(
        _PLAIN,
        name="custom-tool-stream",
        run=_custom_tool,
        faults=_tool_faults,
        seeds=100,
        sometimes=("tool succeeded", "tool failed"),
    ),
    attrs.evolve(_PLAIN, name="crash-recovery", run=_turns_under_faults, faults=crashes, seeds=250),
    attrs.evolve(_PLAIN, name="lost-acknowledgement", run=_turns_under_faults, faults=lost_acknowledgements, seeds=150),
    attrs.evolve(_PLAIN, name="two-senders", run=_two_senders, faults=faults_sometimes, seeds=150, sometimes=("busy",)),
    attrs.evolve(_PLAIN, name="slow-model", run=_two_senders, faults=_slow, seeds=150, sometimes=("busy",)),
    attrs.evolve(
        _PLAIN,
        name="cancel",
        run=_cancel,
        faults=faults_sometimes,
        seeds=150,
        sometimes=tuple(f"run {status}" for status in (RunStatus.COMPLETED, RunStatus.CANCELLED)),
    ),
    attrs.evolve(
        _PLAIN,
        name="same-message-twice",
        run=_same_message_twice,
        faults=faults_sometimes,
        seeds=300,
        sometimes=("failed, then asked again",),
    ),
)
