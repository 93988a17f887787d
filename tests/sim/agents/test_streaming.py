"""The client that hears a run to its end, and what it finds wrong."""

import attrs
import pytest

from kelpie_core.model.event_log import LogState
from kelpie_core.records import EVENT_CHUNKS, EVENT_LOGS, MESSAGES
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.scenarios.common import set_up
from kelpie_sim.agents.streaming import StreamClient, check_heard, check_logs, chunked_events
from tests.sim.agents.worlds import finding_of, result_of

SCRIPT = 'call look {"text": "l1"}\nsay all is well'


async def heard(world, *, tokens=True):
    """Return a cluster and a client that has heard a run to its end."""
    cluster = Cluster(world)
    (agent,) = await set_up(cluster, ("Ada",))
    client = StreamClient(cluster, "client", world.streams.stream("client"))
    await client.run(agent.id, "m1", SCRIPT, tokens=tokens)
    return cluster, client


def test_run_is_heard_to_its_end():
    """All events of the run are heard, as they stand in the log; the audit finds nothing wrong."""

    async def program(world):
        cluster, client = await heard(world)
        await audit(cluster)
        await check_logs(cluster)
        assert client.heard == await chunked_events(cluster, client.run_id)
        return client.done, client.heard[0]["message_type"], client.heard[-1]["message_type"]

    assert (True, "ping", "usage_statistics") == result_of(program)


def test_going_on_behind_a_cut():
    """A client that is cut off at some byte hears the rest from its second connection."""

    async def program(world):
        cluster, first = await heard(world, tokens=False)
        second = StreamClient(cluster, "second", world.streams.stream("second"), run_id=first.run_id)
        await second.resume_cut(700)
        return first.heard == second.heard, second.done

    assert (True, True) == result_of(program)


def without(index):
    """Return what takes an event out of what was heard."""
    return lambda events: [*events[:index], *events[index + 1 :]]


def changed(kind, **fields):
    """Return what alters the events of a kind."""
    return lambda events: [{**one, **fields} if one["message_type"] == kind else one for one in events]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without(2), "again: the log is not what was told"),
        (changed("stop_reason", stop_reason="error"), "again: the log is not what was told"),
    ],
)
def test_what_was_heard_otherwise_is_found(spoil, words):
    """A stream that is not the log's is found."""

    async def program(world):
        cluster, client = await heard(world)
        await check_heard(cluster, client.run_id, spoil(client.heard))

    assert words in finding_of(program).message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (changed("stop_reason", stop_reason="error"), "why it ended"),
        (changed("assistant_message", content="x"), "do not add up"),
        (changed("tool_return_message", tool_returns=[]), "do not add up"),
        (changed("tool_return_message", id="message-x"), "content"),
    ],
)
def test_log_that_tells_otherwise_is_found(spoil, words):
    """A log whose events are not what is stored of the run is found, even if it is told faithfully."""

    async def program(world):
        cluster, client = await heard(world)
        spoilt = spoil(client.heard)
        async with cluster.durable.transaction() as tx:
            for chunk in await records_of(cluster, EVENT_CHUNKS):
                await tx.get(EVENT_CHUNKS, (chunk.run_id, chunk.seq_last))
                events = tuple(attrs.evolve(one, data=spoilt[one.seq_id - 1]) for one in chunk.events)
                await tx.put(EVENT_CHUNKS, attrs.evolve(chunk, events=events))
        await check_heard(cluster, client.run_id, spoilt)

    assert words in finding_of(program).message


def test_log_without_an_end_is_found():
    """A log that is left open although its run has ended is found, and so is one with a gap."""

    async def spoilt(world, **fields):
        cluster, _ = await heard(world)
        (log,) = await records_of(cluster, EVENT_LOGS)
        async with cluster.durable.transaction() as tx:
            await tx.get(EVENT_LOGS, (log.run_id,))
            await tx.put(EVENT_LOGS, attrs.evolve(log, **fields))
        assert await records_of(cluster, MESSAGES)
        await check_logs(cluster)

    assert "has no end" in finding_of(lambda world: spoilt(world, state=LogState.OPEN)).message
    assert "has a gap" in finding_of(lambda world: spoilt(world, seq_last=99)).message
