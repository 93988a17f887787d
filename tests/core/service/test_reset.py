"""Resetting a thread: its messages go at once and for good, whatever breaks meanwhile."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import AgentBusy, NotFound
from kelpie_core.limits import LEASE_SECONDS, SWEEP_CHUNK_RECORDS
from kelpie_core.model.agent import Span
from kelpie_core.model.message import Message
from kelpie_core.records import HEADS, MESSAGES, SWEEPS
from kelpie_core.service.drafts import ConversationDraft
from kelpie_core.service.reset import reset_thread
from kelpie_core.service.sweeps import run_due_sweeps
from tests.house import OTHERS, House, gist, house, said
from tests.twins import Harm, Reply, virtual


async def stored(home: House, thread_id: str) -> list[Message]:
    """Return the messages of a thread as the store has them."""
    async with home.memory.transaction() as tx:
        return list(await tx.scan(MESSAGES, equals=(thread_id,), limit=1_000))


async def talked(home: House) -> str:
    """Return an agent that took a turn."""
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said("secret", otid="mine")])
    return agent.id


@virtual
async def test_only_the_system_message_stays() -> None:
    """Messages are gone from the store, the window and every read; runs and steps stay as the account of them."""
    home = house()
    agent_id = await talked(home)
    (_, user, reply) = await home.main.messages.list(agent_id)
    await home.main.messages.reset(agent_id)
    assert ["system:"] == gist(await stored(home, agent_id)) == gist(await home.main.messages.list(agent_id))
    state = await home.main.agents.state(agent_id)
    assert ((Span(first=0, end=1),), Span(first=1, end=3), 3) == (
        state.head.window,
        state.head.cleared,
        state.head.seq_next,
    )
    (run,) = await home.main.runs.list()
    assert 1 == len(await home.main.runs.steps(run.id))
    assert [] == await home.main.runs.messages(run.id)
    for message in (user, reply):
        with pytest.raises(NotFound, match=message.id):
            await home.main.messages.get(message.id)


@virtual
async def test_thread_goes_on_behind_what_is_gone() -> None:
    """New messages are numbered on; an otid of before begins a turn again, for its message is gone."""
    home = house()
    agent_id = await talked(home)
    await home.main.messages.reset(agent_id)
    await home.main.messages.send(agent_id, [said("again", otid="mine")])
    history = await home.main.messages.list(agent_id)
    assert [(0, "system:"), (3, "user: again"), (4, "assistant: hello there")] == [
        (message.seq, text) for message, text in zip(history, gist(history), strict=True)
    ]
    assert ["user: again"] == gist(home.model.requests[-1].messages)
    await home.main.messages.reset(agent_id)
    await home.main.messages.reset(agent_id)  # nothing came since: nothing happens
    assert Span(first=1, end=5) == (await home.main.agents.state(agent_id)).head.cleared


@virtual
async def test_what_is_not_swept_yet_is_hidden() -> None:
    """As long as the sweep cannot be done nobody sees the messages, in whichever list; then it removes them."""
    home = house()
    agent_id = await talked(home)
    (run,) = await home.main.runs.list()
    messages = await home.main.messages.list(agent_id)
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.messages.reset(agent_id)
    home.store.arm(None)
    assert 3 == len(await stored(home, agent_id))
    main = home.main
    shown = (await main.messages.list(agent_id), await main.messages.list_all(), await main.runs.messages(run.id))
    assert [["system:"], ["system:"], []] == [gist(found) for found in shown]
    assert [] == await main.runs.step_messages(messages[2].step_id or "")
    with pytest.raises(NotFound):
        await main.messages.get(messages[1].id)
    assert 1 == await run_due_sweeps(home.ports())
    assert ["system:"] == gist(await stored(home, agent_id))


@virtual
async def test_history_without_a_system_message_goes_whole() -> None:
    """Where a thread does not begin with a system message nothing is kept."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        head, first = await tx.get(HEADS, (agent.id,)), await tx.get(MESSAGES, (agent.id, 0))
        await tx.delete(MESSAGES, (agent.id, 0))
    assert head is not None
    assert first is not None
    await reset_thread(home.ports(), home.main.actor, agent.id, None)
    after = (await home.main.agents.state(agent.id)).head
    assert ((), Span(first=0, end=1)) == (after.window, after.cleared)


@virtual
async def test_long_history_goes_in_pieces() -> None:
    """A sweep deletes at most so many messages in a transaction, and none that came after the reset."""
    home = house()
    agent = await home.agent()
    count = 2 * SWEEP_CHUNK_RECORDS
    async with home.memory.transaction() as tx:
        head, first = await tx.get(HEADS, (agent.id,)), await tx.get(MESSAGES, (agent.id, 0))
        assert head is not None
        assert first is not None
        for seq in range(1, count + 1):
            await tx.put(MESSAGES, attrs.evolve(first, id=f"m{seq}", seq=seq))
        await tx.put(HEADS, attrs.evolve(head, seq_next=count + 1))
    await home.main.messages.reset(agent.id)
    await home.main.messages.send(agent.id, [said("new")])
    assert [0, count + 1, count + 2] == [message.seq for message in await stored(home, agent.id)]


@virtual
async def test_conversation_is_reset_by_itself() -> None:
    """Resetting one thread leaves the agent's others alone."""
    home = house()
    agent_id = await talked(home)
    made = await home.main.conversations.create(agent_id, ConversationDraft())
    await home.main.messages.send(agent_id, [said("apart")], conversation_id=made.conversation.id)
    await home.main.messages.reset(agent_id, conversation_id=made.conversation.id)
    assert 3 == len(await home.main.messages.list(agent_id))
    assert 1 == len(await home.main.messages.list(agent_id, conversation_id=made.conversation.id))


@virtual
async def test_thread_at_work_is_not_reset() -> None:
    """A turn in the way is waited for as asked; one that does not end is told of."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said("one")]))
    await asyncio.sleep(1)
    with pytest.raises(AgentBusy, match="is currently being processed"):
        await home.main.messages.reset(agent.id)
    waiting = asyncio.ensure_future(home.main.messages.reset(agent.id, wait_seconds=60))
    await asyncio.gather(turn, waiting)
    assert ["system:"] == gist(await home.main.messages.list(agent.id))


@virtual
async def test_thread_of_a_dead_process_is_taken_up_first() -> None:
    """A turn whose process died is taken up and ended before its thread is reset."""
    home = house()
    agent = await home.agent()
    assert await home.die(home.main.messages.send(agent.id, [said("one")]), Harm.DIE_AFTER, 1)
    await asyncio.sleep(LEASE_SECONDS)
    async with home.kelpie() as second:
        await second.messages.reset(agent.id, wait_seconds=60)
        assert ["system:"] == gist(await second.messages.list(agent.id))


@virtual
async def test_lost_acknowledgements_change_nothing() -> None:
    """A reset whose commits go through unheard is done once."""
    for at in range(1, 4):
        home = house()
        agent_id = await talked(home)
        home.store.arm(Harm.LOSE, at)
        await home.main.messages.reset(agent_id)
        home.store.arm(None)
        await run_due_sweeps(home.ports())
        assert ["system:"] == gist(await stored(home, agent_id))
        async with home.memory.transaction() as tx:
            assert [] == list(await tx.scan(SWEEPS, limit=10))


@virtual
async def test_other_organizations_thread_is_not_found() -> None:
    """Nobody resets what is another organization's."""
    home = house()
    agent_id = await talked(home)
    with pytest.raises(NotFound, match=agent_id):
        await home.main.acting_as(OTHERS).messages.reset(agent_id)
