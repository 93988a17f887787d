"""Cursors of what was deleted: for a day its place in a list by creation is still known, so that a walk goes on there.

A deletion notes the departure in its own commit. Whoever lists things and deletes each on the way is never told that
its cursor names nothing, and misses nothing.
"""

import datetime as dt

from kelpie_core.errors import NotFound
from kelpie_core.keys import Key
from kelpie_core.limits import DEPARTURE_SECONDS, SWEEP_CHUNK_RECORDS
from kelpie_core.model.actor import Actor
from kelpie_core.model.departure import Departure
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import DEPARTURES, Table
from kelpie_core.service.commit import commit
from kelpie_core.service.owned import Owned

_KEPT = dt.timedelta(seconds=DEPARTURE_SECONDS)


async def note_departure(tx: Transaction, gone: Owned, now: dt.datetime) -> None:
    """Note, in the commit that deletes it, where something stood."""
    departure = Departure(
        id=gone.id, organization_id=gone.organization_id, created_at=gone.created_at, due_at=now + _KEPT
    )
    await tx.put(DEPARTURES, departure)


async def place_by_creation(tx: Transaction, actor: Actor, table: Table[Owned], key: str) -> Key:
    """Return where the actor's record stands, or stood, in an index that is ordered by creation; raise NotFound."""
    record = await tx.get(table, (key,))
    if record is not None and record.organization_id == actor.organization_id:
        return (record.created_at, record.id)
    gone = await tx.get(DEPARTURES, (key,))
    if gone is None or gone.organization_id != actor.organization_id:
        raise NotFound(table.noun, key)
    return (gone.created_at, gone.id)


async def check_not_departed(tx: Transaction, table: Table[Owned], key: str) -> None:
    """Raise NotFound if a thing with that id was deleted: a creation that is repeated does not bring it back."""
    if await tx.get(DEPARTURES, (key,)) is not None:
        raise NotFound(table.noun, key)


async def forget_departures(ports: Ports) -> None:
    """Forget the departures that are long past; raise StoreError."""

    async def body(tx: Transaction) -> int:
        found = await tx.scan(DEPARTURES, "by_due", limit=SWEEP_CHUNK_RECORDS)
        due = [departure for departure in found if departure.due_at <= ports.clock.now()]
        for departure in due:
            await tx.delete(DEPARTURES, (departure.id,))
        return len(due)

    while await commit(ports, body) == SWEEP_CHUNK_RECORDS:
        pass
