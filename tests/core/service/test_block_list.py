"""Listing and counting blocks."""

import pytest

from kelpie_core.errors import LimitExceeded
from kelpie_core.limits import PAGE_ITEMS_MAX, TAGS_MAX
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.service.drafts import AgentDraft, BlockDraft, Page
from tests.house import OTHERS, house
from tests.twins import virtual

DRAFTS = (
    BlockDraft(label="human", value="Likes TEA", description="Who", tags=("red", "blue"), extra={"project_id": "p"}),
    BlockDraft(label="persona", value="terse", tags=("red",), extra={"template_name": "t", "is_template": True}),
    BlockDraft(label="human", value="", extra={"is_template": False}),
)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (BlockFilter(), [0, 1, 2]),
        (BlockFilter(label="human"), [0, 2]),
        (BlockFilter(label="hum"), []),
        (BlockFilter(label_search="HUM"), [0, 2]),
        (BlockFilter(value_search="tea"), [0]),
        (BlockFilter(description_search="who"), [0]),
        (BlockFilter(tags=("red", "blue")), [0, 1]),
        (BlockFilter(tags=("red", "blue"), all_tags=True), [0]),
        (BlockFilter(label="persona", tags=("blue",)), []),
        (BlockFilter(name="t"), [1]),
        (BlockFilter(templates_only=True), [1]),
        (BlockFilter(project_id="p"), [0]),
        (BlockFilter(agents=(0,)), [2]),
        (BlockFilter(agents=(0, 2)), [1, 2]),
        (BlockFilter(agents_above=0), [0, 1]),
        (BlockFilter(agents_above=1), [1]),
        (BlockFilter(agents_below=2), [0, 2]),
        (BlockFilter(agents_above=0, agents_below=2), [0]),
    ],
)
@virtual
async def test_filters(which: BlockFilter, expected: list[int]) -> None:
    """Only blocks of the organization that fit every filter are listed and counted, each once."""
    home = house()
    ids = [(await home.main.blocks.create(draft)).id for draft in DRAFTS]
    await home.main.acting_as(OTHERS).blocks.create(DRAFTS[0])
    await home.main.agents.create(AgentDraft(name="Ada", block_ids=tuple(ids[:2])))
    await home.main.agents.create(AgentDraft(name="Bo", block_ids=(ids[1],)))
    assert [ids[place] for place in expected] == [one.id for one in await home.main.blocks.list(which=which)]
    down = await home.main.blocks.list(Page(descending=True), which)
    assert [ids[place] for place in expected[::-1]] == [one.id for one in down]
    assert len(expected) == await home.main.blocks.count(which)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (BlockFilter(), 0),
        (BlockFilter(agents=(3, 1)), 4),
        (BlockFilter(agents_above=5, agents_below=2), 6),
        (BlockFilter(agents_below=10**9), PAGE_ITEMS_MAX),
    ],
)
def test_no_more_agents_are_counted_than_matter(which: BlockFilter, expected: int) -> None:
    """To tell whether a block has the number that is asked for, one more than that is enough, and never a table."""
    assert expected == which.agents_counted


@virtual
async def test_a_filter_has_few_tags() -> None:
    """Each tag is a place to look at, so there are no more in a filter than a block may bear."""
    tags = tuple(map(str, range(TAGS_MAX + 1)))
    with pytest.raises(LimitExceeded, match=r"\$\.tags"):
        await house().main.blocks.count(BlockFilter(tags=tags))
