"""Lists that are walked while they change: no item that is there throughout is missed or seen twice.

paging    several clients walk lists of agents and blocks in every direction while others create and delete
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import attrs

from kelpie_core.errors import CallerError, NotFound
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.service.drafts import AgentDraft, BlockDraft, Page
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import cluster_of, faults_sometimes
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World

STANDING = 7
ROUNDS = 4
WALKS = 3
STAYS, GOES = "stays", "goes"
Item = Agent | Block


@attrs.frozen(kw_only=True)
class Lister:
    """A list: how to make one of its items, read a page of them, delete one."""

    create: Callable[[Kelpie, str], Awaitable[Item]]
    page: Callable[[Kelpie, Page, tuple[str, ...]], Awaitable[Sequence[Item]]]
    delete: Callable[[Kelpie, str], Awaitable[None]]


async def _create_agent(kelpie: Kelpie, tag: str) -> Item:
    return await kelpie.agents.create(AgentDraft(name=tag, tags=(tag, "any")))


async def _create_block(kelpie: Kelpie, tag: str) -> Item:
    return await kelpie.blocks.create(BlockDraft(label=tag, tags=(tag, "any")))


async def _page_of_agents(kelpie: Kelpie, page: Page, tags: tuple[str, ...]) -> Sequence[Item]:
    return await kelpie.agents.list(page, AgentFilter(tags=tags))


async def _page_of_blocks(kelpie: Kelpie, page: Page, tags: tuple[str, ...]) -> Sequence[Item]:
    return await kelpie.blocks.list(page, BlockFilter(tags=tags))


LISTS = {
    "agents": Lister(create=_create_agent, page=_page_of_agents, delete=lambda kelpie, key: kelpie.agents.delete(key)),
    "blocks": Lister(create=_create_block, page=_page_of_blocks, delete=lambda kelpie, key: kelpie.blocks.delete(key)),
}


async def _paging(world: World) -> None:
    cluster = cluster_of(world, servers=world.streams.stream("servers").between(1, 2))
    name = world.streams.stream("list").pick(tuple(LISTS))
    lister, setup = LISTS[name], Client(cluster, "setup")
    standing: set[str] = set()
    for number in range(STANDING):
        standing.add((await setup.until_done(partial(_create, lister=lister, tag=STAYS))).id)
        if number % 2:
            await setup.until_done(partial(_create, lister=lister, tag=GOES))
    await asyncio.gather(
        *(_walks(cluster, lister, f"walker {number}", standing) for number in range(2)),
        _churn(cluster, lister),
        _clear(cluster, lister),
    )
    await audit(cluster)


async def _walks(cluster: Cluster, lister: Lister, name: str, standing: set[str]) -> None:
    stream, client = cluster.world.streams.stream(f"workload/{name}"), Client(cluster, name)
    for _ in range(WALKS):
        seen = await _walk(cluster, client, lister, stream)
        cluster.world.check(len(seen) == len(set(seen)), "paging: a walk saw an item twice")
        cluster.world.check(standing <= set(seen), "paging: a walk missed an item that was there throughout")


async def _walk(cluster: Cluster, client: Client, lister: Lister, stream: Stream) -> list[str]:
    """Return what a walk through the whole list saw: from one end, or from an item in the middle both ways."""
    tags = stream.pick(((), ("any",), (STAYS, GOES), (STAYS, "any")))
    page = Page(limit=stream.between(1, 4), descending=stream.chance(0.5))
    first = [item.id for item in await _read(cluster, client, lister, page, tags)]
    seen = list(first)
    if stream.chance(0.5):
        seen = [item.id for item in await _rest(cluster, client, lister, attrs.evolve(page, before=first[-1]), tags)]
        seen = [*seen, first[-1]]
    return seen + [item.id for item in await _rest(cluster, client, lister, attrs.evolve(page, after=first[-1]), tags)]


async def _rest(cluster: Cluster, client: Client, lister: Lister, page: Page, tags: tuple[str, ...]) -> Sequence[Item]:
    """Return the items beyond the cursor of a page, page by page until one is empty."""
    found: list[Item] = []
    while items := await _read(cluster, client, lister, page, tags):
        if page.before is not None:
            found, page = [*items, *found], attrs.evolve(page, before=items[0].id)
        else:
            found, page = [*found, *items], attrs.evolve(page, after=items[-1].id)
    return found


async def _read(cluster: Cluster, client: Client, lister: Lister, page: Page, tags: tuple[str, ...]) -> Sequence[Item]:
    async def work(kelpie: Kelpie) -> Sequence[Item]:
        try:
            return await lister.page(kelpie, page, tags)
        except CallerError:
            cluster.world.check(False, "paging: a cursor that a list gave leads nowhere")
            raise

    return await client.until_done(work)


async def _churn(cluster: Cluster, lister: Lister) -> None:
    """Create items and delete them again."""
    client = Client(cluster, "churner")
    for _ in range(ROUNDS):
        key = await client.until_done(partial(_create_to_go, lister=lister))
        if key is not None:
            await client.until_done(partial(_delete, lister=lister, key=key))


async def _create_to_go(kelpie: Kelpie, lister: Lister) -> str | None:
    """Return the id of a new item; None if an attempt whose answer was lost made one that is deleted already."""
    try:
        return (await lister.create(kelpie, GOES)).id
    except NotFound:
        return None


async def _clear(cluster: Cluster, lister: Lister) -> None:
    """Delete all that goes, each as it is listed: as people clear up."""
    client, page = Client(cluster, "clearer"), Page(limit=2)
    while items := await _read(cluster, client, lister, page, (GOES,)):
        for item in items:
            await client.until_done(partial(_delete, lister=lister, key=item.id))
        page = attrs.evolve(page, after=items[-1].id)
        cluster.world.sometimes.hit("cursor_of_the_deleted")


async def _create(kelpie: Kelpie, lister: Lister, tag: str) -> Item:
    return await lister.create(kelpie, tag)


async def _delete(kelpie: Kelpie, lister: Lister, key: str) -> None:
    try:
        await lister.delete(kelpie, key)
    except NotFound:
        return  # somebody else was quicker, or an earlier attempt went through


def _faults(swarm: Swarm) -> tuple[Fault, ...]:
    return faults_sometimes(swarm)


SCENARIOS = (
    Scenario(
        name="paging",
        run=_paging,
        faults=_faults,
        operations=OPERATIONS,
        seeds=100,
        sometimes=("cursor_of_the_deleted",),
        doc="Lists that are walked while they change.",
    ),
)
