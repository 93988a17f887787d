"""Tools: stored under names that are unique in an organization."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import AlreadyExists, InvalidInput, NotFound
from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.service.drafts import ToolChanges, ToolDraft
from kelpie_core.service.tools import Tools
from tests.house import OTHERS, everything, house
from tests.twins import NOON, virtual

FULL = ToolDraft(
    name="roll",
    tool_type=ToolType.EXTERNAL_MCP,
    description="Roll dice.",
    source_type="json",
    source_code="...",
    json_schema={"name": "roll"},
    args_json_schema={"type": "object"},
    tags=("a",),
    return_char_limit=7,
    default_requires_approval=True,
    idempotent=True,
    metadata={"x": 1},
    extra={"pip_requirements": None},
)


@virtual
async def test_created_tool_is_read_back() -> None:
    """Every field of the draft is in the tool that is stored, by id and by name."""
    home = house()
    tool = await home.main.tools.create(FULL)
    expected = Tool(
        id=tool.id,
        organization_id=home.main.actor.organization_id,
        created_by_id=home.main.actor.user_id,
        created_at=NOON,
        updated_at=NOON,
        **attrs.asdict(FULL, recurse=False),
    )
    assert expected == tool == await home.main.tools.get(tool.id)
    assert expected == await home.main.tools.by_name("roll")
    assert [expected] == await home.main.tools.list(name="roll")
    assert [] == await home.main.tools.list(name="throw")


@virtual
async def test_name_is_unique() -> None:
    """A second tool of a name is refused, at creation and at renaming; in another organization it is not."""
    home = house()
    tool, other = await home.main.tools.create(FULL), await home.main.tools.create(ToolDraft(name="throw"))
    with pytest.raises(AlreadyExists, match="tool 'roll' exists already"):
        await home.main.tools.create(ToolDraft(name="roll"))
    with pytest.raises(AlreadyExists, match="tool 'roll' exists already"):
        await home.main.tools.update(other.id, ToolChanges(name="roll"))
    assert [tool, other] == await home.main.tools.list()
    theirs = await home.main.acting_as(OTHERS).tools.create(FULL)
    assert [theirs] == await home.main.acting_as(OTHERS).tools.list()


@virtual
async def test_name_stays_unique_in_a_race() -> None:
    """Of several creations of one name at once exactly one succeeds."""
    home = house()
    made = await asyncio.gather(
        *(home.main.tools.create(ToolDraft(name="roll")) for _ in range(5)), return_exceptions=True
    )
    refused = [error for error in made if isinstance(error, AlreadyExists)]
    assert (4, 1) == (len(refused), len(await home.main.tools.list()))


@virtual
async def test_upsert_keeps_the_identity() -> None:
    """An upsert makes the tool, or changes all of the one that has the name but its id and its creation."""
    home = house()
    made = await home.main.tools.upsert(ToolDraft(name="roll", description="Old."))
    await home.clock.sleep(9)
    changed = await home.main.tools.upsert(FULL)
    expected = attrs.evolve(made, **attrs.asdict(FULL, recurse=False), updated_at=home.clock.now())
    assert [expected] == [changed] == await home.main.tools.list()


@virtual
async def test_update_changes_what_is_set() -> None:
    """What is set is changed, null included; the rest stays; its own name is no obstacle."""
    home = house()
    tool = await home.main.tools.create(FULL)
    await home.clock.sleep(3)
    updated = await home.main.tools.update(tool.id, ToolChanges(name="roll", description=None, idempotent=False))
    expected = attrs.evolve(tool, description=None, idempotent=False, updated_at=home.clock.now())
    assert expected == updated == await home.main.tools.get(tool.id)
    renamed = await home.main.tools.update(tool.id, ToolChanges(name="throw"))
    assert renamed == await home.main.tools.by_name("throw")
    with pytest.raises(NotFound, match="tool 'roll' was not found"):
        await home.main.tools.by_name("roll")


@virtual
async def test_bad_tool_is_refused() -> None:
    """A tool that is not fit to be stored is refused, and nothing changes."""
    home = house()
    with pytest.raises(InvalidInput, match=r"\$\.name: must not be empty"):
        await home.main.tools.create(ToolDraft(name=""))
    assert {} == await everything(home.memory)
    tool = await home.main.tools.create(FULL)
    with pytest.raises(InvalidInput, match=r"\$\.return_char_limit: must be at least 1"):
        await home.main.tools.update(tool.id, ToolChanges(return_char_limit=0))
    assert tool == await home.main.tools.get(tool.id)


@virtual
async def test_delete_detaches_everywhere() -> None:
    """A deleted tool is gone from each of its agents; their other tools stay."""
    home = house()
    agents = [await home.agent(ToolDraft(name="roll"), ToolDraft(name="throw")) for _ in range(3)]
    await home.main.tools.delete(agents[0].tool_ids[0])
    for agent in agents:
        assert agent.tool_ids[1:] == (await home.main.agents.get(agent.id)).tool_ids
    assert ["throw"] == [tool.name for tool in await home.main.tools.list()]


@virtual
async def test_other_organizations_tool_is_not_found() -> None:
    """Every call on another organization's tool, or on none, says that it is not there."""
    home = house()
    tool = await home.main.tools.create(FULL)
    before = await everything(home.memory)
    for tools, key in ((home.main.acting_as(OTHERS).tools, tool.id), (home.main.tools, "tool-x")):
        await all_not_found(tools, key)
    assert [] == await home.main.acting_as(OTHERS).tools.list(name="roll")
    assert before == await everything(home.memory)


async def all_not_found(tools: Tools, key: str) -> None:
    """Check that each call finds no such tool."""
    for waiting in (tools.get(key), tools.update(key, ToolChanges(name="x")), tools.delete(key)):
        with pytest.raises(NotFound) as caught:
            await waiting
        assert ("tool", key) == (caught.value.kind, caught.value.key)
