"""Writing the log of a background run that lives here. It has no timer: while one chunk is stored, the next gathers.

Laws: an event is told to nobody before its chunk is stored; a store that fails holds up the telling, not the turn; what
gathers is bounded: pieces that the log has no room for are left out, and come with their message when it is stored.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

import attrs

from kelpie_core.errors import LeaseLost, NotFound, StoreError
from kelpie_core.limits import (
    LOG_BYTES_MAX,
    LOG_CHUNK_EVENTS_MAX,
    LOG_PENDING_EVENTS_MAX,
    LOG_RECENT_BYTES_MAX,
    LOG_RETRIES_MAX,
)
from kelpie_core.model.agent import Lease
from kelpie_core.model.event_log import EventChunk, EventLog, LoggedEvent, LogState
from kelpie_core.model.run import Run
from kelpie_core.ports import Ports
from kelpie_core.service.commit import back_off
from kelpie_core.service.event_log import append, chunk_of, encoder_of, open_log, written
from kelpie_core.service.turn_events import Delta, MessageStored, TurnEnded, TurnEvent
from kelpie_core.wire.letta_log import LogEncoder


@attrs.define(eq=False)
class LogWriter:
    """Writes one run's log under the run's lease. The last chunks stored are kept, as many as memory is given."""

    _ports: Ports
    _run: Run
    _lease: Lease
    _recent: deque[tuple[EventChunk, int]] = attrs.field(factory=deque, init=False)
    changed: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    """Set once there is more in the log, or the writer has stopped; then there is another one."""
    is_writing: bool = attrs.field(default=True, init=False)
    _pending: deque[TurnEvent] = attrs.field(factory=deque, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _muted: str | None = attrs.field(default=None, init=False)
    _bytes_recent: int = attrs.field(default=0, init=False)
    _is_closing: bool = attrs.field(default=False, init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _log: EventLog | None = attrs.field(default=None, init=False)

    async def open(self) -> EventLog:
        """Take the log over and begin to write; return it. Raise LeaseLost, NotFound, StoreError."""
        opened = await open_log(self._ports, self._run, self._lease)
        self._pending.extend(MessageStored(message=message) for message in opened.missed)
        self._news.set()
        self._log = opened.log
        self._task = asyncio.ensure_future(self._work(encoder_of(self._ports, self._run, opened)))
        return opened.log

    def hear(self, event: TurnEvent) -> None:
        """Take an event in. A piece for which there is no room is left out, and so is the rest of its message."""
        if isinstance(event, Delta):
            if self._is_full():
                self._muted = event.message_id
            if self._muted == event.message_id:
                return
        self._pending.append(event)
        self._news.set()

    async def aclose(self) -> None:
        """Store what was heard, as well as can be, and stop."""
        self._is_closing = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait((self._task,))
        self._stop()
        if self._task is not None and not self._task.cancelled():
            self._task.result()  # raises what nobody expected

    def cancel(self) -> None:
        """Stop where it stands; who takes the run up goes on with the log."""
        if self._task is not None:
            self._task.cancel()
        self._stop()

    def after(self, seq_id: int) -> Sequence[EventChunk] | None:
        """Return the recent chunks that hold events behind `seq_id`, none if there are none yet.

        None if they are not recent any more.
        """
        if self._log is None:
            return None
        if seq_id >= self._log.seq_last:
            return ()
        found = [chunk for chunk, _ in self._recent if chunk.seq_last > seq_id]
        if not found or found[0].events[0].seq_id > seq_id + 1:
            return None
        return found

    @property
    def _known_log(self) -> EventLog:
        assert self._log is not None, "only an open log is written"
        return self._log

    def _is_open(self) -> bool:
        return self._known_log.state is LogState.OPEN

    def _is_full(self) -> bool:
        return len(self._pending) >= LOG_PENDING_EVENTS_MAX or self._known_log.bytes_stored >= LOG_BYTES_MAX

    async def _work(self, encoder: LogEncoder) -> None:
        # Another process has the log then, or nobody can write it now: whoever completes it reads what is stored.
        with contextlib.suppress(StoreError, NotFound):
            try:
                while self._is_open() and not (self._is_closing and not self._pending):
                    await self._news.wait()
                    self._news.clear()
                    while self._pending:
                        await self._store_next(encoder)
            finally:
                self._stop()

    async def _store_next(self, encoder: LogEncoder) -> None:
        log, events = self._known_log, list[LoggedEvent]()
        now, state = self._ports.clock.now(), log.state
        while self._pending and len(events) < LOG_CHUNK_EVENTS_MAX:
            event = self._pending.popleft()
            events.extend(encoder.feed(event, now))
            if isinstance(event, TurnEnded):
                state = LogState.ENDED
        if events:
            chunk = chunk_of(log.run_id, events)
            log = attrs.evolve(written(log, encoder, chunk), state=state, since=now)
            await self._store(log, chunk)
            self._tell(chunk, log)

    async def _store(self, log: EventLog, chunk: EventChunk) -> None:
        """Store a chunk, however often it takes; once the turn is over, only so often."""
        attempt = 0
        while True:
            try:
                await append(self._ports, log, chunk)
            except StoreError as error:
                attempt += 1
                if isinstance(error, LeaseLost) or (self._is_closing and attempt > LOG_RETRIES_MAX):
                    raise
            else:
                return
            await back_off(self._ports, attempt)

    def _tell(self, chunk: EventChunk, log: EventLog) -> None:
        size = log.bytes_stored - self._known_log.bytes_stored
        self._log = log
        self._recent.append((chunk, size))
        self._bytes_recent += size
        while self._bytes_recent > LOG_RECENT_BYTES_MAX:
            self._bytes_recent -= self._recent.popleft()[1]
        self._wake()

    def _stop(self) -> None:
        self.is_writing = False
        self._pending.clear()
        self._wake()

    def _wake(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
