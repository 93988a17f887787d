"""Pages of what matches: full as long as there is anything, whatever is left out, in either direction."""

import datetime as dt
from collections.abc import Sequence

import attrs
import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded, NotFound
from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.step import Step
from kelpie_core.model.sweep import Sweep
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import BY_KEY, STEPS, SWEEPS
from kelpie_core.service import matching
from kelpie_core.service.drafts import Page
from kelpie_core.service.matching import Selection, count_matching, read_matching
from tests.contracts.made import put
from tests.twins import NOON, ports_on, virtual

AGENTS = ("a", "b")


def step(number: int) -> Step:
    """Return a step, each of another second, of two agents by turns."""
    return Step(
        id=f"s{number:04}",
        run_id="r",
        agent_id=AGENTS[number % 2],
        organization_id="o",
        number=number,
        created_at=NOON + dt.timedelta(seconds=number),
    )


async def filled(count: int) -> Ports:
    """Return ports on a store with so many steps."""
    store = MemoryStore()
    await put(store, STEPS, *map(step, range(count)))
    return ports_on(store)


def selection(*, every: int = 1, agents: Sequence[str] = (), **bounds: Key) -> Selection[Step]:
    """Return each `every`-th step, of all or of some agents."""

    async def keep(tx: Transaction, one: Step) -> bool:
        return one.number % every == 0

    by_agent = tuple(("by_agent", (agent,)) for agent in agents)
    return Selection(table=STEPS, sources=by_agent or (("by_organization", ("o",)),), keep=keep, **bounds)


async def position(tx: Transaction, key: str) -> Key:
    """Return where a step stands."""
    found = await tx.get(STEPS, (key,))
    if found is None:
        raise NotFound("step", key)
    return (found.created_at, found.id)


async def numbers(ports: Ports, chosen: Selection[Step], page: Page) -> list[int]:
    """Return the numbers of the steps of a page."""
    return [one.number for one in await read_matching(ports, chosen, page, position)]


async def walked(ports: Ports, chosen: Selection[Step], page: Page, cursor: str) -> list[list[int]]:
    """Return all pages, one behind the other."""
    pages = []
    while found := await numbers(ports, chosen, page):
        pages.append(found)
        place = f"s{found[-1 if cursor == 'after' else 0]:04}"
        page = attrs.evolve(page, after=place) if cursor == "after" else attrs.evolve(page, before=place)
    return pages


@virtual
async def test_pages_are_full_until_the_end() -> None:
    """What the filter leaves out shortens no page, forwards and backwards, ascending and descending."""
    ports, third = await filled(13), selection(every=3)
    assert [[0, 3], [6, 9], [12]] == await walked(ports, third, Page(limit=2), "after")
    assert [[12, 9], [6, 3], [0]] == await walked(ports, third, Page(limit=2, descending=True), "after")
    assert [[6, 9], [0, 3]] == await walked(ports, third, Page(limit=2, before="s0012"), "before")
    down = Page(limit=2, before="s0000", descending=True)
    assert [[6, 3], [12, 9]] == await walked(ports, third, down, "before")


@virtual
async def test_page_between_two_cursors() -> None:
    """With both cursors a page begins behind the one and ends before the other."""
    ports = await filled(9)
    assert [3, 4, 5] == await numbers(ports, selection(), Page(limit=9, after="s0002", before="s0006"))
    down = Page(limit=9, after="s0006", before="s0002", descending=True)
    assert [5, 4, 3] == await numbers(ports, selection(), down)
    assert [] == await numbers(ports, selection(), Page(limit=9, after="s0006", before="s0002"))


@virtual
async def test_bounds_hold_like_cursors() -> None:
    """Nothing at a bound or beyond it is returned, whichever way the page goes, and cursors only narrow that."""
    ports = await filled(9)
    chosen = selection(low=(step(2).created_at,), high=(step(7).created_at,))
    assert [3, 4, 5, 6] == await numbers(ports, chosen, Page(limit=9))
    assert [6, 5, 4, 3] == await numbers(ports, chosen, Page(limit=9, descending=True))
    assert [5, 6] == await numbers(ports, chosen, Page(limit=9, after="s0004"))
    assert [3, 4, 5, 6] == await numbers(ports, chosen, Page(limit=9, after="s0001"))
    assert [3, 4] == await numbers(ports, chosen, Page(limit=9, before="s0005"))


@virtual
async def test_sources_are_merged() -> None:
    """Several sources give one list in the common order, each record once."""
    ports, both = await filled(9), selection(agents=AGENTS)
    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8]] == await walked(ports, both, Page(limit=4), "after")
    assert [[8, 7, 6, 5], [4, 3, 2, 1], [0]] == await walked(ports, both, Page(limit=4, descending=True), "after")
    assert [] == await numbers(ports, attrs.evolve(both, sources=()), Page())


@virtual
async def test_long_stretches_are_read_in_pieces() -> None:
    """A filter that leaves out thousands still finds what is behind them."""
    ports = await filled(2 * PAGE_ITEMS_MAX + 10)
    assert [0, 2_005] == await numbers(ports, selection(every=2_005), Page(limit=5))
    assert [2_005] == await numbers(ports, selection(every=2_005), Page(limit=1, descending=True))


@virtual
async def test_table_is_read_by_key() -> None:
    """A selection may walk a table in the order of its key, the part of it that is fixed left out of positions."""
    store = MemoryStore()
    await put(store, SWEEPS, *(Sweep(id=key, due_at=NOON) for key in "abc"))

    async def keep(tx: Transaction, one: Sweep) -> bool:
        return True

    async def place(tx: Transaction, key: str) -> Key:
        return (key,)

    chosen = Selection(table=SWEEPS, sources=((BY_KEY, ()),), keep=keep)
    found = await read_matching(ports_on(store), chosen, Page(after="a"), place)
    assert ["b", "c"] == [one.id for one in found]
    assert ("b",) == chosen.place_of((BY_KEY, ()), found[0])


@pytest.mark.parametrize(("page", "name"), [(Page(after="s9999"), "after"), (Page(before="s9999"), "before")])
@virtual
async def test_cursor_that_names_nothing_is_refused(page: Page, name: str) -> None:
    """A cursor of an unknown item is the caller's mistake, told with its name."""
    with pytest.raises(InvalidInput, match=rf"\$\.{name}: the cursor names nothing: step 's9999' was not found"):
        await numbers(await filled(1), selection(), page)


@virtual
async def test_page_without_items_is_refused() -> None:
    """A page that asks for nothing, or too much, is refused."""
    for limit in (0, PAGE_ITEMS_MAX + 1):
        with pytest.raises(InvalidInput, match=r"\$\.limit"):
            await numbers(await filled(1), selection(), Page(limit=limit))


@virtual
async def test_what_stands_in_two_sources_is_there_once() -> None:
    """Sources may overlap: pages are full all the same, and nothing comes twice or is counted twice."""
    ports = await filled(9)
    both = selection(agents=AGENTS)
    overlapping = attrs.evolve(both, sources=(*both.sources, ("by_organization", ("o",))))
    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8]] == await walked(ports, overlapping, Page(limit=4), "after")
    assert 9 == await count_matching(ports, overlapping)


@virtual
async def test_count() -> None:
    """Only what the filter keeps is counted."""
    ports = await filled(PAGE_ITEMS_MAX + 7)
    whole, some = selection(), selection(every=PAGE_ITEMS_MAX)
    assert (PAGE_ITEMS_MAX + 7, 2) == (await count_matching(ports, whole), await count_matching(ports, some))


def impatient(monkeypatch: pytest.MonkeyPatch, records_max: int) -> None:
    """Let walks read few records, in pieces of two."""
    monkeypatch.setattr(matching, "MATCH_RECORDS_MAX", records_max)
    monkeypatch.setattr(matching, "PAGE_ITEMS_MAX", 2)


@pytest.mark.parametrize(("descending", "pages"), [(False, [[0, 3], [6]]), (True, [[6], [3], [0]])])
@virtual
async def test_walk_that_gives_up(monkeypatch: pytest.MonkeyPatch, descending: bool, pages: list[list[int]]) -> None:
    """A walk that has read too much returns what it has, if that is something, and the next page goes on behind it."""
    ports = await filled(8)
    impatient(monkeypatch, 4)
    assert pages == await walked(ports, selection(every=3), Page(limit=3, descending=descending), "after")


@pytest.mark.parametrize("descending", [False, True])
@virtual
async def test_walk_that_gives_up_with_nothing(monkeypatch: pytest.MonkeyPatch, descending: bool) -> None:
    """A walk that found nothing in all that it read says so: an empty page would say that there is nothing."""
    ports = await filled(9)
    impatient(monkeypatch, 3)
    with pytest.raises(LimitExceeded, match="nothing was found among 3 records: narrow the filter"):
        await numbers(ports, selection(every=100, low=(step(0).created_at,)), Page(limit=2, descending=descending))
    with pytest.raises(LimitExceeded, match="there are more than 3 to look at"):
        await count_matching(ports, selection())


@pytest.mark.parametrize(("descending", "expected"), [(False, [0, 1, 2]), (True, [8, 7, 6])])
@virtual
async def test_source_that_gives_up_bounds_the_others(
    monkeypatch: pytest.MonkeyPatch, descending: bool, expected: list[int]
) -> None:
    """Of the other sources only that is shown which lies before the point where one gave up: nothing is skipped."""
    ports = await filled(9)
    impatient(monkeypatch, 4)
    assert expected == await numbers(ports, selection(agents=AGENTS), Page(limit=9, descending=descending))
