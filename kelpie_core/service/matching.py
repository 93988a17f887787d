"""Pages of what matches: filters that no index fixes, read in bounded pieces.

A page is walked through in transactions that read at most PAGE_ITEMS_MAX records each, until it is full or the end is
reached. So a page is empty only where the list ends, whatever the filter leaves out, and no transaction grows with the
table. A walk that has read MATCH_RECORDS_MAX records gives up: the page is short then, or refused if it would be empty.
Several sources (the runs of three agents, the agents of three tags) are walked one by one and merged: they must be
ordered alike, and what stands in two of them is in the list once.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar, cast

import attrs

from kelpie_core.errors import InvalidInput, LimitExceeded, NotFound
from kelpie_core.keys import Key, encode_key, prefix_end
from kelpie_core.limits import MATCH_RECORDS_MAX, PAGE_ITEMS_MAX
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import BY_KEY, Table
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_page

R = TypeVar("R")
Keep = Callable[[Transaction, R], Awaitable[bool]]
Position = Callable[[Transaction, str], Awaitable[Key]]


@attrs.frozen(kw_only=True)
class Selection(Generic[R]):
    """Which records: those under an index's `equals`, strictly between `low` and `high`, that `keep` keeps."""

    table: Table[R]
    sources: tuple[tuple[str, Key], ...]
    keep: Keep[R]
    low: Key | None = None
    high: Key | None = None

    def place_of(self, source: tuple[str, Key], record: R) -> Key:
        """Return where a record stands behind `equals` in the index of a source."""
        index, equals = source
        key = self.table.key[len(equals) :] if index == BY_KEY else (*self.table.index(index).order, *self.table.key)
        return cast("Key", tuple(getattr(record, name) for name in key))


@attrs.frozen(kw_only=True)
class _Walk:
    """A direction, where it begins, where it stops."""

    descending: bool
    start: Key | None
    stops: tuple[Key, ...]

    def is_over(self, place: Key) -> bool:
        """Return whether a place lies behind a stop, or at it."""
        at = encode_key(place)
        if self.descending:
            return any(at < prefix_end(encode_key(stop)) for stop in self.stops)
        return any(at >= encode_key(stop) for stop in self.stops)


async def read_matching(ports: Ports, selection: Selection[R], page: Page, position_of: Position) -> list[R]:
    """Return the page. `position_of(tx, id)` gives the place of a cursor's item; it may raise NotFound.

    Raises InvalidInput for a cursor that names nothing, LimitExceeded, StoreError. With `before` alone, the page is the
    one that ends there.
    """
    check_page(page)
    after = await _cursor(ports, page.after, "$.after", position_of)
    before = await _cursor(ports, page.before, "$.before", position_of)
    backwards = before is not None and after is None
    walk = _walk_of(selection, page.descending is not backwards, after, before, backwards=backwards)
    found: dict[bytes, R] = {}
    horizons: list[bytes] = []
    for source in selection.sources:
        matches, horizon = await _matches(ports, selection, source, walk, page.limit)
        found |= matches
        horizons += [] if horizon is None else [horizon]
    items = _within(found, horizons, descending=walk.descending)[: page.limit]
    return items[::-1] if backwards else items


async def count_matching(ports: Ports, selection: Selection[R]) -> int:
    """Return how many records match; raise LimitExceeded, StoreError. It costs what it counts."""
    walk = _walk_of(selection, False, None, None, backwards=False)
    places: set[bytes] = set()
    for source in selection.sources:
        matches, horizon = await _matches(ports, selection, source, walk, MATCH_RECORDS_MAX + 1)
        if horizon is not None or len(matches) > MATCH_RECORDS_MAX:
            raise LimitExceeded(f"there are more than {MATCH_RECORDS_MAX} to look at: they are not counted")
        places.update(matches)
    return len(places)


def _within(found: dict[bytes, R], horizons: list[bytes], *, descending: bool) -> list[R]:
    """Return what was found, in order, as far as every source was walked."""
    places = sorted(found, reverse=descending)
    if horizons:
        end = max(horizons) if descending else min(horizons)
        places = [place for place in places if (place >= end if descending else place <= end)]
        if not places:
            raise LimitExceeded(f"nothing was found among {MATCH_RECORDS_MAX} records: narrow the filter")
    return [found[place] for place in places]


def _walk_of(
    selection: Selection[R], descending: bool, after: Key | None, before: Key | None, *, backwards: bool
) -> _Walk:
    start, stop = (before, None) if backwards else (after, before)
    if descending:
        starts, stops = _given(start, selection.high), _given(stop, selection.low)
        first = min(starts, key=encode_key, default=None)
    else:
        starts, stops = _given(start, selection.low), _given(stop, selection.high)
        first = max(starts, key=lambda key: prefix_end(encode_key(key)), default=None)
    return _Walk(descending=descending, start=first, stops=stops)


def _given(*keys: Key | None) -> tuple[Key, ...]:
    return tuple(key for key in keys if key is not None)


async def _matches(
    ports: Ports, selection: Selection[R], source: tuple[str, Key], walk: _Walk, wanted: int
) -> tuple[dict[bytes, R], bytes | None]:
    """Return the first matches of one source by their places, and the place where the walk was given up, if it was."""
    found: dict[bytes, R] = {}
    place, limit, left = walk.start, min(wanted, PAGE_ITEMS_MAX), MATCH_RECORDS_MAX // len(selection.sources)
    while True:
        rows = await commit(ports, partial(_piece, selection, source, walk, place, limit))
        for row, is_kept in rows:
            place = selection.place_of(source, row)
            if walk.is_over(place):
                return found, None
            if is_kept:
                found[encode_key(place)] = row
            if len(found) == wanted:
                return found, None
        if len(rows) < limit:
            return found, None
        left -= len(rows)
        if left <= 0:
            return found, encode_key(_given(place)[0])
        limit = PAGE_ITEMS_MAX


async def _piece(
    selection: Selection[R], source: tuple[str, Key], walk: _Walk, after: Key | None, limit: int, tx: Transaction
) -> list[tuple[R, bool]]:
    index, equals = source
    rows = await tx.scan(selection.table, index, equals, after=after, limit=limit, descending=walk.descending)
    return [(row, await selection.keep(tx, row)) for row in rows]


async def _cursor(ports: Ports, key: str | None, path: str, position_of: Position) -> Key | None:
    if key is None:
        return None
    try:
        return await commit(ports, lambda tx: position_of(tx, key))
    except NotFound as error:
        raise InvalidInput(f"the cursor names nothing: {error}", path=path) from error
