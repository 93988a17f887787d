"""Listening to background runs by their stored logs: from any event on, in any process, while they run and afterwards.

A listener holds nothing but its place. Where the run lives in this process it waits for the log's writer; elsewhere it
looks into the store again and again, takes up a run whose process died, and completes a log whose writer did.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import attrs

from kelpie_core.errors import InvalidInput
from kelpie_core.limits import BUSY_POLL_MS, LOG_POLL_MS_MIN, LOG_READ_CHUNKS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.event_log import EventChunk, LogEnded, LoggedEvent, LogState
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.event_log import chunks_after, complete, read_log
from kelpie_core.service.owned import read_owned
from kelpie_core.service.supervisor import Supervisor


@attrs.frozen(kw_only=True)
class Resumption:
    """Where to go on: behind the event `after`. Elsewhere than where the run lives, how much to read and how often."""

    after: int = 0
    chunks: int = LOG_READ_CHUNKS_MAX
    poll_seconds: float = BUSY_POLL_MS / 1000


@attrs.frozen(kw_only=True)
class _Seen:
    """What a look into the store has found."""

    run: Run
    state: LogState
    chunks: Sequence[EventChunk]


@attrs.frozen
class Streams:
    """The streams of the actor's background runs. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor
    _supervisor: Supervisor
    _take_up: Callable[[str], Awaitable[bool]]

    async def resume(
        self, run_id: str, resumption: Resumption = Resumption()
    ) -> tuple[Run, AsyncIterator[LoggedEvent | LogEnded]]:
        """Return a run and the events of its log behind the place named, `LogEnded` last, as they come.

        Raises NotFound (also if the log is not kept any more), InvalidInput (not a background run); the iterator
        raises NotFound if the log goes while it is read.
        """
        if resumption.after < 0:
            raise InvalidInput("must not be negative", path="$.starting_after")
        if resumption.chunks < 1:
            raise InvalidInput("must be at least 1", path="$.batch_size")
        if resumption.poll_seconds <= 0:
            raise InvalidInput("must be greater than 0", path="$.poll_interval")
        run = await commit(self._ports, lambda tx: self._check(tx, run_id))
        return run, self._events(run_id, resumption)

    async def _check(self, tx: Transaction, run_id: str) -> Run:
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if not run.background:
            raise InvalidInput(
                f"run {run_id} was not begun with background: true, so its stream is not kept; read its messages",
                path="$.run_id",
            )
        await read_log(tx, run_id)
        return run

    async def _events(self, run_id: str, resumption: Resumption) -> AsyncIterator[LoggedEvent | LogEnded]:
        after, owing = resumption.after, False
        log = await commit(self._ports, lambda tx: read_log(tx, run_id))
        while True:
            writer = self._supervisor.log_of(run_id)
            changed = None if writer is None else writer.changed
            chunks, seen = None if writer is None else writer.after(after), None
            if chunks is None:
                seen = await self._look(run_id, after, resumption.chunks)
                chunks = seen.chunks
            for event in (event for chunk in chunks for event in chunk.events if event.seq_id > after):
                after = event.seq_id
                if log.tells(event):
                    yield event
            if chunks:
                continue
            if seen is not None and seen.state is LogState.ENDED:
                yield LogEnded()
                return
            if changed is not None:
                await changed.wait()
            else:
                assert seen is not None, "without a writer here the store was looked into"
                owing = await self._wait_elsewhere(seen.run, resumption, owing=owing)

    async def _look(self, run_id: str, after: int, limit: int) -> _Seen:
        async def body(tx: Transaction) -> _Seen:
            run, log = await read_owned(tx, self._actor, RUNS, run_id), await read_log(tx, run_id)
            chunks = await chunks_after(tx, run_id, after, min(limit, LOG_READ_CHUNKS_MAX))
            return _Seen(run=run, state=log.state, chunks=chunks)

        return await commit(self._ports, body)

    async def _wait_elsewhere(self, run: Run, resumption: Resumption, *, owing: bool) -> bool:
        """Wait for who writes the log elsewhere, or do what is left undone; return whether the end is owed."""
        if run.status is RunStatus.RUNNING:
            await self._take_up(run.id)
            if self._supervisor.log_of(run.id) is not None:
                return False
        elif owing:
            await complete(self._ports, run.id)
            return False
        await self._ports.clock.sleep(max(resumption.poll_seconds, LOG_POLL_MS_MIN / 1000))
        return run.status is not RunStatus.RUNNING
