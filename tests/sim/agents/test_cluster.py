"""Servers over one durable store: what dies with a host, what stays, and what a client is told."""

import asyncio

import pytest

from kelpie_core.memory_store import MemoryStore
from kelpie_core.service.drafts import BlockDraft
from kelpie_core.service.turn_events import MessageStored, RunStarted, TurnEnded
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.client import draft
from kelpie_sim.agents.cluster import Cluster, ServerGone, holder_of
from kelpie_sim.agents.scenarios.common import set_up
from kelpie_sim.agents.sqlite import open_in_memory
from tests.sim.agents.worlds import outcome_of, result_of

RESTART_SECONDS_MAX = 3


async def add(kelpie):
    """Create a block."""
    return (await kelpie.blocks.create(BlockDraft(label="note", value="v"))).id


async def count(kelpie):
    """Return how many blocks there are."""
    return len(await kelpie.blocks.list())


async def until_dead(kelpie):
    """Wait for ever."""
    await asyncio.Event().wait()


async def told(server, work):
    """Return what a call gave, or the name of its error."""
    try:
        return await server.call(work)
    except ServerGone as error:
        return f"gone: {error}"


def test_answer_is_that_of_the_work():
    """A call gives what its work gives, with the production Kelpie of that server."""

    async def program(world):
        server = Cluster(world).server
        return await server.call(count), await server.call(lambda kelpie: _itself(kelpie, server))

    assert (0, True) == result_of(program)


async def _itself(kelpie, server):
    return kelpie is server.kelpie


def test_death_under_a_call_is_told():
    """When the host loses power the client is told at once that the server is gone."""

    async def program(world):
        server = Cluster(world).server
        call = asyncio.ensure_future(told(server, until_dead))
        await world.sleep(1)
        server.host.crash()
        return await call, world.now_ns, server.kelpie

    assert ("gone: server-1", 10**9, None) == result_of(program)


def test_answer_on_its_way_dies_with_its_host():
    """Work that ended at the very step at which the host died gives no answer."""

    async def program(world):
        server = Cluster(world).server
        done = asyncio.Event()

        async def work(kelpie):
            done.set()

        call = asyncio.ensure_future(told(server, work))
        await done.wait()
        server.host.crash()
        return await call

    assert "gone: server-1" == result_of(program)


def test_host_comes_back_and_the_store_is_there():
    """After a crash the server starts again by itself, as a new holder, over what was stored; a call waits for it."""

    async def program(world):
        cluster = Cluster(world)
        server, first = cluster.server, holder_of(cluster.server.host)
        await server.call(add)
        server.host.crash()
        counted = await server.call(count)
        return first, holder_of(server.host), counted, 0 < world.now_ns <= RESTART_SECONDS_MAX * 10**9

    assert ("server-1/1", "server-1/2", 1, True) == result_of(program)


def test_servers_share_the_store():
    """What one server stores another reads, and one's death is not the other's."""

    async def program(world):
        cluster = Cluster(world, servers=2)
        one, other = cluster.servers
        await one.call(add)
        one.host.crash()
        return await other.call(count), other.host.incarnation

    assert (1, 1) == result_of(program)


def test_future_of_a_dead_host_is_done():
    """Who asks about a host that is down already need not wait."""

    async def program(world):
        cluster = Cluster(world)
        cluster.server.host.crash()
        return cluster.gone(cluster.server.host).done()

    assert result_of(program) is True


def test_crash_and_restart_are_told_in_the_story():
    """The story has a line for each loss of power, each start, and each recovery that failed."""

    async def program(world):
        cluster = Cluster(world)
        await cluster.server.call(count)
        cluster.server.host.crash()
        await world.sleep(20)

    lines = "\n".join(outcome_of(program, f.StorageReadFail(on="run_scan")).story)
    assert "server-1 loses power" in lines
    assert "server-1 starts again" in lines
    assert "server-1 could not recover: run_scan failed" in lines


def test_host_that_was_healed_is_not_started_twice():
    """When the world heals a host before its own restart is due, that restart does nothing."""

    async def program(world):
        cluster = Cluster(world)
        cluster.server.host.crash()
        world.heal()
        await world.sleep(10)
        return cluster.server.host.incarnation

    assert 2 == result_of(program)


@pytest.mark.parametrize("crash_after", [0, 1, 2])
def test_stream_breaks_when_the_server_dies(crash_after):
    """A listener hears the events up to the crash, then that the server is gone: never silence."""

    async def program(world):
        cluster = Cluster(world)
        (agent,) = await set_up(cluster, ("Ada",))
        heard: list[type] = []
        try:
            async for event in cluster.server.stream(
                lambda kelpie: kelpie.messages.stream(agent.id, [draft('call look {"text": "a"}\nsay b')])
            ):
                heard.append(type(event))
                if len(heard) > crash_after:
                    cluster.server.host.crash()
        except ServerGone:
            heard.append(ServerGone)
        return heard

    whole = [RunStarted, MessageStored, MessageStored, MessageStored, TurnEnded]
    assert [*whole[: crash_after + 1], ServerGone] == result_of(program)


def test_cluster_runs_over_sqlite():
    """The durable store may be the production SQLite store, and it outlives the hosts."""

    async def program(world):
        cluster = Cluster(world, await open_in_memory(), latency_ms_max=5)
        await cluster.server.call(add)
        cluster.server.host.crash()
        return await cluster.server.call(count), isinstance(cluster.durable, MemoryStore)

    assert (1, False) == result_of(program)
