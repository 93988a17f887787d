"""Create, update, delete: read back by content, and what was deleted stays away.

crud    agents, blocks and tools under one client each, at once, through every fault
"""

import asyncio
from functools import partial

from kelpie_core.errors import CallerError, NotFound, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.service.drafts import (
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    Page,
    ToolChanges,
    ToolDraft,
)
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS, LostAcknowledgement
from kelpie_sim.agents.scenarios.common import cluster_of, faults_sometimes
from kelpie_sim.check.history import Op
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

ROUNDS = 4
CREATE, UPDATE, DELETE = "create", "update", "delete"


class Resource:
    """One kind of thing: how to create, read, change, delete and list it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def create(self, kelpie: Kelpie, value: str) -> str:
        """Create one and return its id."""
        match self.kind:
            case "agent":
                return (await kelpie.agents.create(AgentDraft(name=value))).id
            case "block":
                return (await kelpie.blocks.create(BlockDraft(label="note", value=value))).id
        return (await kelpie.tools.create(ToolDraft(name=value))).id

    async def read(self, kelpie: Kelpie, key: str) -> str:
        """Return its value; raise NotFound."""
        match self.kind:
            case "agent":
                return (await kelpie.agents.get(key)).name
            case "block":
                return (await kelpie.blocks.get(key)).value
        return (await kelpie.tools.get(key)).name

    async def change(self, kelpie: Kelpie, key: str, value: str) -> None:
        """Give it another value."""
        match self.kind:
            case "agent":
                await kelpie.agents.update(key, AgentChanges(name=value))
            case "block":
                await kelpie.blocks.update(key, BlockChanges(value=value))
            case _:
                await kelpie.tools.update(key, ToolChanges(name=value))

    async def delete(self, kelpie: Kelpie, key: str) -> None:
        """Delete it."""
        match self.kind:
            case "agent":
                await kelpie.agents.delete(key)
            case "block":
                await kelpie.blocks.delete(key)
            case _:
                await kelpie.tools.delete(key)

    async def listed(self, kelpie: Kelpie) -> dict[str, str]:
        """Return all there are, value by id."""
        page = Page(limit=100)
        match self.kind:
            case "agent":
                return {item.id: item.name for item in await kelpie.agents.list(page)}
            case "block":
                return {item.id: item.value for item in await kelpie.blocks.list(page)}
        return {item.id: item.name for item in await kelpie.tools.list(page)}


async def _crud(world: World) -> None:
    cluster = cluster_of(world)
    resources = tuple(Resource(kind) for kind in ("agent", "block", "tool"))
    await asyncio.gather(*(_work(cluster, resource) for resource in resources))
    await audit(cluster)
    for resource in resources:
        await _check(cluster, resource)


async def _work(cluster: Cluster, resource: Resource) -> None:
    stream = cluster.world.streams.stream(f"workload/{resource.kind}")
    for number in range(ROUNDS):
        value = f"{resource.kind} {number}"
        created = await _ask(cluster, resource, CREATE, "", value)
        if created.outcome != "ok":
            continue
        key = str(created.result["key"])
        if stream.chance(0.6):
            await _ask(cluster, resource, UPDATE, key, f"{value} changed")
        if stream.chance(0.5):
            await _ask(cluster, resource, DELETE, key, "")


async def _ask(cluster: Cluster, resource: Resource, operation: str, key: str, value: str) -> Op:
    op = cluster.world.history.invoke(resource.kind, operation, key=key, value=value)

    async def work(kelpie: Kelpie) -> str:
        match operation:
            case "create":
                return await resource.create(kelpie, value)
            case "update":
                await resource.change(kelpie, key, value)
            case _:
                await resource.delete(kelpie, key)
        return key

    try:
        op.ok(key=await cluster.server.call(work))
    except CallerError as error:
        op.fail(error)
    except (StoreError, ServerGone) as error:
        op.info(error)
    return op


async def _check(cluster: Cluster, resource: Resource) -> None:
    """Hold what the client was told against what get and list say now."""
    world, client = cluster.world, Client(cluster, "reader")
    listed = await client.until_done(resource.listed)
    operations = [op for op in world.history if op.process == resource.kind]
    for created in (op for op in operations if op.operation == CREATE):
        world.check(created.outcome != "fail", f"crud: creating a {resource.kind} was refused")
        if created.outcome == "ok":
            key = str(created.result["key"])
            found = await client.until_done(partial(_read_or_none, resource, key=key))
            world.check(listed.get(key) == found, f"crud: get and list disagree on a {resource.kind}")
            _check_one(world, resource, key, str(created.arguments["value"]), found, operations)
    unknown = sum(op.outcome == "info" for op in operations if op.operation == CREATE)
    known = {str(op.result["key"]) for op in operations if op.operation == CREATE and op.outcome == "ok"}
    world.check(len(set(listed) - known) <= unknown, f"crud: there are {resource.kind}s that nobody created")


def _check_one(world: World, resource: Resource, key: str, value: str, found: str | None, operations: list[Op]) -> None:
    changes = [op for op in operations if op.operation == UPDATE and op.arguments["key"] == key]
    deletes = [op for op in operations if op.operation == DELETE and op.arguments["key"] == key]
    possible: set[str | None] = {value}
    for change in changes:
        possible = {str(change.arguments["value"]), *(possible if change.outcome != "ok" else ())}
    if deletes:
        world.check(deletes[0].outcome != "fail", f"crud: deleting a {resource.kind} that is there was refused")
        possible = {None, *(possible if deletes[0].outcome != "ok" else ())}
        world.sometimes.hit("deleted")
    world.check(found in possible, f"crud: a {resource.kind} reads back otherwise than it was told")


async def _read_or_none(resource: Resource, kelpie: Kelpie, key: str) -> str | None:
    try:
        return await resource.read(kelpie, key)
    except NotFound:
        return None


def _faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return what may go wrong anywhere, and many lost acknowledgements: the answers to those are the hard ones."""
    lost = LostAcknowledgement(on="commit", probability=swarm.rate("lost_acks", (0.0, 0.05, 0.2)))
    return (*faults_sometimes(swarm), lost)


SCENARIOS = (
    Scenario(
        name="crud",
        run=_crud,
        faults=_faults,
        operations=OPERATIONS,
        seeds=150,
        sometimes=("deleted",),
        doc="Create, update, delete.",
    ),
)
