"""Running a transaction to its end: how often, how long, and that every service call happens once.

The table of stories is every call of every service that a store can fail: one is harmed at its first commit, its
second, and so on, until there is none left to harm.
"""

from collections.abc import Awaitable

import attrs
import pytest

from kelpie_core.errors import Conflict, StoreError
from kelpie_core.limits import CONFLICT_RETRIES_MAX, STORE_RETRIES_MAX
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import AgentType
from kelpie_core.ports import Ports, Transaction
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.service.commit import back_off, commit
from kelpie_core.service.drafts import (
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    ToolChanges,
    ToolDraft,
)
from kelpie_core.service.runs import RunFilter
from tests.house import Deed, House, Story, before, calm_outcome, outcomes, said
from tests.twins import FixedClock, Harm, NoModel, NoTools, run


@attrs.define(eq=False)
class FullEntropy:
    """Bits that are all one: every backoff is as long as it may be."""

    ones: bool = True

    def bits(self, count: int) -> int:
        """Return ones or zeros."""
        return (1 << count) - 1 if self.ones else 0


@attrs.define(eq=False)
class NotingClock(FixedClock):
    """A clock that keeps what was slept, in milliseconds."""

    naps_ms: list[float] = attrs.field(factory=list)

    async def sleep(self, seconds: float) -> None:
        """Move the clock and note it."""
        self.naps_ms.append(round(seconds * 1000, 6))
        await super().sleep(seconds)


def ports(clock: NotingClock, *, ones: bool = True) -> Ports:
    """Return ports on an empty store."""
    return Ports(clock=clock, entropy=FullEntropy(ones), store=MemoryStore(), model=NoModel(), tools=NoTools())


@attrs.define(eq=False)
class Body:
    """A body of a transaction that raises these errors, one at a time, and then returns how often it ran."""

    errors: list[Exception]
    attempts: int = 0

    async def __call__(self, tx: Transaction) -> int:
        """Raise the next error, or return."""
        self.attempts += 1
        if self.attempts <= len(self.errors):
            raise self.errors[self.attempts - 1]
        return self.attempts


@pytest.mark.parametrize("count", range(STORE_RETRIES_MAX + 1))
def test_failing_store_is_tried_again(count: int) -> None:
    """As many failures as there are retries are survived, with waits that double."""
    clock, body = NotingClock(), Body([StoreError("x") for _ in range(count)])
    assert count + 1 == run(commit(ports(clock), body))
    assert [5, 10, 20][:count] == clock.naps_ms


def test_failing_store_is_given_up() -> None:
    """One failure more is the caller's, after exactly that many attempts and waits."""
    clock, body = NotingClock(), Body([StoreError(str(number)) for number in range(STORE_RETRIES_MAX + 1)])
    with pytest.raises(StoreError, match=str(STORE_RETRIES_MAX)):
        run(commit(ports(clock), body))
    assert (STORE_RETRIES_MAX + 1, [5, 10, 20]) == (body.attempts, clock.naps_ms)


def test_conflicts_are_tried_longer() -> None:
    """Conflicts have retries of their own, with waits that double up to a cap."""
    clock, body = NotingClock(), Body([Conflict("x") for _ in range(CONFLICT_RETRIES_MAX)])
    assert CONFLICT_RETRIES_MAX + 1 == run(commit(ports(clock), body))
    assert [5, 10, 20, 40, 80, 160, 320, 640, 1280] + [2000] * (CONFLICT_RETRIES_MAX - 9) == clock.naps_ms


def test_endless_conflict_is_given_up() -> None:
    """One conflict more is the caller's, and nothing was written."""
    clock, body = NotingClock(), Body([Conflict("x") for _ in range(CONFLICT_RETRIES_MAX + 1)])
    with pytest.raises(Conflict) as caught:
        run(commit(ports(clock), body))
    assert (CONFLICT_RETRIES_MAX + 1, False) == (body.attempts, caught.value.uncertain)


def test_conflicts_and_failures_are_counted_apart() -> None:
    """Conflicts use up no retry of a failing store, but their waits add up."""
    errors: list[Exception] = [Conflict("x"), StoreError("x"), Conflict("x"), StoreError("x"), StoreError("x")]
    clock, body = NotingClock(), Body(errors)
    assert 6 == run(commit(ports(clock), body))
    assert [5, 10, 20, 40, 80] == clock.naps_ms


@pytest.mark.parametrize("error", [StoreError("corrupt", retriable=False), ValueError("bug"), KeyError("bug")])
def test_other_errors_are_not_retried(error: Exception) -> None:
    """What will not pass is raised at once."""
    clock, body = NotingClock(), Body([error])
    with pytest.raises(type(error)):
        run(commit(ports(clock), body))
    assert (1, []) == (body.attempts, clock.naps_ms)


@pytest.mark.parametrize(
    "last", [StoreError("x"), Conflict("x"), StoreError("x", retriable=False)], ids=["failure", "conflict", "for good"]
)
def test_doubt_stays(last: StoreError) -> None:
    """If one attempt may have been written, the error says so, however clear the last attempt failed."""
    body = Body([StoreError("x", uncertain=True), *[last] * (CONFLICT_RETRIES_MAX + 1)])
    with pytest.raises(StoreError) as caught:
        run(commit(ports(NotingClock()), body))
    assert (last, True) == (caught.value, caught.value.uncertain)


def test_jitter_takes_up_to_half() -> None:
    """The least jitter gives half of the full wait."""
    clock = NotingClock()
    run(back_off(ports(clock, ones=False), 1))
    run(back_off(ports(clock, ones=False), 3, first_ms=500, max_ms=20_000))
    assert [2.5, 1000] == clock.naps_ms


def test_wait_is_capped_however_many_attempts() -> None:
    """A great number of attempts waits the longest wait, and no number overflows."""
    clock = NotingClock()
    run(back_off(ports(clock), 10_000))
    assert [2000] == clock.naps_ms


async def create_agent(house: House) -> Deed:
    """Create an agent with blocks of its own, a builtin tool and one that is there."""
    tool = await house.main.tools.create(ToolDraft(name="roll"))
    draft = AgentDraft(
        name="Ada",
        agent_type=AgentType.MEMGPT,
        blocks=(BlockDraft(label="human", value="Bo"),),
        tool_ids=(tool.id,),
        tool_names=("send_message", "send_message"),
    )
    return lambda: house.main.agents.create(draft)


async def update_agent(house: House) -> Deed:
    """Rename an agent."""
    agent = await house.agent()
    return lambda: house.main.agents.update(agent.id, AgentChanges(name="Eve"))


async def delete_agent(house: House) -> Deed:
    """Delete an agent that has talked."""
    agent = await house.agent()
    await house.main.messages.send(agent.id, [said()])
    return lambda: house.main.agents.delete(agent.id)


async def attach_block(house: House) -> Deed:
    """Attach a block."""
    agent, block = await house.agent(), await house.main.blocks.create(BlockDraft(label="human"))
    return lambda: house.main.agents.attach_block(agent.id, block.id)


async def detach_block(house: House) -> Deed:
    """Detach a block."""
    agent = await house.agent(blocks=(BlockDraft(label="human"),))
    return lambda: house.main.agents.detach_block(agent.id, agent.block_ids[0])


async def attach_tool(house: House) -> Deed:
    """Attach a tool."""
    agent, tool = await house.agent(), await house.main.tools.create(ToolDraft(name="roll"))
    return lambda: house.main.agents.attach_tool(agent.id, tool.id)


async def detach_tool(house: House) -> Deed:
    """Detach a tool."""
    agent = await house.agent(ToolDraft(name="roll"))
    return lambda: house.main.agents.detach_tool(agent.id, agent.tool_ids[0])


async def relabel_block(house: House) -> Deed:
    """Change an agent's block by its label, the label too."""
    agent = await house.agent(blocks=(BlockDraft(label="human"),))
    changes = BlockChanges(label="person", value="Bo")
    return lambda: house.main.agents.update_block(agent.id, "human", changes)


async def create_block(house: House) -> Deed:
    """Create a block."""
    return lambda: house.main.blocks.create(BlockDraft(label="human", value="Bo"))


async def update_block(house: House) -> Deed:
    """Change a block."""
    block = await house.main.blocks.create(BlockDraft(label="human"))
    return lambda: house.main.blocks.update(block.id, BlockChanges(value="Bo"))


async def delete_block(house: House) -> Deed:
    """Delete a block that an agent has."""
    agent = await house.agent(blocks=(BlockDraft(label="human"),))
    return lambda: house.main.blocks.delete(agent.block_ids[0])


async def create_tool(house: House) -> Deed:
    """Create a tool."""
    return lambda: house.main.tools.create(ToolDraft(name="roll"))


async def upsert_new_tool(house: House) -> Deed:
    """Upsert a tool that is not there."""
    return lambda: house.main.tools.upsert(ToolDraft(name="roll"))


async def upsert_old_tool(house: House) -> Deed:
    """Upsert a tool that is there."""
    await house.main.tools.create(ToolDraft(name="roll"))
    return lambda: house.main.tools.upsert(ToolDraft(name="roll", description="Roll dice."))


async def rename_tool(house: House) -> Deed:
    """Rename a tool."""
    tool = await house.main.tools.create(ToolDraft(name="roll"))
    return lambda: house.main.tools.update(tool.id, ToolChanges(name="throw"))


async def delete_tool(house: House) -> Deed:
    """Delete a tool that an agent has."""
    agent = await house.agent(ToolDraft(name="roll"))
    return lambda: house.main.tools.delete(agent.tool_ids[0])


async def read_all(house: House) -> Deed:
    """Read everything in every way."""
    agent = await house.agent(ToolDraft(name="roll"), blocks=(BlockDraft(label="human"),))
    result = await house.main.messages.send(agent.id, [said()])
    main, block_id, tool_id, run_id = house.main, agent.block_ids[0], agent.tool_ids[0], result.run.id
    reads: tuple[Deed, ...] = (
        lambda: main.agents.get(agent.id),
        lambda: main.agents.state(agent.id),
        lambda: main.agents.list(),
        lambda: main.agents.list(which=AgentFilter(name="Ada")),
        lambda: main.agents.blocks(agent.id),
        lambda: main.agents.block(agent.id, "human"),
        lambda: main.agents.tools(agent.id),
        lambda: main.blocks.get(block_id),
        lambda: main.blocks.list(which=BlockFilter(label="human")),
        lambda: main.blocks.agents_of(block_id),
        lambda: main.tools.get(tool_id),
        lambda: main.tools.by_name("roll"),
        lambda: main.tools.list(),
        lambda: main.messages.list(agent.id),
        lambda: main.messages.get(result.messages[0].id),
        lambda: main.runs.get(run_id),
        lambda: main.runs.list(which=RunFilter(agent_ids=(agent.id,))),
        lambda: main.runs.messages(run_id),
        lambda: main.runs.steps(run_id),
    )
    return lambda: _all(reads)


async def _all(deeds: tuple[Deed, ...]) -> list[object]:
    waiting: list[Awaitable[object]] = [deed() for deed in deeds]
    return [await one for one in waiting]


WRITES: tuple[Story, ...] = (
    create_agent,
    update_agent,
    delete_agent,
    attach_block,
    detach_block,
    attach_tool,
    detach_tool,
    relabel_block,
    create_block,
    update_block,
    delete_block,
    create_tool,
    upsert_new_tool,
    upsert_old_tool,
    rename_tool,
    delete_tool,
)


@pytest.mark.parametrize("harm", [Harm.FAIL, Harm.LOSE])
@pytest.mark.parametrize("story", [*WRITES, read_all], ids=lambda story: story.__name__)
def test_call_happens_once(story: Story, harm: Harm) -> None:
    """Whichever commit fails or loses its acknowledgement, the call ends as if nothing had gone wrong."""
    expected = calm_outcome(story)
    ends = list(outcomes(story, harm))
    assert [expected] * len(ends) == ends
    assert ends


@pytest.mark.parametrize("story", WRITES, ids=lambda story: story.__name__)
def test_call_that_cannot_be_stored_changes_nothing(story: Story) -> None:
    """If the store fails for good before the call's first commit, it raises StoreError and leaves all as it was."""
    first = next(iter(outcomes(story, Harm.FAIL_ON)))
    assert ("the disk is full", before(story).left) == (str(first.result), first.left)
