"""Keeping the logs of background runs in order: what is owed goes in, what is too old or of nobody any more goes."""

import datetime as dt

from kelpie_core.limits import PAGE_ITEMS_MAX, SWEEP_CHUNK_RECORDS
from kelpie_core.model.event_log import EventLog, LogState
from kelpie_core.model.run import RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import EVENT_LOGS, RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.event_log import complete, purge
from kelpie_core.service.lease import expiry


async def keep_logs(ports: Ports, seconds_max: float) -> None:
    """Complete the logs of runs that ended, purge those that ended so long ago; raise StoreError.

    A log whose run has just ended is left to its writer for as long as a lease lasts.
    """
    for log in await _all_in(ports, LogState.GONE):
        await purge(ports, log.run_id)
    oldest = ports.clock.now() - dt.timedelta(seconds=seconds_max)
    for log in await _all_in(ports, LogState.ENDED, before=oldest):
        await purge(ports, log.run_id)
    for log in await _all_in(ports, LogState.OPEN):
        if await commit(ports, lambda tx, run_id=log.run_id: _is_owed(ports, tx, run_id)):  # type: ignore[misc]
            await complete(ports, log.run_id)


async def purge_logs(ports: Ports, index: str, owner: str) -> None:
    """Purge the logs of an agent ("by_agent") or of a thread ("by_thread"); raise StoreError."""

    async def next_logs(tx: Transaction) -> list[EventLog]:
        return list(await tx.scan(EVENT_LOGS, index, (owner,), limit=SWEEP_CHUNK_RECORDS))

    while logs := await commit(ports, next_logs):
        for log in logs:
            await purge(ports, log.run_id)


async def _all_in(ports: Ports, state: LogState, *, before: dt.datetime | None = None) -> list[EventLog]:
    """Return the logs in a state, those since before that moment only if one is named, oldest first."""
    found: list[EventLog] = []

    async def body(tx: Transaction) -> list[EventLog]:
        position = (found[-1].since, found[-1].run_id) if found else None
        return list(await tx.scan(EVENT_LOGS, "by_state", (state,), after=position, limit=PAGE_ITEMS_MAX))

    while page := await commit(ports, body):
        due = [log for log in page if before is None or log.since < before]
        found.extend(due)
        if len(due) < len(page):
            break
    return found


async def _is_owed(ports: Ports, tx: Transaction, run_id: str) -> bool:
    run = await tx.get(RUNS, (run_id,))
    if run is None or run.status is RunStatus.RUNNING or run.completed_at is None:
        return False
    return expiry(run.completed_at) < ports.clock.now()
