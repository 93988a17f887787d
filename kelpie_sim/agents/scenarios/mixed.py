"""Everything at once: servers, agents, senders, streams, cancels, imports, all faults, as the seed draws them."""

import asyncio
from functools import partial

from kelpie_core.errors import CallerError, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.optimistic import Backend
from kelpie_core.service.drafts import AgentChanges
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import faults_sometimes, scripts, set_up
from kelpie_sim.agents.sqlite import open_sqlite
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

OPERATIONS_EACH = 4


async def _mixed(world: World) -> None:
    swarm = world.swarm
    servers, agents, clients = swarm.size("servers", 1, 3), swarm.size("agents", 1, 4), swarm.size("clients", 1, 4)
    durable: Backend | None = await _on_disk(world) if swarm.flag("sqlite", 0.25) else None
    cluster = Cluster(world, durable, servers=servers, latency_ms_max=swarm.pick("latency_ms_max", (0, 0, 5, 50)))
    created = await set_up(cluster, tuple(f"agent {n}" for n in range(agents)))
    await asyncio.gather(*(_client(cluster, number, [agent.id for agent in created]) for number in range(clients)))
    await audit(cluster)


async def _on_disk(world: World) -> Backend:
    """Return the production store on the disk of a machine of its own, which keeps its power."""
    return await open_sqlite(world, world.host("database"))


async def _client(cluster: Cluster, number: int, agent_ids: list[str]) -> None:
    stream = cluster.world.streams.stream(f"workload/{number}")
    client = Client(cluster, f"client-{number}")
    for n in range(stream.between(1, OPERATIONS_EACH)):
        agent_id, server, mark = stream.pick(agent_ids), stream.pick(cluster.servers), f"m{number}-{n}"
        match stream.pick(("send", "send", "stream", "stream", "cancel", "rename", "look")):
            case "send":
                await client.send(agent_id, mark, scripts(stream, mark), server=server, wait=stream.pick((0, 30)))
            case "stream":
                tokens = stream.chance(0.5)
                await client.stream(agent_id, mark, scripts(stream, mark), server=server, wait=30, tokens=tokens)
            case other:
                try:
                    await server.call(partial(_other, operation=other, agent_id=agent_id))
                except (StoreError, CallerError, ServerGone) as error:
                    cluster.world.story(f"{other}: {type(error).__name__}")


async def _other(kelpie: Kelpie, operation: str, agent_id: str) -> None:
    match operation:
        case "cancel":
            await kelpie.messages.cancel(agent_id)
        case "rename":
            await kelpie.agents.update(agent_id, AgentChanges(name="renamed"))
        case _:
            await kelpie.agents.state(agent_id)


SCENARIOS = (
    Scenario(
        name="mixed",
        run=_mixed,
        faults=partial(faults_sometimes, probability=0.8),
        operations=OPERATIONS,
        seeds=300,
        doc="Everything at once.",
    ),
)
