"""One page of an index, by cursor: it costs what it returns."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from kelpie_core.errors import InvalidInput, NotFound
from kelpie_core.keys import Key
from kelpie_core.model.actor import Actor
from kelpie_core.ports import Transaction
from kelpie_core.records import Table
from kelpie_core.service.departures import place_by_creation
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_page
from kelpie_core.service.owned import Owned

R = TypeVar("R")
Position = Callable[[str], Awaitable[Key]]


async def read_page(
    tx: Transaction, table: Table[R], index: str, equals: Key, page: Page, position_of: Position
) -> list[R]:
    """Return the page. `position_of(id)` gives the place of a cursor's item in the index.

    Raises InvalidInput for a cursor that names nothing. With `before` alone, the page is the one that ends there.
    """
    check_page(page)
    after = await _cursor(page.after, "$.after", position_of)
    before = await _cursor(page.before, "$.before", position_of)
    if before is None or after is not None:
        found = await tx.scan(table, index, equals, after=after, limit=page.limit, descending=page.descending)
        items = list(found)
        return items if before is None else _cut(table, index, items, before, page)
    found = await tx.scan(table, index, equals, after=before, limit=page.limit, descending=not page.descending)
    return list(reversed(found))


def by_creation(tx: Transaction, actor: Actor, table: Table[Owned]) -> Position:
    """Return where an item of the actor's stands, or stood, in an index that is ordered by creation."""

    async def position(key: str) -> Key:
        return await place_by_creation(tx, actor, table, key)

    return position


def _cut(table: Table[R], index: str, items: list[R], before: Key, page: Page) -> list[R]:
    order = (*table.index(index).order, *(() if index == "key" else table.key))[-len(before) :]
    places = [tuple(getattr(item, name) for name in order) for item in items]
    return [
        i for i, place in zip(items, places, strict=True) if (place > before if page.descending else place < before)
    ]


async def _cursor(key: str | None, path: str, position_of: Position) -> Key | None:
    if key is None:
        return None
    try:
        return await position_of(key)
    except NotFound as error:
        raise InvalidInput(f"the cursor names nothing: {error}", path=path) from error
