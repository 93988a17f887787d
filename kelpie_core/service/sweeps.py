"""Making records vanish in bounded pieces.

A sweep is claimed first: it is stored anew under another id, so that an import which still counts on it finds it gone
and breaks off, instead of publishing agents whose messages are being purged.
"""

from functools import partial
from typing import cast

import attrs

from kelpie_core.ids import draw_id
from kelpie_core.keys import Key
from kelpie_core.limits import SWEEP_CHUNK_RECORDS
from kelpie_core.model.sweep import Sweep
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import BY_KEY, MESSAGES, RUNS, STEPS, SWEEPS, Table
from kelpie_core.service.commit import commit

_PARTS = cast(tuple[tuple[Table[object], str], ...], ((MESSAGES, BY_KEY), (STEPS, "by_agent"), (RUNS, "by_agent")))


async def run_due_sweeps(ports: Ports) -> int:
    """Purge everything whose time has come; return how many sweeps were done. Raises StoreError."""
    done = 0
    while (sweep := await commit(ports, lambda tx: _next_due(ports, tx))) is not None:
        await run_sweep(ports, sweep)
        done += 1
    return done


async def run_sweep(ports: Ports, sweep: Sweep) -> None:
    """Claim one sweep and purge what it names; a sweep that somebody else claimed is left to them."""
    claimed = attrs.evolve(sweep, id=draw_id("sweep", ports.entropy), due_at=ports.clock.now())

    async def claim(tx: Transaction) -> bool:
        if await tx.get(SWEEPS, (claimed.id,)) is not None:
            return True
        if await tx.get(SWEEPS, (sweep.id,)) is None:
            return False
        await tx.delete(SWEEPS, (sweep.id,))
        await tx.put(SWEEPS, claimed)
        return True

    if await commit(ports, claim):
        await _purge(ports, claimed)


async def _purge(ports: Ports, sweep: Sweep) -> None:
    for agent_id in sweep.agent_ids:
        for table, index in _PARTS:
            while await commit(ports, partial(_purge_chunk, table=table, index=index, equals=(agent_id,))):
                pass
    await commit(ports, lambda tx: tx.delete(SWEEPS, (sweep.id,)))


async def _next_due(ports: Ports, tx: Transaction) -> Sweep | None:
    for sweep in await tx.scan(SWEEPS, "by_due", limit=1):
        if sweep.due_at <= ports.clock.now():
            return sweep
    return None


async def _purge_chunk(tx: Transaction, table: Table[object], index: str, equals: Key) -> bool:
    found = await tx.scan(table, index, equals, limit=SWEEP_CHUNK_RECORDS)
    for record in found:
        await tx.delete(table, tuple(getattr(record, name) for name in table.key))
    return len(found) == SWEEP_CHUNK_RECORDS
