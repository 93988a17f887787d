"""Pages: every list, walked in every way, gives each item once and in order."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.records import MESSAGES
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.service.drafts import AgentDraft, BlockDraft, Page, ToolDraft
from kelpie_core.service.runs import RunFilter
from tests.house import OTHERS, House, house, said
from tests.twins import virtual

COUNT = 7
ListCall = Callable[[Page], Awaitable[Sequence[object]]]
Made = tuple[ListCall, list[str], str]  # the call, the ids that it must give, an id of another organization


async def agents(home: House) -> Made:
    """All agents."""
    made = [(await _agent(home)).id for _ in range(COUNT)]
    return home.main.agents.list, made, (await foreign(home, "agents"))


async def agents_by_name(home: House) -> Made:
    """The agents of one name."""
    await home.main.agents.create(AgentDraft(name="Eve"))
    made = [(await _agent(home)).id for _ in range(COUNT)]
    return lambda page: home.main.agents.list(page, AgentFilter(name="Ada")), made, (await foreign(home, "agents"))


async def agents_by_tag(home: House) -> Made:
    """The agents of one tag."""
    await home.main.agents.create(AgentDraft(name="Ada", tags=("other",)))
    made = [(await _agent(home, tags=("blue", "red", "blue"))).id for _ in range(COUNT)]
    return lambda page: home.main.agents.list(page, AgentFilter(tags=("blue",))), made, (await foreign(home, "agents"))


async def agents_of_block(home: House) -> Made:
    """The agents that share a block."""
    block = await home.main.blocks.create(BlockDraft(label="human"))
    await _agent(home)
    made = [(await _agent(home, block_ids=(block.id,))).id for _ in range(COUNT)]
    return lambda page: home.main.blocks.agents_of(block.id, page), made, (await foreign(home, "agents"))


async def blocks(home: House) -> Made:
    """All blocks."""
    made = [(await _block(home)).id for _ in range(COUNT)]
    return home.main.blocks.list, made, (await foreign(home, "blocks"))


async def blocks_by_label(home: House) -> Made:
    """The blocks of one label."""
    await home.main.blocks.create(BlockDraft(label="persona"))
    made = [(await _block(home)).id for _ in range(COUNT)]
    return lambda page: home.main.blocks.list(page, BlockFilter(label="human")), made, (await foreign(home, "blocks"))


async def tools(home: House) -> Made:
    """All tools."""
    made = [(await home.main.tools.create(ToolDraft(name=f"tool{number}"))).id for number in range(COUNT)]
    return home.main.tools.list, made, (await foreign(home, "tools"))


async def messages(home: House) -> Made:
    """The messages of an agent, its first system message among them."""
    agent, other = await _agent(home), await _agent(home)
    await home.main.messages.send(other.id, [said()])
    for _ in range(COUNT // 2):
        await home.main.messages.send(agent.id, [said()])
    async with home.memory.transaction() as tx:
        made = [m.id for m in await tx.scan(MESSAGES, equals=(agent.id,), limit=100)]
    theirs = (await home.main.messages.list(other.id))[0].id
    return lambda page: home.main.messages.list(agent.id, page), made, theirs


async def messages_of_run(home: House) -> Made:
    """The messages of a run, its input among them."""
    agent = await _agent(home)
    await home.main.messages.send(agent.id, [said()])
    result = await home.main.messages.send(agent.id, [said(str(number)) for number in range(COUNT - 1)])
    every = await home.main.messages.list(agent.id)
    made = [message.id for message in every if message.run_id == result.run.id]
    return lambda page: home.main.runs.messages(result.run.id, page), made, every[0].id


async def runs(home: House) -> Made:
    """All runs."""
    agent = await _agent(home)
    made = [(await home.main.messages.send(agent.id, [said()])).run.id for _ in range(COUNT)]
    return home.main.runs.list, made, (await foreign(home, "runs"))


async def runs_of_agent(home: House) -> Made:
    """The runs of an agent."""
    agent, other = await _agent(home), await _agent(home)
    await home.main.messages.send(other.id, [said()])
    made = [(await home.main.messages.send(agent.id, [said()])).run.id for _ in range(COUNT)]
    return lambda page: home.main.runs.list(page, RunFilter(agent_ids=(agent.id,))), made, (await foreign(home, "runs"))


async def _agent(home: House, **fields: object) -> Agent:
    if home.entropy.drawn % 2:  # some share their time with the one before, so the id decides
        await home.clock.sleep(1)
    return await home.agent(**fields)


async def _block(home: House) -> Block:
    await home.clock.sleep(home.entropy.drawn % 2)
    return await home.main.blocks.create(BlockDraft(label="human"))


async def foreign(home: House, kind: str) -> str:
    """Return the id of a thing of another organization."""
    them = home.main.acting_as(OTHERS)
    agent = await them.agents.create(AgentDraft(name="Ada"))
    match kind:
        case "agents":
            return agent.id
        case "blocks":
            return (await them.blocks.create(BlockDraft(label="human"))).id
        case "tools":
            return (await them.tools.create(ToolDraft(name="tool"))).id
        case _:
            return (await them.messages.send(agent.id, [said()])).run.id


LISTS = (
    agents,
    agents_by_name,
    agents_by_tag,
    agents_of_block,
    blocks,
    blocks_by_label,
    tools,
    messages,
    messages_of_run,
    runs,
    runs_of_agent,
)
every_list = pytest.mark.parametrize("make", LISTS, ids=lambda make: make.__name__)


async def ids(call: ListCall, page: Page) -> list[str]:
    """Return the ids in a page."""
    return [item.id for item in await call(page)]  # type: ignore[attr-defined]


@every_list
@pytest.mark.parametrize("limit", [1, 3, COUNT, 100])
@virtual
async def test_walk_with_after(make: Callable[[House], Awaitable[Made]], limit: int) -> None:
    """Following `after` from page to page gives each item once, in order, and in the other order when descending."""
    call, made, _ = await make(house())
    for descending, expected in ((False, made), (True, made[::-1])):
        walked: list[str] = []
        while page := await ids(call, Page(limit=limit, after=walked[-1] if walked else None, descending=descending)):
            walked += page
        assert expected == walked


@every_list
@pytest.mark.parametrize("limit", [1, 3, COUNT, 100])
@virtual
async def test_walk_with_before(make: Callable[[House], Awaitable[Made]], limit: int) -> None:
    """Following `before` goes back page by page; each page is in the order of the list."""
    call, made, _ = await make(house())
    for descending, expected in ((False, made), (True, made[::-1])):
        walked = expected[-1:]
        while page := await ids(call, Page(limit=limit, before=walked[0], descending=descending)):
            walked = page + walked
        assert expected == walked


@every_list
@virtual
async def test_between_two_cursors(make: Callable[[House], Awaitable[Made]]) -> None:
    """With both cursors, only what lies between them comes, at most so many from the first one on."""
    call, made, _ = await make(house())
    assert made[2:5] == await ids(call, Page(after=made[1], before=made[5]))
    assert made[2:4] == await ids(call, Page(after=made[1], before=made[5], limit=2))
    assert made[4:1:-1] == await ids(call, Page(after=made[5], before=made[1], descending=True))
    assert [] == await ids(call, Page(after=made[5], before=made[1]))


@every_list
@pytest.mark.parametrize("side", ["after", "before"])
@virtual
async def test_cursor_must_name_something(make: Callable[[House], Awaitable[Made]], side: str) -> None:
    """A cursor that names nothing, or nothing of this list's owner, is the caller's mistake, told with its place."""
    call, _, theirs = await make(house())
    for cursor in ("nothing", theirs):
        with pytest.raises(InvalidInput, match="the cursor names nothing") as caught:
            await call(Page(**{side: cursor}))  # type: ignore[arg-type]
        assert f"$.{side}" == caught.value.path


@every_list
@pytest.mark.parametrize("limit", [0, -1, PAGE_ITEMS_MAX + 1])
@virtual
async def test_limit_has_bounds(make: Callable[[House], Awaitable[Made]], limit: int) -> None:
    """A page of no items, or of more than may be read at once, is refused."""
    call, _, _ = await make(house())
    with pytest.raises(InvalidInput) as caught:
        await call(Page(limit=limit))
    assert f"$.limit: must be between 1 and {PAGE_ITEMS_MAX}, got {limit}" == str(caught.value)
