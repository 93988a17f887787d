"""Tools: stored under names that are unique in an organization."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import AlreadyExists, InvalidInput, NotFound, Refused
from kelpie_core.ids import USER_DEFAULT
from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.service.builtin_tools import BUILTIN_TOOLS
from kelpie_core.service.drafts import ToolChanges, ToolDraft, Unset
from kelpie_core.service.tool_search import ToolFilter
from kelpie_core.service.tools import Tools, attached_tool
from kelpie_core.tool_schema import BadToolSource, derive_schema
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
    expected = attrs.evolve(
        made, **attrs.asdict(FULL, recurse=False), updated_at=home.clock.now(), last_updated_by_id=USER_DEFAULT
    )
    assert [expected] == [changed] == await home.main.tools.list()


@virtual
async def test_update_changes_what_is_set() -> None:
    """What is set is changed, null included; the rest stays; its own name is no obstacle."""
    home = house()
    tool = await home.main.tools.create(FULL)
    await home.clock.sleep(3)
    updated = await home.main.tools.update(tool.id, ToolChanges(name="roll", description=None, idempotent=False))
    expected = attrs.evolve(
        tool, description=None, idempotent=False, updated_at=home.clock.now(), last_updated_by_id=USER_DEFAULT
    )
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


SOURCE = 'def {name}(a: int):\n    """{words}"""'


def source(name: str, words: str = "Do.") -> str:
    """Return the source of a tool."""
    return SOURCE.format(name=name, words=words)


@virtual
async def test_new_source_brings_its_schema() -> None:
    """Source without a schema is read: its schema, its name and its description come along."""
    home = house()
    tool = await home.main.tools.create(ToolDraft(name="roll", source_code="old", json_schema={"name": "roll"}))
    changed = await home.main.tools.update(tool.id, ToolChanges(source_code=source("throw", "Throw it.")))
    assert ("throw", "Throw it.") == (changed.name, changed.description)
    assert derive_schema(source("throw", "Throw it.")) == changed.json_schema
    described = await home.main.tools.update(
        tool.id, ToolChanges(source_code=source("throw", "Other."), description="Mine.")
    )
    expected = derive_schema(source("throw", "Other."), description="Mine.")
    assert ("Mine.", expected) == (described.description, described.json_schema)


@pytest.mark.parametrize(
    "changes",
    [
        ToolChanges(source_code="new", json_schema={"name": "roll", "x": 1}),
        ToolChanges(source_code="new", source_type="typescript"),
        ToolChanges(source_code="old"),
        ToolChanges(description="x"),
    ],
)
@virtual
async def test_schema_that_stays(changes: ToolChanges) -> None:
    """Nothing is read where a schema came along, the source stays, or it is not Python."""
    home = house()
    tool = await home.main.tools.create(ToolDraft(name="roll", source_code="old", json_schema={"name": "roll"}))
    schema = tool.json_schema if isinstance(changes.json_schema, Unset) else changes.json_schema
    changed = await home.main.tools.update(tool.id, changes)
    assert ("roll", schema) == (changed.name, changed.json_schema)


@virtual
async def test_bad_source_changes_nothing() -> None:
    """Source that is no tool is refused, and the tool stays."""
    home = house()
    tool = await home.main.tools.create(FULL)
    with pytest.raises(BadToolSource, match="line 1"):
        await home.main.tools.update(tool.id, ToolChanges(source_code="def f(:"))
    assert tool == await home.main.tools.get(tool.id)


@virtual
async def test_kept_fields_are_changed_one_by_one() -> None:
    """Fields that are only kept change by name; the others of them stay."""
    home = house()
    tool = await home.main.tools.create(ToolDraft(name="roll", extra={"a": 1, "b": 2}))
    assert {"a": 1, "b": 3} == (await home.main.tools.update(tool.id, ToolChanges(extra={"b": 3}))).extra


@virtual
async def test_builtin_tools_are_added_once() -> None:
    """All builtin tools are there, by name, however often they are asked for."""
    home = house()
    made = await home.main.tools.add_builtin()
    assert sorted(BUILTIN_TOOLS) == [tool.name for tool in made]
    assert made == await home.main.tools.add_builtin()
    assert len(made) == await home.main.tools.count()


@pytest.mark.parametrize(
    "changes",
    [
        ToolChanges(name="other"),
        ToolChanges(source_code=source("other")),
        ToolChanges(json_schema={"name": "send_message"}),
        ToolChanges(description="Mine."),
        ToolChanges(idempotent=False),
    ],
)
@virtual
async def test_builtin_tool_stays_what_it_is(changes: ToolChanges) -> None:
    """What makes a builtin tool what it is cannot be changed, nor can it be deleted: agents would break."""
    home = house()
    agent = await home.agent(tool_names=("send_message",))
    (tool,) = await home.main.agents.tools(agent.id)
    with pytest.raises(Refused, match="tool 'send_message' is builtin"):
        await home.main.tools.update(tool.id, changes)
    with pytest.raises(Refused, match="tool 'send_message' is builtin and stays"):
        await home.main.tools.delete(tool.id)
    assert tool == await home.main.tools.get(tool.id)


@virtual
async def test_builtin_tool_changes_harmlessly() -> None:
    """Tags, the length of its returns, approval and notes are the organization's own; no change is no harm."""
    home = house()
    tool = (await home.main.tools.add_builtin())[0]
    changes = ToolChanges(
        name=tool.name, tags=("a",), return_char_limit=9, default_requires_approval=True, metadata={"x": 1}
    )
    changed = await home.main.tools.update(tool.id, changes)
    assert (("a",), 9, True, {"x": 1}) == (
        changed.tags, changed.return_char_limit, changed.default_requires_approval, changed.metadata,
    )  # fmt: skip


@virtual
async def test_names_of_builtin_tools_are_taken() -> None:
    """Nobody's own tool has the name of a builtin one, whether that is there already or not."""
    home = house()
    other = await home.main.tools.create(ToolDraft(name="roll"))
    draft = ToolDraft(name="send_message", source_code=source("send_message"))
    for _ in range(2):
        for waiting in (
            home.main.tools.create(draft),
            home.main.tools.upsert(draft),
            home.main.tools.update(other.id, ToolChanges(name="send_message")),
        ):
            with pytest.raises(AlreadyExists, match="builtin tool 'send_message' exists already"):
                await waiting
        await home.main.tools.add_builtin()


@virtual
async def test_tool_that_only_says_it_is_builtin() -> None:
    """A tool of a file that claims a builtin kind under another name is like any other."""
    home = house()
    tool = await home.main.tools.create(ToolDraft(name="open_files", tool_type=ToolType.FILES_CORE))
    await home.main.tools.update(tool.id, ToolChanges(description="x"))
    await home.main.tools.delete(tool.id)
    assert 0 == await home.main.tools.count()


@virtual
async def test_name_and_filters() -> None:
    """A tool that is asked for by name is there only if the filters want it."""
    home = house()
    await home.main.tools.create(FULL)
    assert 1 == len(await home.main.tools.list(name="roll", wanted=ToolFilter(types=(ToolType.EXTERNAL_MCP,))))
    assert [] == await home.main.tools.list(name="roll", wanted=ToolFilter(types=(ToolType.CUSTOM,)))


@virtual
async def test_attached_tool() -> None:
    """A tool is found among the agent's own by its name; one that is gone meanwhile is passed over."""
    home = house()
    agent = await home.agent(ToolDraft(name="roll"), ToolDraft(name="throw"))
    stale = attrs.evolve(agent, tool_ids=("tool-gone", *agent.tool_ids))
    async with home.memory.transaction() as tx:
        found = await attached_tool(tx, stale, "throw")
        assert (agent.tool_ids[1], None) == (found and found.id, await attached_tool(tx, stale, "fly"))


@virtual
async def test_import_leaves_builtin_tools_alone() -> None:
    """A file that brings a builtin tool otherwise than it is does not change it, though it may change other tools."""
    home = house()
    agent = await home.agent(ToolDraft(name="roll", description="Roll it."), tool_names=("send_message",))
    before = await home.main.tools.by_name("send_message")
    data = b"".join([chunk async for chunk in home.main.transfer.export_file(agent.id)])
    described = str(before.description).encode()
    assert 1 <= data.count(described)
    await home.main.transfer.import_file(data.replace(described, b"Shout.").replace(b"Roll it.", b"Throw it."))
    assert before == await home.main.tools.by_name("send_message")
    assert "Throw it." == (await home.main.tools.by_name("roll")).description
