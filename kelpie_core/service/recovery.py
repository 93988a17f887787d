"""Taking up the turns that a dead process left, and giving back leases on the way out.

A run that is not ended and whose lease ran out is taken up under a new token. What it waits for is in its state: a
model call is made again; a tool that may have been running is run again only if it is idempotent, else its return is
an error that says "interrupted". So a stored tool call never dangles and every run ends.
"""

import attrs

from kelpie_core.model.agent import Lease
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import HEADS, RUNS
from kelpie_core.service.commit import commit
from kelpie_core.service.lease import granted, is_held

RECOVERY_PAGE_RUNS = 100


@attrs.frozen(kw_only=True)
class TakenUp:
    """A run that this process now holds."""

    run: Run
    lease: Lease


async def unfinished_runs(ports: Ports, after: Run | None) -> list[Run]:
    """Return the next page of the runs that have not ended, oldest first; raise StoreError."""
    position = None if after is None else (after.created_at, after.id)

    async def body(tx: Transaction) -> list[Run]:
        return list(await tx.scan(RUNS, "by_status", (RunStatus.RUNNING,), after=position, limit=RECOVERY_PAGE_RUNS))

    return await commit(ports, body)


async def take_up(ports: Ports, holder: str, run_id: str, *, takeover: bool = False) -> TakenUp | None:
    """Take up a run whose lease ran out; None if it has ended or somebody holds it.

    With `takeover`, a lease of another holder counts as run out: for a store that only one process can open.
    """

    tried: Lease | None = None

    async def body(tx: Transaction) -> TakenUp | None:
        nonlocal tried
        run = await tx.get(RUNS, (run_id,))
        if run is None or run.status is not RunStatus.RUNNING:
            return None
        head = await tx.get(HEADS, (run.thread_id,))
        if head is None:
            return None
        if tried is not None and head.lease == tried:
            return TakenUp(run=run, lease=tried)  # our grant went through, only its acknowledgement was lost
        foreign = head.lease is not None and head.lease.holder != holder
        if is_held(head, ports.clock.now()) and not (takeover and foreign):
            return None
        head = granted(head, holder, run_id, ports.clock.now())
        assert head.lease is not None
        tried = head.lease
        await tx.put(HEADS, head)
        return TakenUp(run=run, lease=tried)

    return await commit(ports, body)


async def release(ports: Ports, run: Run, lease: Lease) -> None:
    """Let the lease of an unfinished run end now, so that the next process need not wait; raise StoreError."""

    async def body(tx: Transaction) -> None:
        head = await tx.get(HEADS, (run.thread_id,))
        if head is not None and head.lease is not None and head.lease.token == lease.token:
            ended = attrs.evolve(lease, expires_at=ports.clock.now())
            await tx.put(HEADS, attrs.evolve(head, lease=ended))

    await commit(ports, body)
