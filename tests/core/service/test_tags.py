"""Tags: every word that some agent bears, each once."""

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.service.drafts import AgentDraft, Page
from tests.house import OTHERS, House, house
from tests.twins import virtual

ALL = ["Zebra", "a", "a\x00b", "ab", "b", "c", "é", "\U0001f99e"]


async def tagged() -> House:
    """Return a house whose agents bear all the tags, some of them several times."""
    home = house()
    for tags in (("c", "a", "é"), ("a", "ab"), ("b", "a", "Zebra"), (), ("\U0001f99e", "a\x00b")):
        await home.main.agents.create(AgentDraft(name="Ada", tags=tags))
    return home


@virtual
async def test_each_tag_is_listed_once() -> None:
    """Every tag is there once, in the order of the alphabet or the other way round."""
    home = await tagged()
    assert ALL == await home.main.tags.list()
    assert ALL[::-1] == await home.main.tags.list(Page(descending=True))


@virtual
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_make_the_whole(descending: bool) -> None:
    """Page after page gives every tag once, forwards and backwards."""
    home, whole = await tagged(), ALL[::-1] if descending else ALL
    found: list[str] = []
    while page := await home.main.tags.list(Page(limit=3, after=found[-1] if found else None, descending=descending)):
        found += page
    assert whole == found
    back: list[str] = []
    while page := await home.main.tags.list(
        Page(limit=3, before=back[0] if back else whole[-1], descending=descending)
    ):
        back = [*page, *back]
    assert whole[:-1] == back


@virtual
async def test_cursors_are_words() -> None:
    """A page begins behind any word and ends before any, whether an agent bears it or not."""
    home = await tagged()
    assert ["ab", "b"] == await home.main.tags.list(Page(after="aa", before="c"))
    assert ["b", "ab"] == await home.main.tags.list(Page(after="bb", before="a\x00b", descending=True))


@virtual
async def test_tags_that_contain_a_text() -> None:
    """Only the tags that contain a text are listed, and a page of them is full if there are enough."""
    home = await tagged()
    assert ["Zebra", "a\x00b", "ab"] == await home.main.tags.list(Page(limit=3), containing="b")


@virtual
async def test_tags_of_others_are_not_listed() -> None:
    """Another organization's tags do not exist; a page of nothing is refused."""
    home = await tagged()
    assert [] == await home.main.acting_as(OTHERS).tags.list()
    with pytest.raises(InvalidInput):
        await home.main.tags.list(Page(limit=0))
