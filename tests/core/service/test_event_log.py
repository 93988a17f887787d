"""The stored log of a stream: opened, written, completed, read, purged."""

from collections.abc import Sequence

import attrs
import pytest

from kelpie_core.errors import LeaseLost, NotFound, StoreError
from kelpie_core.limits import SWEEP_CHUNK_RECORDS
from kelpie_core.model.event_log import EventChunk, EventLog, LoggedEvent, LogState
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports
from kelpie_core.records import EVENT_CHUNKS, EVENT_LOGS, HEADS, MESSAGES, RUNS
from kelpie_core.service.drafts import TurnOptions
from kelpie_core.service.event_log import (
    Opened,
    append,
    chunk_of,
    chunks_after,
    complete,
    encoder_of,
    open_log,
    purge,
    read_log,
    written,
)
from kelpie_core.service.recovery import take_up
from kelpie_core.service.turn_start import Started, make_start
from tests.house import House, house, said
from tests.twins import NOON, Harm, Reply, virtual


async def begun(home: House, **options: object) -> Started:
    """Return a background run that has begun, and that nobody drives."""
    agent = await home.agent()
    wanted = TurnOptions(background=True, **options)  # type: ignore[arg-type]
    return await make_start(home.ports(), home.main.actor, "h", agent.id, (said(),), wanted).commit()


async def log_of(home: House, run_id: str) -> EventLog:
    """Return a run's log."""
    async with home.memory.transaction() as tx:
        return await read_log(tx, run_id)


async def chunks_of(home: House, run_id: str, after: int = 0, limit: int = 99) -> Sequence[EventChunk]:
    """Return chunks of a run's log."""
    async with home.memory.transaction() as tx:
        return await chunks_after(tx, run_id, after, limit)


async def events_of(home: House, run_id: str) -> list[LoggedEvent]:
    """Return the events in a run's log."""
    return [event for chunk in await chunks_of(home, run_id) for event in chunk.events]


def piece(seq_id: int, text: str = "a", key: str = "message-1") -> LoggedEvent:
    """Return an event that tells a piece of a message."""
    data = {"id": key, "message_type": "assistant_message", "content": text, "seq_id": seq_id}
    return LoggedEvent(seq_id=seq_id, kind="assistant_message", data=data)


async def wrote(ports: Ports, run: Run, opened: Opened, *events: LoggedEvent) -> Opened:
    """Append events to a log; return it as it is then."""
    chunk = chunk_of(run.id, events)
    log = written(opened.log, encoder_of(ports, run, opened), chunk)
    await append(ports, log, chunk)
    return attrs.evolve(opened, log=log)


@virtual
async def test_background_run_has_a_log() -> None:
    """The log is stored with the run, with what its request wants to hear; a run in the foreground has none."""
    home = house()
    started = await begun(home, tokens=True, types=frozenset(("b", "a")))
    expected = EventLog(run_id=started.run.id, agent_id=started.run.agent_id, types=("a", "b"), tokens=True, since=NOON)
    assert expected == await log_of(home, started.run.id)
    plain = await home.main.messages.send((await home.agent()).id, [said()])
    with pytest.raises(NotFound):
        await log_of(home, plain.run.id)


@virtual
async def test_opening() -> None:
    """The holder of the lease takes the log over; somebody else is refused, and so is everybody once it is gone."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    opened = await open_log(home.ports(), started.run, started.lease)
    assert (started.lease.token, (), ()) == (opened.log.token, opened.told, opened.missed)
    with pytest.raises(LeaseLost):
        await open_log(home.ports(), started.run, attrs.evolve(started.lease, token=9))
    async with home.memory.transaction() as tx:
        await tx.get(EVENT_LOGS, (started.run.id,))
        await tx.put(EVENT_LOGS, attrs.evolve(opened.log, state=LogState.GONE))
    with pytest.raises(NotFound, match="stream of run"):
        await open_log(home.ports(), started.run, started.lease)
    async with home.memory.transaction() as tx:
        await tx.delete(HEADS, (started.run.agent_id,))
    with pytest.raises(NotFound, match="agent"):
        await open_log(home.ports(), started.run, started.lease)


@virtual
async def test_appending() -> None:
    """Chunks are read back in order from any event on; a log that is not there any more takes nothing."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    opened = await open_log(home.ports(), started.run, started.lease)
    opened = await wrote(home.ports(), started.run, opened, piece(1), piece(2))
    opened = await wrote(home.ports(), started.run, opened, piece(3))
    assert [1, 2, 3] == [event.seq_id for event in await events_of(home, started.run.id)]
    assert [2, 3] == [chunk.seq_last for chunk in await chunks_of(home, started.run.id, after=1)]
    assert [3] == [chunk.seq_last for chunk in await chunks_of(home, started.run.id, after=2)]
    assert [2] == [chunk.seq_last for chunk in await chunks_of(home, started.run.id, limit=1)]
    log = await log_of(home, started.run.id)
    assert (3, opened.log.bytes_stored) == (log.seq_last, log.bytes_stored)
    await purge(home.ports(), started.run.id)
    with pytest.raises(NotFound):
        await wrote(home.ports(), started.run, opened, piece(4))


@virtual
async def test_lost_acknowledgement_of_a_chunk() -> None:
    """A chunk that went through unheard is not stored twice, nor refused."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    opened = await open_log(home.ports(), started.run, started.lease)
    home.store.arm(Harm.LOSE)
    await wrote(home.ports(home.store), started.run, opened, piece(1))
    assert [1] == [event.seq_id for event in await events_of(home, started.run.id)]


@virtual
async def test_former_writer_is_shut_out() -> None:
    """Who took the run up writes on; what the former holder still had is refused, also behind the same event."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    ports, run = home.ports(), started.run
    old = await wrote(ports, run, await open_log(ports, run, started.lease), piece(1, "a"), piece(2, "b"))
    await home.clock.sleep(60)
    taken = await take_up(ports, "other", run.id)
    assert taken is not None
    new = await open_log(ports, run, taken.lease)
    assert (2, ["a", "b"]) == (new.log.seq_last, [one["content"] for one in new.told])
    await wrote(ports, run, new, piece(3, "new"))
    with pytest.raises(LeaseLost):
        await wrote(ports, run, old, piece(3, "old"))
    assert ["a", "b", "new"] == [event.data["content"] for event in await events_of(home, run.id)]


@virtual
async def test_last_pieces() -> None:
    """Only the pieces at the end that are about one message count, in however many chunks they stand."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    ports, run = home.ports(), started.run
    opened = await open_log(ports, run, started.lease)
    ping = LoggedEvent(seq_id=1, kind="ping", data={"id": "ping-1"})
    opened = await wrote(ports, run, opened, ping, piece(2, "x", "message-0"), piece(3, "a"))
    opened = await wrote(ports, run, opened, piece(4, "b"))
    told = (await open_log(ports, run, started.lease)).told
    assert ["a", "b"] == [one["content"] for one in told]
    await wrote(ports, run, opened, attrs.evolve(ping, seq_id=5))
    assert () == (await open_log(ports, run, started.lease)).told


@virtual
async def test_completing() -> None:
    """A run that ended gets its end and what was not told into its log, once; one at work is left alone."""
    home = house(Reply(text="hello there"))
    started = await begun(home)
    run, ports = started.run, home.ports()
    await complete(ports, run.id)
    assert LogState.OPEN is (await log_of(home, run.id)).state
    await home.clock.sleep(60)
    other = home.kelpie(grace_seconds=100)
    assert 1 == await other.recover()
    await other.aclose()
    told = await events_of(home, run.id)
    assert ["ping", "assistant_message", "stop_reason", "usage_statistics"] == [event.kind for event in told]
    await complete(ports, run.id)
    assert told == await events_of(home, run.id)
    await complete(ports, "run-x")


@virtual
async def test_completing_what_a_writer_left() -> None:
    """Whatever its writer has stored of it, a completed log tells each message once, and the writer is shut out."""
    home = house(Reply(text="hello there"))
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()], TurnOptions(background=True))
    run, ports = result.run, home.ports()
    await home.main.aclose()
    (reply,) = result.messages
    async with home.memory.transaction() as tx:
        log = await read_log(tx, run.id)
        for chunk in await chunks_after(tx, run.id, 0, 99):
            await tx.delete(EVENT_CHUNKS, (run.id, chunk.seq_last))
        left = attrs.evolve(log, state=LogState.OPEN, seq_last=1, message_seq=-1)
        await tx.put(EVENT_LOGS, left)
        await tx.put(EVENT_CHUNKS, chunk_of(run.id, [piece(1, "hel", reply.id)]))
    await complete(ports, run.id)
    told = await events_of(home, run.id)
    assert [1, 2, 3, 4] == [event.seq_id for event in told]
    assert "hello there" == "".join(event.data.get("content", "") for event in told)
    assert (LogState.ENDED, reply.seq) == ((await log_of(home, run.id)).state, (await log_of(home, run.id)).message_seq)
    with pytest.raises(LeaseLost):
        await wrote(ports, run, Opened(log=left), piece(4))


@virtual
async def test_purging() -> None:
    """All of a log goes, in pieces; a purge that broke off is finished by the next; one of nothing does nothing."""
    home = house()
    started = await begun(home)
    run_id = started.run.id
    async with home.memory.transaction() as tx:
        for seq_last in range(1, SWEEP_CHUNK_RECORDS + 1):
            await tx.put(EVENT_CHUNKS, chunk_of(run_id, [piece(seq_last)]))
    home.store.arm(Harm.FAIL_ON, 2)
    with pytest.raises(StoreError):
        await purge(home.ports(home.store), run_id)
    with pytest.raises(NotFound):
        await log_of(home, run_id)
    await purge(home.ports(), run_id)
    assert [] == await chunks_of(home, run_id)
    async with home.memory.transaction() as tx:
        assert None is await tx.get(EVENT_LOGS, (run_id,))
    await purge(home.ports(), run_id)


@virtual
async def test_messages_of_many_pages_are_missed() -> None:
    """What is not in the log is found, the caller's own messages left out, however much was stored."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    async with home.memory.transaction() as tx:
        (sent,) = await tx.scan(MESSAGES, "by_run", (started.run.id,), limit=9)
        for seq in range(10, 1_020):
            await tx.put(MESSAGES, attrs.evolve(sent, id=f"message-{seq}", seq=seq, step_id="step-1"))
    missed = (await open_log(home.ports(), started.run, started.lease)).missed
    assert list(range(10, 1_020)) == [message.seq for message in missed]
    async with home.memory.transaction() as tx:
        run = await tx.get(RUNS, (started.run.id,))
    assert run is not None
    assert run.status is RunStatus.RUNNING
