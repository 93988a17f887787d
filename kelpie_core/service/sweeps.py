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
from kelpie_core.model.run import Run
from kelpie_core.model.sweep import Cleared, Sweep
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import BY_KEY, CONVERSATIONS, HEADS, MESSAGES, RUNS, STEPS, SWEEPS, Table
from kelpie_core.service.commit import commit
from kelpie_core.service.log_keeping import purge_logs

_Part = tuple[Table[object], str]
_OF_AGENT = cast(tuple[_Part, ...], ((MESSAGES, BY_KEY), (STEPS, "by_agent"), (RUNS, "by_agent")))
_OF_CONVERSATION = cast(tuple[_Part, ...], ((MESSAGES, BY_KEY), (RUNS, "by_thread")))
_OF_RUN = cast(tuple[_Part, ...], ((STEPS, "by_run"),))


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
    for cleared in sweep.cleared:
        while await commit(ports, partial(_purge_cleared, cleared)):
            pass
    for conversation_id in sweep.conversation_ids:
        await _purge_thread(ports, conversation_id)
    for agent_id in sweep.agent_ids:
        while conversation_ids := await commit(ports, partial(_conversations_of, agent_id)):
            for conversation_id in conversation_ids:
                await _purge_thread(ports, conversation_id)
        await purge_logs(ports, "by_agent", agent_id)
        await _purge_parts(ports, _OF_AGENT, agent_id)
    await commit(ports, lambda tx: tx.delete(SWEEPS, (sweep.id,)))


async def _purge_cleared(cleared: Cleared, tx: Transaction) -> bool:
    """Delete the next piece of what a reset took away; return whether there may be more."""
    equals, after = (cleared.thread_id,), (cleared.first - 1,)
    found = await tx.scan(MESSAGES, equals=equals, after=after, limit=SWEEP_CHUNK_RECORDS)
    gone = [message for message in found if message.seq < cleared.end]
    for message in gone:
        await tx.delete(MESSAGES, (message.thread_id, message.seq))
    return len(gone) == SWEEP_CHUNK_RECORDS


async def _purge_thread(ports: Ports, conversation_id: str) -> None:
    """Purge a conversation, its record last: as long as that is there, a purge that broke off finds the thread."""
    last: Run | None = None
    while runs := await commit(ports, partial(_runs_of, conversation_id, last)):
        for last in runs:
            await _purge_parts(ports, _OF_RUN, last.id)
    await purge_logs(ports, "by_thread", conversation_id)
    await _purge_parts(ports, _OF_CONVERSATION, conversation_id)

    async def body(tx: Transaction) -> None:
        await tx.delete(HEADS, (conversation_id,))
        await tx.delete(CONVERSATIONS, (conversation_id,))

    await commit(ports, body)


async def _purge_parts(ports: Ports, parts: tuple[_Part, ...], owner: str) -> None:
    for table, index in parts:
        while await commit(ports, partial(_purge_chunk, table=table, index=index, equals=(owner,))):
            pass


async def _conversations_of(agent_id: str, tx: Transaction) -> list[str]:
    found = await tx.scan(CONVERSATIONS, "by_agent", (agent_id,), limit=SWEEP_CHUNK_RECORDS)
    return [conversation.id for conversation in found]


async def _runs_of(thread_id: str, after: Run | None, tx: Transaction) -> list[Run]:
    position = None if after is None else (after.created_at, after.id)
    return list(await tx.scan(RUNS, "by_thread", (thread_id,), after=position, limit=SWEEP_CHUNK_RECORDS))


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
