"""Tools whose sandbox fails, and tools that change the agent they belong to.

sandbox-dies    a sandbox that fails at its start, in mid-call or at its end, while its host loses power or hears
                nothing of its commits: each call has its return, once, and each effect happened once at most
agent-state     two agents on two servers whose tools change one block through `agent_state`: what a tool was told as
                stored is there once, and what was refused is not
"""

import asyncio
from functools import partial

import attrs

from kelpie_core.kelpie import Kelpie
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolStatus
from kelpie_core.service.drafts import BlockDraft
from kelpie_core.service.tool_calls import INTERRUPTED
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, history_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import BLOCK_LIMIT, RARE, call, cluster_of, faults_sometimes, set_up
from kelpie_sim.agents.tools import REMEMBER
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

AGENTS = 2
LINES_EACH = 3
SHARED = "shared"
FAILED, GIVEN_UP, STORED, REFUSED = "sandbox failed", "call given up", "edit stored", "edit refused"


async def _sandbox_dies(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client, stream = Client(cluster, "client"), world.streams.stream("workload")
    for n in range(stream.between(1, 3)):
        calls = [call(stream.pick(("note", "look")), text=f"m{n}-{k}") for k in range(stream.between(1, 3))]
        await client.send(agent.id, f"m{n}", f"call {' & '.join(calls)}\nsay m{n} is done", wait=600)
    await audit(cluster)
    messages = await client.until_done(lambda kelpie: history_of(kelpie, agent.id))
    _check_answered_once(world, messages)
    for _, text, status in _returns(messages):
        if status is ToolStatus.ERROR:
            world.sometimes.hit(GIVEN_UP if text == INTERRUPTED else FAILED)


def _check_answered_once(world: World, messages: list[Message]) -> None:
    """Check that each call that is stored has one return that is stored."""
    asked = sorted((m.step_id or "", c.id) for m in messages if m.role is Role.ASSISTANT for c in m.tool_calls)
    given = sorted((m.step_id or "", r.tool_call_id or "") for m in messages for r in m.tool_returns)
    world.check(asked == given, "sandbox: a call has not exactly one return")


async def _agent_state(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    client = Client(cluster, "setup")
    tool = await client.until_done(lambda kelpie: kelpie.tools.upsert(REMEMBER))
    shared = await client.until_done(lambda kelpie: kelpie.blocks.create(BlockDraft(label=SHARED, limit=BLOCK_LIMIT)))
    agents = await set_up(cluster, tuple(f"agent {n}" for n in range(AGENTS)), block_ids=(shared.id,))
    for agent in agents:
        await client.until_done(partial(_attach, agent_id=agent.id, tool_id=tool.id))

    async def sender(number: int) -> None:
        lines = "\n".join(f"call {call('remember', label=SHARED, line=f'a{number}-{k}')}" for k in range(LINES_EACH))
        server = cluster.servers[number % len(cluster.servers)]
        script = f"{lines}\nsay a{number} is done"
        await Client(cluster, f"sender-{number}").send(agents[number].id, f"a{number}", script, server=server, wait=600)

    await asyncio.gather(*(sender(number) for number in range(AGENTS)))
    await audit(cluster)
    block = await client.until_done(lambda kelpie: kelpie.blocks.get(shared.id))
    stored = [await _stored_lines(cluster, client, agent.id) for agent in agents]
    wanted = sorted(line for lines in stored for line in lines)
    world.check(sorted(block.value.split()) == wanted, "agent state: the block is not what the tools were told")


async def _stored_lines(cluster: Cluster, client: Client, agent_id: str) -> list[str]:
    """Return the lines of which the agent's tools were told that they are stored."""
    messages = await client.until_done(lambda kelpie: history_of(kelpie, agent_id))
    lines = []
    for arguments, _, status in _returns(messages):
        cluster.world.sometimes.hit(STORED if status is ToolStatus.SUCCESS else REFUSED)
        if status is ToolStatus.SUCCESS:
            lines.append(arguments.partition('"line": "')[2].partition('"')[0])
    return lines


def _returns(messages: list[Message]) -> list[tuple[str, str | None, ToolStatus]]:
    """Return the arguments, the text and the end of each call that has its return."""
    asked = {(m.step_id, c.id): c.arguments for m in messages for c in m.tool_calls}
    returned = [(asked.get((m.step_id, r.tool_call_id or "")), r) for m in messages for r in m.tool_returns]
    return [(arguments, r.text, r.status) for arguments, r in returned if arguments is not None]


async def _attach(kelpie: Kelpie, agent_id: str, tool_id: str) -> None:
    await kelpie.agents.attach_tool(agent_id, tool_id)


def _sandbox_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return one kind of fault of the sandbox, often, and what makes a host forget that it was at work."""
    kinds = {
        "boot": f.SandboxBootFail, "isolation": f.SandboxExecFail, "pool": f.SandboxPoolExhausted,
        "crash": f.SandboxCrash, "timeout": f.SandboxExecTimeout, "memory": f.SandboxOutOfMemory,
        "output": f.SandboxOutputTooBig, "leak": f.SandboxLeakOnTerminate,
    }  # fmt: skip
    kind = swarm.pick("kind", tuple(kinds))
    return (
        kinds[kind](probability=swarm.pick("often", (0.2, 0.5, 0.9))),
        f.CrashBeforeCommit(on="commit", probability=swarm.rate("crash_before", RARE), max_triggers=3),
        f.CrashAfterCommit(on="commit", probability=swarm.rate("crash_after", RARE), max_triggers=3),
        f.ToolCrash(probability=swarm.pick("tool_crash", (0.0, 0.1, 0.3)), max_triggers=2),
        f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_ack", RARE)),
    )


_PLAIN = Scenario(
    name="sandbox-dies",
    run=_sandbox_dies,
    faults=_sandbox_faults,
    operations=OPERATIONS,
    seeds=200,
    sometimes=(FAILED, GIVEN_UP),
    doc="Sandboxes that fail while their host does.",
)
SCENARIOS = (
    _PLAIN,
    attrs.evolve(
        _PLAIN,
        name="agent-state",
        run=_agent_state,
        faults=faults_sometimes,
        sometimes=(STORED, REFUSED),
        doc="Tools of two agents change one block.",
    ),
)
