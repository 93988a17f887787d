"""Agent files: in whole, out whole, or an error and nothing.

import-export             every sample in, out, in again, out again: equal but for ids; then a turn reads it
import-write-fail         `StorageWriteFail` on `message_write` at probability 1: an error, and nothing to be seen
import-interrupted        faults and crashes in mid-import: whole or nothing, and what was begun is swept
import-at-once            the same file several times at once on two servers: each whole, no tool twice
export-read-fail          `StorageReadFail` on `message_read` at probability 1: an error, never a shorter file
"""

import asyncio
from functools import partial

import attrs

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.records import TABLES, TOOLS
from kelpie_core.service.import_plan import ImportOptions
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, history_of, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, Server, ServerGone
from kelpie_sim.agents.documents import normalized, same
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.samples import SAMPLES, Sample
from kelpie_sim.agents.scenarios.common import cluster_of, rare_faults
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

PLAIN = ImportOptions(append_copy_suffix=False)


async def _import_export(world: World, sample: Sample | None = None) -> None:
    cluster, sample = cluster_of(world), _told(world, sample)
    client = Client(cluster, "client")
    agent_ids = await client.until_done(lambda kelpie: kelpie.transfer.import_file(sample.data, PLAIN))
    first = [await client.until_done(partial(exported, agent_id=key)) for key in agent_ids]
    for position, document in enumerate(first):
        world.check(
            same(normalized(sample.data, position), normalized(document)), "transfer: the export differs from the file"
        )
    again = await client.until_done(lambda kelpie: kelpie.transfer.import_file(first[0], PLAIN))
    second = await client.until_done(lambda kelpie: exported(kelpie, again[0]))
    world.check(normalized(second) == normalized(first[0]), "transfer: the second export differs from the first")
    await _take_a_turn(cluster, agent_ids[0])
    await audit(cluster)


async def _take_a_turn(cluster: Cluster, agent_id: str) -> None:
    client, world = Client(cluster, "client"), cluster.world
    before = await client.until_done(lambda kelpie: history_of(kelpie, agent_id))
    op = await client.send(agent_id, "m1", "say hello again", wait=60)
    if world.faults.active and op.outcome == "ok" and not op.result["failed"]:
        after = await client.until_done(lambda kelpie: history_of(kelpie, agent_id))
        world.check(after[: len(before)] == before, "transfer: a turn changed the history that was imported")
        world.check(len(after) == len(before) + 2, "transfer: a turn on an imported agent did not add its two messages")


async def _import_write_fail(world: World) -> None:
    cluster, sample = cluster_of(world), _told(world)
    failed = False
    try:
        await cluster.server.call(lambda kelpie: kelpie.transfer.import_file(sample.data, PLAIN))
    except StoreError:
        failed = True
    world.check(failed, "transfer: an import whose messages cannot be stored did not fail")
    await _check_nothing_to_see(cluster)
    world.heal()
    await world.settle(lambda: _is_empty(cluster), within_seconds=5_000, what="nothing of a failed import is left")


async def _import_interrupted(world: World, sample: Sample | None = None) -> None:
    cluster, sample = cluster_of(world), _told(world, sample)
    try:
        agent_ids = await cluster.server.call(lambda kelpie: kelpie.transfer.import_file(sample.data, PLAIN))
    except (StoreError, ServerGone) as error:
        world.story(f"import: {type(error).__name__}")
        world.sometimes.hit("broken off")
        await audit(cluster)
        await _check_whole_or_nothing(cluster, sample)
        return
    world.sometimes.hit("went through")
    await audit(cluster)
    await _check_documents(cluster, sample, list(agent_ids))


async def _check_whole_or_nothing(cluster: Cluster, sample: Sample) -> None:
    client = Client(cluster, "reader")
    agents = await client.until_done(lambda kelpie: kelpie.agents.list())
    if agents:  # the last commit went through and its caller never heard of it
        names = {agent.name: agent.id for agent in agents}
        await _check_documents(cluster, sample, [names[name] for name in sample.agent_names])
    else:
        await _check_nothing_to_see(cluster)


async def _check_documents(cluster: Cluster, sample: Sample, agent_ids: list[str]) -> None:
    client = Client(cluster, "reader")
    for position, agent_id in enumerate(agent_ids):
        document = await client.until_done(partial(exported, agent_id=agent_id))
        whole = same(normalized(sample.data, position), normalized(document))
        cluster.world.check(whole, "transfer: what was imported differs from the file")


async def _import_at_once(world: World) -> None:
    cluster, sample = cluster_of(world, servers=2), _told(world)
    stream, whole = world.streams.stream("workload"), list[str]()

    async def importer(server: Server) -> None:
        await asyncio.sleep(stream.between(0, 20) / 1_000)
        try:
            whole.extend(await server.call(lambda kelpie: kelpie.transfer.import_file(sample.data, PLAIN)))
        except (StoreError, ServerGone) as error:
            world.story(f"import: {type(error).__name__}")

    await asyncio.gather(*(importer(server) for server in cluster.servers for _ in range(2)))
    await audit(cluster)
    world.check(len(set(whole)) == len(whole), "transfer: two imports made one agent")
    for first in range(0, len(whole), len(sample.agent_names)):
        await _check_documents(cluster, sample, whole[first : first + len(sample.agent_names)])
    names = [tool.name for tool in await records_of(cluster, TOOLS)]
    world.check(len(set(names)) == len(names), "transfer: two imports made two tools of one name")


async def _check_nothing_to_see(cluster: Cluster) -> None:
    client, world = Client(cluster, "reader"), cluster.world
    world.check(
        not await client.until_done(lambda kelpie: kelpie.agents.list()), "transfer: a failed import left an agent"
    )
    world.check(
        not await client.until_done(lambda kelpie: kelpie.blocks.list()), "transfer: a failed import left a block"
    )
    world.check(
        not await client.until_done(lambda kelpie: kelpie.tools.list()), "transfer: a failed import left a tool"
    )


async def _is_empty(cluster: Cluster) -> bool:
    for table in TABLES:
        if await records_of(cluster, table):
            return False
    return True


async def _export_read_fail(world: World) -> None:
    cluster, sample = cluster_of(world), _told(world)
    client = Client(cluster, "client")
    agent_ids = await client.until_done(lambda kelpie: kelpie.transfer.import_file(sample.data, PLAIN))
    await asyncio.sleep(BROKEN_FROM_SECONDS)
    failed = False
    try:
        await cluster.server.call(lambda kelpie: exported(kelpie, agent_ids[0]))
    except StoreError:
        failed = True
    world.check(failed, "transfer: an export whose messages cannot be read did not fail")
    world.heal()
    await _check_documents(cluster, sample, list(agent_ids))


async def exported(kelpie: Kelpie, agent_id: str) -> bytes:
    """Return the whole export of an agent."""
    return b"".join([piece async for piece in kelpie.transfer.export_file(agent_id)])


def _told(world: World, sample: Sample | None = None) -> Sample:
    """Return that sample, or one that the seed picks, and tell the story which."""
    sample = sample or world.streams.stream("workload").pick(SAMPLES)
    world.story(f"the file is {sample.name}")
    return sample


def import_export_of(sample: Sample, *, harmed: bool = False) -> Scenario:
    """Return the scenario of this file in and out, with or without faults."""
    return attrs.evolve(_HARMED if harmed else _PLAIN, run=partial(_import_export, sample=sample))


def import_interrupted_of(sample: Sample) -> Scenario:
    """Return the scenario of this file's import in the midst of faults."""
    return attrs.evolve(_INTERRUPTED, run=partial(_import_interrupted, sample=sample))


BROKEN_FROM_SECONDS = 100


def _writes_fail(swarm: Swarm) -> tuple[Fault, ...]:
    return (f.StorageWriteFail(on="message_write", probability=1.0),)


def _reads_fail(swarm: Swarm) -> tuple[Fault, ...]:
    return (f.StorageReadFail(on="message_read", probability=1.0, between=(BROKEN_FROM_SECONDS, 1e9)),)


def _brief_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return faults that pass: among a thousand writes even a rare one strikes in every commit."""
    return tuple(attrs.evolve(fault, between=(0.0, 2.0)) for fault in rare_faults(swarm))


def _interruptions(swarm: Swarm) -> tuple[Fault, ...]:
    after = swarm.size("after", 0, 4)
    kind = swarm.pick("kind", ("crash before", "crash after", "lost", "write", "full", "many"))
    match kind:
        case "crash before":
            return (f.CrashBeforeCommit(on="commit", probability=0.7, after=after, max_triggers=1),)
        case "crash after":
            return (f.CrashAfterCommit(on="commit", probability=0.7, after=after, max_triggers=1),)
        case "lost":
            return (f.LostAcknowledgement(on="commit", probability=0.5, after=after),)
        case "write":
            return (f.StorageWriteFail(on="*_write", probability=0.02, after=after),)
        case "full":
            return (f.DiskFull(on="*_write", probability=0.9, after=after * 250, max_triggers=1),)
    return _brief_faults(swarm)


_PLAIN = Scenario(name="import-export", run=_import_export, operations=OPERATIONS, seeds=60, doc="Files in and out.")
_HARMED = attrs.evolve(_PLAIN, name="import-export-faults", faults=_brief_faults)
_INTERRUPTED = attrs.evolve(
    _PLAIN,
    name="import-interrupted",
    run=_import_interrupted,
    faults=_interruptions,
    seeds=150,
    sometimes=("broken off", "went through"),
)
SCENARIOS = (
    _PLAIN,
    _HARMED,
    attrs.evolve(_PLAIN, name="import-write-fail", run=_import_write_fail, faults=_writes_fail, seeds=40),
    _INTERRUPTED,
    attrs.evolve(_PLAIN, name="import-at-once", run=_import_at_once, faults=_brief_faults, seeds=60),
    attrs.evolve(_PLAIN, name="export-read-fail", run=_export_read_fail, faults=_reads_fail, seeds=40),
)
