"""Many agents at once, and one block that four of them write.

many-agents     ten agents on two servers, each with its own sender
shared-block    four agents append to one block at once: every reported edit is there, once
"""

import asyncio

from kelpie_core.service.drafts import BlockDraft
from kelpie_sim.agents.audit import audit, check_shared
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import BLOCK_LIMIT, call, cluster_of, faults_sometimes, scripts, set_up
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

AGENTS_AT_ONCE = 10
WRITERS = 4
LINES_EACH = 3


async def _many_agents(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    agents = await set_up(cluster, tuple(f"agent {n}" for n in range(AGENTS_AT_ONCE)))
    stream = world.streams.stream("workload")

    async def sender(number: int) -> None:
        client, agent = Client(cluster, f"client-{number}"), agents[number]
        for n in range(2):
            mark = f"m{number}-{n}"
            server = stream.pick(cluster.servers)
            await client.send(agent.id, mark, scripts(stream, mark), server=server, wait=60)

    await asyncio.gather(*(sender(number) for number in range(len(agents))))
    await audit(cluster)


async def _shared_block(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    client = Client(cluster, "setup")
    shared = await client.until_done(lambda kelpie: kelpie.blocks.create(BlockDraft(label="shared", limit=BLOCK_LIMIT)))
    agents = await set_up(cluster, tuple(f"writer {n}" for n in range(WRITERS)), block_ids=(shared.id,))

    async def writer(number: int) -> None:
        lines = [f"w{number}-{n}" for n in range(LINES_EACH)]
        calls = " & ".join(call("core_memory_append", label="shared", content=line) for line in lines)
        server = cluster.servers[number % 2]
        await Client(cluster, f"writer-{number}").send(agents[number].id, f"w{number}", f"call {calls}", server=server)

    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    await audit(cluster)
    block = await client.until_done(lambda kelpie: kelpie.blocks.get(shared.id))
    check_shared(cluster, block.value)
    if block.value.count("w") == WRITERS * LINES_EACH:
        world.sometimes.hit("all lines")


SCENARIOS = (
    Scenario(
        name="many-agents",
        run=_many_agents,
        faults=faults_sometimes,
        operations=OPERATIONS,
        seeds=60,
        doc="Ten agents at once.",
    ),
    Scenario(
        name="shared-block",
        run=_shared_block,
        faults=faults_sometimes,
        operations=OPERATIONS,
        seeds=150,
        sometimes=("all lines",),
        doc="Four agents append to one block.",
    ),
)
