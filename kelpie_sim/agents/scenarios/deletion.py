"""Deleting what is at work.

delete-at-work    an agent, its block and its tool go while two servers send to it: nobody hangs, nothing comes back
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from kelpie_core.errors import CallerError, NotFound, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.records import AGENTS, HEADS
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import cluster_of, faults_sometimes, scripts, set_up
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

DELETE = "delete"


async def _delete_at_work(world: World) -> None:
    cluster = cluster_of(world, servers=2)
    doomed, kept = await set_up(cluster, ("doomed", "kept"))
    stream = world.streams.stream("workload")

    async def sender(number: int) -> None:
        client = Client(cluster, f"sender-{number}")
        for n in range(2):
            mark, agent = f"m{number}-{n}", stream.pick((doomed, doomed, kept))
            await client.send(agent.id, mark, scripts(stream, mark), server=cluster.servers[number % 2], wait=60)

    deletions: tuple[Callable[[Kelpie], Awaitable[None]], ...] = (
        lambda kelpie: kelpie.blocks.delete(doomed.block_ids[0]),
        lambda kelpie: kelpie.tools.delete(doomed.tool_ids[-1]),
        lambda kelpie: kelpie.agents.delete(doomed.id),
    )

    async def deleter() -> None:
        for work in deletions:
            await asyncio.sleep(stream.between(0, 80) / 1_000)
            await _delete(cluster, work)

    await asyncio.gather(sender(0), sender(1), deleter())
    await audit(cluster)
    await _check_gone(cluster, doomed.id)


async def _delete(cluster: Cluster, work: Callable[[Kelpie], Awaitable[None]]) -> None:
    op = cluster.world.history.invoke("deleter", DELETE)
    try:
        await cluster.servers[1].call(work)
        op.ok()
    except CallerError as error:
        op.fail(error)
    except (StoreError, ServerGone) as error:
        op.info(error)


async def _check_gone(cluster: Cluster, agent_id: str) -> None:
    """Hold what the deleter was told of the agent, its last wish, against the store."""
    world, last = cluster.world, cluster.world.history.of(DELETE)[-1]
    there = any(agent.id == agent_id for agent in await records_of(cluster, AGENTS))
    heads = any(head.agent_id == agent_id for head in await records_of(cluster, HEADS))
    world.check(there == heads, "deletion: half an agent is left")
    world.check(last.outcome != "fail", "deletion: deleting what is there was refused")
    world.check(not (there and last.outcome == "ok"), "deletion: an agent that was deleted is there again")
    if not there:
        world.sometimes.hit("gone")
        found = True
        try:
            await Client(cluster, "reader").until_done(lambda kelpie: kelpie.agents.get(agent_id))
        except NotFound:
            found = False
        world.check(not found, "deletion: a get finds what was deleted")


SCENARIOS = (
    Scenario(
        name="delete-at-work",
        run=_delete_at_work,
        faults=partial(faults_sometimes, probability=0.7),
        operations=OPERATIONS,
        seeds=150,
        sometimes=("gone",),
        doc="Deleting what is at work.",
    ),
)
