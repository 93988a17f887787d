"""Finding tools: by filters, page by page, and by words."""

from typing import Any

import pytest

from kelpie_core import limits
from kelpie_core.errors import InvalidInput, LimitExceeded
from kelpie_core.json_types import JsonObject
from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.service import matching, tool_search
from kelpie_core.service.drafts import Page, ToolDraft
from kelpie_core.service.tool_search import EVERY_TOOL, ToolFilter
from tests.house import OTHERS, House, house
from tests.twins import virtual

CUSTOM, MCP, CORE = ToolType.CUSTOM, ToolType.EXTERNAL_MCP, ToolType.CORE


async def stocked() -> tuple[House, list[Tool]]:
    """Return a house with six tools of several kinds, made one after the other."""
    home = house()
    rows = (
        ("roll_dice", CUSTOM, ("game",)),
        ("send_mail", MCP, ()),
        ("rollCall", CUSTOM, ("people",)),
        ("letta_own", CORE, ()),
        ("mail_box", CUSTOM, ("mail",)),
        ("throw", MCP, ("game", "mail")),
    )
    tools = []
    for name, kind, tags in rows:
        await home.clock.sleep(1)
        tools.append(await home.main.tools.create(ToolDraft(name=name, tool_type=kind, tags=tags)))
    await home.main.acting_as(OTHERS).tools.create(ToolDraft(name="roll_theirs"))
    return home, tools


async def names(home: House, page: Page = Page(), **wanted: Any) -> list[str]:
    """Return the names of a page of the wanted tools."""
    found = await home.main.tools.list(page, wanted=ToolFilter(**wanted))
    return [tool.name for tool in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "roll_dice send_mail rollCall letta_own mail_box throw"),
        ({"names": ("throw", "roll_dice", "nobody")}, "roll_dice throw"),
        ({"search": "ROLL"}, "roll_dice rollCall"),
        ({"types": (MCP, CORE)}, "send_mail letta_own throw"),
        ({"excluded_types": (CUSTOM, CORE)}, "send_mail throw"),
        ({"letta": True}, "letta_own"),
        ({"letta": False, "search": "l"}, "roll_dice send_mail rollCall mail_box"),
        ({"tags": ("game", "people")}, "roll_dice rollCall throw"),
        ({"types": (MCP,), "search": "mail"}, "send_mail"),
        ({"ids": ()}, ""),
    ],
)
@virtual
async def test_filters(wanted: JsonObject, expected: str) -> None:
    """A tool is wanted if every filter wants it; another organization's never is. The count says the same."""
    home, _ = await stocked()
    assert expected.split() == await names(home, **wanted)
    assert len(expected.split()) == await home.main.tools.count(ToolFilter(**wanted))


@virtual
async def test_filter_by_ids() -> None:
    """Ids name tools whatever their order."""
    home, tools = await stocked()
    assert ["send_mail", "throw"] == await names(home, ids=(tools[5].id, tools[1].id))


@pytest.mark.parametrize("chunk", [1, 2, 1_000])
@virtual
async def test_pages(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages follow each other in both directions and both orders, however the store is walked."""
    for module in (tool_search, matching):
        monkeypatch.setattr(module, "PAGE_ITEMS_MAX", chunk)
    home, tools = await stocked()
    customs = {"types": (CUSTOM,)}
    first, last = tools[0].id, tools[4].id
    assert ["roll_dice", "rollCall"] == await names(home, Page(limit=2), **customs)
    assert ["mail_box"] == await names(home, Page(limit=2, after=tools[2].id), **customs)
    assert ["rollCall", "mail_box"] == await names(home, Page(limit=2, after=first), **customs)
    assert ["mail_box", "rollCall"] == await names(home, Page(limit=2, descending=True), **customs)
    assert ["rollCall", "roll_dice"] == await names(home, Page(after=last, descending=True), **customs)
    assert ["rollCall"] == await names(home, Page(limit=1, before=last), **customs)
    assert ["roll_dice", "rollCall"] == await names(home, Page(before=last), **customs)
    assert ["mail_box"] == await names(home, Page(before=tools[2].id, descending=True), **customs)
    assert ["rollCall"] == await names(home, Page(after=first, before=last), **customs)
    assert 6 == len(await home.main.tools.search(None))


@virtual
async def test_cursor_that_names_nothing() -> None:
    """A cursor of nobody's, or of another organization's, is refused."""
    home, _ = await stocked()
    theirs = await home.main.acting_as(OTHERS).tools.by_name("roll_theirs")
    for page, path in ((Page(after=theirs.id), r"\$\.after"), (Page(before="tool-x"), r"\$\.before")):
        with pytest.raises(InvalidInput, match=path):
            await home.main.tools.list(page)


@virtual
async def test_too_many_names() -> None:
    """A filter names so many tools at most, and a page has so many."""
    home = house()
    with pytest.raises(LimitExceeded, match=r"\$\.names"):
        await names(home, names=("x",) * (limits.TOOL_FILTER_ITEMS_MAX + 1))
    with pytest.raises(InvalidInput, match=r"\$\.limit"):
        await names(home, Page(limit=0))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("roll", "rollCall roll_dice"),
        ("roll the dice", "roll_dice rollCall"),
        ("mail", "mail_box send_mail throw"),
        ("MAIL game", "throw mail_box send_mail roll_dice"),
        ("nothing", ""),
        ("!!", ""),
        ("", "throw mail_box letta_own rollCall send_mail roll_dice"),
        (None, "throw mail_box letta_own rollCall send_mail roll_dice"),
    ],
)
@virtual
async def test_search(query: str | None, expected: str) -> None:
    """Tools with more of the words come first, a name before a tag; without words, the newest come first."""
    home, _ = await stocked()
    found = await home.main.tools.search(query)
    assert expected.split() == [one.tool.name for one in found]
    assert [(n, 1 / (60 + n)) for n in range(1, len(found) + 1)] == [(one.rank, one.score) for one in found]


@virtual
async def test_search_looks_everywhere() -> None:
    """Words are found in descriptions and among the arguments too, and filters hold."""
    home, _ = await stocked()
    schema = {"name": "a", "parameters": {"properties": {"postcode": {}}}}
    await home.main.tools.create(ToolDraft(name="a", description="Weigh a parcel.", json_schema=schema))
    for word in ("parcel", "postcode"):
        assert ["a"] == [one.tool.name for one in await home.main.tools.search(word)]
    assert () == await home.main.tools.search("parcel", wanted=ToolFilter(types=(MCP,)))
    assert 2 == len(await home.main.tools.search("mail", limit=2))
    with pytest.raises(InvalidInput, match=r"\$\.limit"):
        await home.main.tools.search("mail", limit=limits.TOOL_SEARCH_ITEMS_MAX + 1)
    (parcel,) = await home.main.tools.search("parcel", wanted=EVERY_TOOL)
    assert EVERY_TOOL.matches(parcel.tool)
