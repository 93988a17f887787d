"""What is done to the stored log of a background run's stream: opened, written, completed, read, purged.

Laws: only who holds the lease writes, and a log that changes hands shuts its former writer out; what was stored before
and is not in the log goes in first; a run that ended has its end in the log, whoever must put it there.
"""

from collections.abc import Sequence

import attrs

from kelpie_core.errors import LeaseLost, NotFound
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import PAGE_ITEMS_MAX, SWEEP_CHUNK_RECORDS
from kelpie_core.model.agent import Lease
from kelpie_core.model.event_log import NOBODY, EventChunk, EventLog, LoggedEvent, LogState
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import EVENT_CHUNKS, EVENT_LOGS, HEADS, MESSAGES, RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.lease import check_lease
from kelpie_core.service.turn_events import MessageStored, TurnEnded, TurnEvent
from kelpie_core.wire.letta_log import LogEncoder


@attrs.frozen(kw_only=True)
class Opened:
    """A log as a writer finds it: its last pieces, and the messages of the run that are not in it."""

    log: EventLog
    told: tuple[JsonObject, ...] = ()
    missed: tuple[Message, ...] = ()


async def open_log(ports: Ports, run: Run, lease: Lease) -> Opened:
    """Take over a run's log for the holder of `lease`; raise LeaseLost, NotFound, StoreError."""

    async def body(tx: Transaction) -> Opened:
        head = await tx.get(HEADS, (run.thread_id,))
        if head is None:
            raise NotFound("agent", run.agent_id)
        check_lease(head, lease)
        log = attrs.evolve(await _existing(tx, run.id), token=lease.token)
        await tx.put(EVENT_LOGS, log)
        return await _opened(tx, log)

    return await commit(ports, body)


async def append(ports: Ports, log: EventLog, chunk: EventChunk) -> None:
    """Store a chunk, and the log as it is with it; raise LeaseLost, NotFound (the log is gone), StoreError."""

    async def body(tx: Transaction) -> None:
        stored = await _existing(tx, log.run_id)
        if stored.token != log.token:
            raise LeaseLost(log.run_id)
        if stored.seq_last == chunk.seq_last:
            return  # an earlier attempt of ours went through: nobody else has the token
        await tx.put(EVENT_CHUNKS, chunk)
        await tx.put(EVENT_LOGS, log)

    await commit(ports, body)


async def complete(ports: Ports, run_id: str) -> None:
    """Put into the log of a run that ended what its writer owes, if it owes anything; raise StoreError.

    The writer, should it live, is shut out.
    """

    async def body(tx: Transaction) -> None:
        log = await tx.get(EVENT_LOGS, (run_id,))
        run = await tx.get(RUNS, (run_id,))
        if log is None or log.state is not LogState.OPEN or run is None or run.status is RunStatus.RUNNING:
            return
        opened, now = await _opened(tx, log), ports.clock.now()
        encoder = encoder_of(ports, run, opened)
        owed: tuple[TurnEvent, ...] = (
            *(MessageStored(message=message) for message in opened.missed),
            TurnEnded(run=run),
        )
        chunk = chunk_of(run_id, [told for event in owed for told in encoder.feed(event, now)])
        await tx.put(EVENT_CHUNKS, chunk)
        ended = attrs.evolve(written(log, encoder, chunk), token=NOBODY, state=LogState.ENDED, since=now)
        await tx.put(EVENT_LOGS, ended)

    await commit(ports, body)


def encoder_of(ports: Ports, run: Run, opened: Opened) -> LogEncoder:
    """Return the encoder that goes on where a log ends."""
    log = opened.log
    return LogEncoder(
        run=run, entropy=ports.entropy, seq_last=log.seq_last, message_seq=log.message_seq, told=list(opened.told)
    )


def chunk_of(run_id: str, events: Sequence[LoggedEvent]) -> EventChunk:
    """Return events, one at least, as a chunk."""
    return EventChunk(run_id=run_id, seq_last=events[-1].seq_id, events=tuple(events))


def written(log: EventLog, encoder: LogEncoder, chunk: EventChunk) -> EventLog:
    """Return a log as it is once a chunk of this encoder is in it."""
    size = len(EVENT_CHUNKS.encode(chunk))
    return attrs.evolve(
        log, seq_last=chunk.seq_last, message_seq=encoder.message_seq, bytes_stored=log.bytes_stored + size
    )


async def read_log(tx: Transaction, run_id: str) -> EventLog:
    """Return a run's log; raise NotFound if there is none (any more)."""
    return await _existing(tx, run_id)


async def chunks_after(tx: Transaction, run_id: str, seq_id: int, limit: int) -> Sequence[EventChunk]:
    """Return the next chunks that hold events behind `seq_id`."""
    return await tx.scan(EVENT_CHUNKS, equals=(run_id,), after=(seq_id,), limit=limit)


async def purge(ports: Ports, run_id: str) -> None:
    """Make a log vanish in bounded pieces: first nobody can write it any more, last it is gone. Raises StoreError."""

    async def shut(tx: Transaction) -> None:
        log = await tx.get(EVENT_LOGS, (run_id,))
        if log is not None and log.state is not LogState.GONE:
            await tx.put(EVENT_LOGS, attrs.evolve(log, state=LogState.GONE, token=NOBODY, since=ports.clock.now()))

    async def purge_chunks(tx: Transaction) -> bool:
        found = await tx.scan(EVENT_CHUNKS, equals=(run_id,), limit=SWEEP_CHUNK_RECORDS)
        for chunk in found:
            await tx.delete(EVENT_CHUNKS, (run_id, chunk.seq_last))
        return len(found) == SWEEP_CHUNK_RECORDS

    await commit(ports, shut)
    while await commit(ports, purge_chunks):
        pass
    await commit(ports, lambda tx: tx.delete(EVENT_LOGS, (run_id,)))


async def _existing(tx: Transaction, run_id: str) -> EventLog:
    log = await tx.get(EVENT_LOGS, (run_id,))
    if log is None or log.state is LogState.GONE:
        raise NotFound("stream of run", run_id)
    return log


async def _opened(tx: Transaction, log: EventLog) -> Opened:
    stored: list[Message] = []
    position = log.message_seq
    while page := await tx.scan(MESSAGES, "by_run", (log.run_id,), after=(position,), limit=PAGE_ITEMS_MAX):
        stored.extend(page)
        position = page[-1].seq
    missed = tuple(message for message in stored if message.step_id is not None)
    return Opened(log=log, told=await _last_pieces(tx, log.run_id), missed=missed)


async def _last_pieces(tx: Transaction, run_id: str) -> tuple[JsonObject, ...]:
    """Return the last events of a log that are about one message."""
    found: list[JsonObject] = []
    position: tuple[int, ...] | None = None
    while chunks := await tx.scan(EVENT_CHUNKS, equals=(run_id,), after=position, limit=1, descending=True):
        for event in reversed(chunks[0].events):
            if not str(event.data.get("id")).startswith("message-") or (found and found[-1]["id"] != event.data["id"]):
                return tuple(reversed(found))
            found.append(event.data)
        position = (chunks[0].seq_last,)
    return tuple(reversed(found))
