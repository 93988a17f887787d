"""What scenarios share: how a cluster is set up, agents and scripts, faults by rate."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.drafts import AgentDraft, BlockDraft, ToolDraft
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.tools import TOOL_DRAFTS
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World

BLOCK_LIMIT = 4_000
TOOL_NAMES = tuple(draft.name for draft in TOOL_DRAFTS)
MEMORY_TOOL_NAMES = ("core_memory_append", "core_memory_replace")
RARE = (0.0, 0.0, 0.002, 0.01, 0.05)


def agent_draft(name: str, *, block_ids: tuple[str, ...] = (), label: str = "human") -> AgentDraft:
    """Return an agent with one block of its own, the memory tools, and the scripted ones."""
    return AgentDraft(
        name=name,
        system="You are a test.",
        blocks=(BlockDraft(label=label, limit=BLOCK_LIMIT),),
        block_ids=block_ids,
        tool_names=(*MEMORY_TOOL_NAMES, *TOOL_NAMES),
    )


async def set_up(cluster: Cluster, names: tuple[str, ...], *, block_ids: tuple[str, ...] = ()) -> list[Agent]:
    """Create the scripted tools and the agents, whatever the faults do meanwhile."""
    client = Client(cluster, "setup")
    for tool in TOOL_DRAFTS:
        await client.until_done(partial(_upsert, draft=tool))
    return [await create_once(client, agent_draft(name, block_ids=block_ids)) for name in names]


async def _upsert(kelpie: Kelpie, draft: ToolDraft) -> Tool:
    return await kelpie.tools.upsert(draft)


async def create_once(client: Client, draft: AgentDraft) -> Agent:
    """Create an agent; if nobody knows whether it was created, look before doing it again."""

    async def work(kelpie: Kelpie) -> Agent:
        found = await kelpie.agents.list(which=AgentFilter(name=draft.name))
        return found[0] if found else await kelpie.agents.create(draft)

    return await client.until_done(work)


def scripts(stream: Stream, mark: str) -> str:
    """Return a script that bears the mark in each thing it does: one to three steps of talk and tools."""
    steps = stream.between(0, 2)
    return "\n".join([_line(stream, f"{mark}-{step}") for step in range(steps)] + [f"say {mark} is done now"])


def _line(stream: Stream, mark: str) -> str:
    calls = [_call(stream, f"{mark}-{n}") for n in range(stream.between(1, 3))]
    return "call " + " & ".join(calls)


def _call(stream: Stream, mark: str) -> str:
    return stream.pick(
        (
            call("note", text=mark),
            call("look", text=mark),
            f"{call('dig', text=mark)} & {call('dig', text=f'{mark}-too')}",
            call("core_memory_append", label="human", content=mark),
            call("core_memory_append", label="human", content=f"{mark} {'long ' * 500}"),
            call("core_memory_replace", label="human", old_content="nowhere", new_content=mark),
            call("shout", times=200),
            call("no_such_tool", text=mark),
        )
    )


def call(name: str, **arguments: object) -> str:
    """Return one call as a script writes it."""
    return f"{name} {json.dumps(arguments)}"


def rare_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return every kind of fault at a rate of its own, many of them off."""
    return (
        f.StorageWriteFail(probability=swarm.rate("write_fail", RARE)),
        f.StorageReadFail(probability=swarm.rate("read_fail", RARE)),
        f.StorageLatency(
            probability=swarm.rate("latency", RARE), latency_ms=swarm.pick("latency_ms", (20, 2_000, 40_000))
        ),
        f.DiskFull(on="*_write", probability=swarm.rate("disk_full", (0.0, 0.0, 0.002))),
        f.StoreConflict(on="commit", probability=swarm.rate("conflict", RARE)),
        f.CrashBeforeCommit(on="commit", probability=swarm.rate("crash_before", RARE)),
        f.CrashAfterCommit(on="commit", probability=swarm.rate("crash_after", RARE)),
        f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_ack", RARE)),
        *model_faults(swarm),
        f.ToolFail(probability=swarm.rate("tool_fail", RARE)),
        f.ToolRunnerFail(probability=swarm.rate("tool_runner_fail", RARE)),
        f.ToolTimeout(probability=swarm.rate("tool_timeout", RARE)),
        f.ToolCrash(probability=swarm.rate("tool_crash", RARE)),
        *sandbox_faults(swarm),
    )


def sandbox_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return every kind of fault of the sandbox of tools at a rate of its own."""
    return (
        f.SandboxBootFail(probability=swarm.rate("sandbox_boot", RARE)),
        f.SandboxExecFail(probability=swarm.rate("sandbox_exec", RARE)),
        f.SandboxPoolExhausted(probability=swarm.rate("sandbox_pool", RARE)),
        f.SandboxCrash(probability=swarm.rate("sandbox_crash", RARE)),
        f.SandboxExecTimeout(probability=swarm.rate("sandbox_timeout", RARE)),
        f.SandboxOutOfMemory(probability=swarm.rate("sandbox_memory", RARE)),
        f.SandboxOutputTooBig(probability=swarm.rate("sandbox_output", RARE)),
        f.SandboxLeakOnTerminate(probability=swarm.rate("sandbox_leak", RARE)),
    )


def faults_sometimes(swarm: Swarm, probability: float = 0.75) -> tuple[Fault, ...]:
    """Return rare faults in that part of the runs, and none in the others: a scenario must hold in peace as well."""
    return rare_faults(swarm) if swarm.flag("faults", probability) else ()


def failing_store(swarm: Swarm) -> tuple[Fault, ...]:
    """Return a store whose writes fail from some operation on: once, or for so long that no retry helps."""
    after, lasting = swarm.size("after", 0, 40), swarm.flag("lasting")
    write = f.StorageWriteFail(
        on=swarm.pick("on", ("message_write", "run_write", "head_write", "step_write", "*_write")),
        probability=0.9,
        after=after,
        max_triggers=None if lasting else 1,
        between=(0.0, 3_000.0),
    )
    lost = f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_ack", RARE))
    return (write, lost)


def model_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return every kind of fault of the model at a rate of its own."""
    return (
        f.LlmTimeout(on=f.MODEL_CALL, probability=swarm.rate("llm_timeout", RARE)),
        f.LlmFailure(on=f.MODEL_CALL, probability=swarm.rate("llm_failure", RARE)),
        f.LlmRateLimited(on=f.MODEL_CALL, probability=swarm.rate("llm_rate_limited", RARE)),
        f.LlmSlow(on=f.MODEL_CHUNK, probability=swarm.rate("llm_slow", RARE)),
        f.LlmStreamCut(on=f.MODEL_CHUNK, probability=swarm.rate("llm_stream_cut", RARE)),
        f.LlmMalformedToolCall(on=f.MODEL_CHUNK, probability=swarm.rate("llm_malformed", RARE)),
        f.LlmContextOverflow(on=f.MODEL_CALL, probability=swarm.rate("llm_overflow", RARE)),
        f.LlmEmptyReply(on=f.MODEL_CALL, probability=swarm.rate("llm_empty", RARE)),
        f.LlmGarbledChunk(on=f.MODEL_CHUNK, probability=swarm.rate("llm_garbled", RARE)),
        f.LlmErrorInStream(on=f.MODEL_CHUNK, probability=swarm.rate("llm_error_in_stream", RARE)),
        f.LlmHang(on=f.MODEL_CHUNK, probability=swarm.rate("llm_hang", RARE)),
        f.LlmCrash(probability=swarm.rate("llm_crash", RARE)),
    )


def cluster_of(world: World, *, servers: int = 1) -> Cluster:
    """Return a cluster over a store in memory, quick when nothing goes wrong."""
    return Cluster(world, servers=servers)


@contextmanager
def quiet_uvicorn() -> Iterator[None]:
    """Keep uvicorn from logging what breaks: it is meant to, and a campaign would print it by the thousand."""
    logger = logging.getLogger("uvicorn.error")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
