"""Resetting a thread: its messages go, all but the system message at its beginning, and what waits is given up.

One commit says that they are gone: from then on nobody finds them, whatever becomes of this process. A sweep removes
them in bounded pieces. The numbers go on from where they were, so nothing is ever stored under the number of another
message. Runs and steps stay: they are the account of what was done.
"""

import contextlib

import attrs

from kelpie_core.errors import StoreError
from kelpie_core.ids import draw_id
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import AgentHead, Span
from kelpie_core.model.message import Role
from kelpie_core.model.sweep import Cleared, Sweep
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import HEADS, MESSAGES, SWEEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.owned import read_head
from kelpie_core.service.sweeps import run_sweep
from kelpie_core.service.turn_start import check_free


async def reset_thread(ports: Ports, actor: Actor, agent_id: str, conversation_id: str | None) -> None:
    """Take a thread's messages away; raise NotFound, AgentBusy, Abandoned, StoreError."""
    sweep_id, now = draw_id("sweep", ports.entropy), ports.clock.now()

    async def body(tx: Transaction) -> Sweep | None:
        head = await read_head(tx, actor, agent_id, conversation_id)
        check_free(head, now)
        first = await _first_to_go(tx, head)
        if head.seq_next == max(first, head.cleared.end):
            return None  # nothing came since the last reset, which may have been an earlier attempt of ours
        window = (Span(first=0, end=first),) if first else ()
        cleared = Span(first=first, end=head.seq_next)
        await tx.put(HEADS, attrs.evolve(head, window=window, cleared=cleared, pending=None))
        gone = Cleared(thread_id=head.thread_id, first=cleared.first, end=cleared.end)
        sweep = Sweep(id=sweep_id, cleared=(gone,), due_at=now)
        await tx.put(SWEEPS, sweep)
        return sweep

    sweep = await commit(ports, body)
    if sweep is None:
        return
    with contextlib.suppress(StoreError):  # they are gone; the stored sweep sees to the rest at recovery
        await run_sweep(ports, sweep)


async def _first_to_go(tx: Transaction, head: AgentHead) -> int:
    """Return 1 if the thread begins with a system message, which stays, else 0."""
    first = await tx.get(MESSAGES, (head.thread_id, 0))
    return 1 if first is not None and first.role is Role.SYSTEM else 0
