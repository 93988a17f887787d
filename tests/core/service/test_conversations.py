"""Conversations: threads that share an agent and nothing else."""

import asyncio
import datetime as dt

import attrs
import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded, NotFound
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.message import Message, Role
from kelpie_core.service.conversations import CONTEXT_TOKENS_MAX, ConversationFilter
from kelpie_core.service.drafts import (
    AgentDraft,
    BlockDraft,
    ConversationChanges,
    ConversationDraft,
    Page,
    ToolDraft,
    TurnOptions,
)
from kelpie_core.service.runs import RunFilter
from kelpie_core.service.sweeps import run_due_sweeps
from tests.house import OTHERS, House, call, everything, gist, house, said
from tests.twins import NOON, Act, Harm, Reply, virtual

FULL = ConversationDraft(
    summary="s", description="d", model="a/b", model_settings={"temperature": 1}, context_window_limit=9, hidden=True
)


async def talked(home: House, text: str = "one", **draft: str) -> tuple[str, str]:
    """Return an agent and a conversation of it in which one turn was taken."""
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft(**draft))  # type: ignore[arg-type]
    await home.main.messages.send(agent.id, [said(text)], conversation_id=made.conversation.id)
    return agent.id, made.conversation.id


async def history(home: House, agent_id: str, conversation_id: str | None) -> list[Message]:
    """Return the messages of a thread."""
    return list(await home.main.messages.list(agent_id, conversation_id=conversation_id))


@virtual
async def test_new_conversation() -> None:
    """A conversation has every field of its draft, an owner, and a system message of its own in its window."""
    home = house()
    agent = await home.main.agents.create(
        AgentDraft(name="Ada", system="Be.", blocks=(BlockDraft(label="b", value="v"),))
    )
    made = await home.main.conversations.create(agent.id, FULL)
    expected = Conversation(
        id=made.conversation.id,
        agent_id=agent.id,
        organization_id=home.main.actor.organization_id,
        created_by_id=home.main.actor.user_id,
        created_at=NOON,
        updated_at=NOON,
        **attrs.asdict(FULL, recurse=False),
    )
    assert expected == made.conversation == await home.main.conversations.get(expected.id)
    assert made == await home.main.conversations.state(expected.id)
    (first,) = await history(home, agent.id, expected.id)
    assert (Role.SYSTEM, expected.id, (first.id,)) == (first.role, first.conversation_id, made.window_ids)
    assert gist([first]) == gist(await history(home, agent.id, None))


@virtual
async def test_threads_know_nothing_of_each_other() -> None:
    """Each thread has its own messages, numbers, window and runs; what is noted is when it was used last."""
    home = house()
    agent_id, conversation_id = await talked(home)
    await home.main.messages.send(agent_id, [said("beside")])
    assert [["user: one"], ["user: beside"]] == [gist(request.messages) for request in home.model.requests]
    own = await history(home, agent_id, conversation_id)
    assert ["system:", "user: one", "assistant: hello there"] == gist(own)
    assert [(0, conversation_id), (1, conversation_id), (2, conversation_id)] == [
        (message.seq, message.conversation_id) for message in own
    ]
    assert ["system:", "user: beside", "assistant: hello there"] == gist(await history(home, agent_id, None))
    (run,) = await home.main.runs.list(which=RunFilter(thread_id=conversation_id))
    assert (conversation_id, NOON) == (run.conversation_id, run.created_at)
    used = await home.main.conversations.get(conversation_id)
    assert (NOON, NOON) == (used.last_message_at, used.last_run_completion)
    assert own[1] == await home.main.messages.get(own[1].id)


@virtual
async def test_turns_of_two_threads_run_side_by_side() -> None:
    """A turn of one thread does not keep another from its own; one thread has one turn at a time."""
    home = house(Reply(text="slow", seconds=100))
    agent = await home.agent()
    ids = [(await home.main.conversations.create(agent.id, ConversationDraft())).conversation.id for _ in range(2)]
    turns = [home.main.messages.send(agent.id, [said()], conversation_id=one) for one in (None, *ids)]
    await asyncio.gather(*turns)
    assert 100 == (home.clock.now() - NOON).total_seconds()


@virtual
async def test_conversation_has_its_own_model() -> None:
    """A conversation's model and settings stand in place of the agent's; a request's own model before both."""
    home = house()
    agent = await home.agent(model="agent/m", model_settings={"temperature": 0}, llm_config={"model": "m"})
    drafts = (
        ConversationDraft(),
        ConversationDraft(model="conv/m"),
        ConversationDraft(model_settings={"temperature": 2}),
    )
    for draft in drafts:
        made = await home.main.conversations.create(agent.id, draft)
        await home.main.messages.send(agent.id, [said()], conversation_id=made.conversation.id)
    options = TurnOptions(model="request/m", system="Be brief.")
    await home.main.messages.send(agent.id, [said()], options, conversation_id=made.conversation.id)
    assert [
        ("agent/m", {"temperature": 0}, {"model": "m"}, ""),
        ("conv/m", None, None, ""),
        ("agent/m", {"temperature": 2}, {"model": "m"}, ""),
        ("request/m", None, None, "Be brief."),
    ] == [(one.model, one.model_settings, one.llm_config, one.system) for one in home.model.requests]
    assert "request/m" == (await history(home, agent.id, made.conversation.id))[-1].model


@virtual
async def test_conversations_are_listed() -> None:
    """Lists hold those of an agent or of all, in each order, without the hidden ones, archived ones as asked."""
    home = house()
    agent, other = await home.agent(), await home.agent()
    ids = []
    for number, owner in enumerate((agent, agent, agent, other)):
        made = await home.main.conversations.create(owner.id, ConversationDraft(summary=f"About {number}"))
        ids.append(made.conversation.id)
        await home.clock.sleep(1)
    await home.main.conversations.create(agent.id, FULL)
    await home.main.conversations.update(ids[1], ConversationChanges(archived_at=NOON))
    await home.main.messages.send(agent.id, [said()], conversation_id=ids[0])

    async def found(page: Page = Page(), **which: object) -> list[int]:
        some = await home.main.conversations.list(page, ConversationFilter(**which))  # type: ignore[arg-type]
        return [ids.index(one.id) for one in some]

    assert [0, 2, 3] == await found()
    assert [0, 2] == await found(agent_id=agent.id)
    assert [1] == await found(archived=True)
    assert [3, 2, 1, 0] == await found(Page(descending=True), archived=None)
    assert [2, 3, 0] == await found(order="last_message_at")
    assert [2, 0] == await found(agent_id=agent.id, order="last_run_completion")
    assert [2] == await found(summary_search="ABOUT 2")
    assert [2] == await found(Page(limit=1, after=ids[0]))
    assert [0] == await found(Page(before=ids[2]))
    with pytest.raises(InvalidInput, match=r"\$\.after"):
        await found(Page(after="conv-x"))
    with pytest.raises(NotFound):
        await found(agent_id="agent-x")


@virtual
async def test_conversation_is_changed() -> None:
    """What is set is changed, what is not stays, and the time of the change is noted."""
    home = house()
    made = await home.main.conversations.create((await home.agent()).id, FULL)
    await home.clock.sleep(1)
    later = NOON + dt.timedelta(seconds=1)
    changes = ConversationChanges(summary=None, archived_at=later, last_message_at=NOON)
    new = await home.main.conversations.update(made.conversation.id, changes)
    expected = attrs.evolve(
        made.conversation,
        summary=None,
        archived_at=later,
        last_message_at=NOON,
        updated_at=later,
        last_updated_by_id=home.main.actor.user_id,
    )
    assert expected == new.conversation == await home.main.conversations.get(expected.id)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": "x" * 513}, r"\$\.model"),
        ({"summary": "\ud800"}, r"\$\.summary"),
        ({"description": "\ud800"}, r"\$\.description"),
        ({"context_window_limit": 0}, r"\$\.context_window_limit"),
        ({"context_window_limit": CONTEXT_TOKENS_MAX + 1}, r"\$\.context_window_limit"),
    ],
)
@virtual
async def test_unfit_conversation_is_refused(fields: dict[str, object], path: str) -> None:
    """What cannot be stored is refused with its path, when it is made and when it is changed."""
    home = house()
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    with pytest.raises((InvalidInput, LimitExceeded), match=path):
        await home.main.conversations.create(agent.id, ConversationDraft(**fields))  # type: ignore[arg-type]
    with pytest.raises((InvalidInput, LimitExceeded), match=path):
        await home.main.conversations.update(made.conversation.id, ConversationChanges(**fields))  # type: ignore[arg-type]
    assert made.conversation == await home.main.conversations.get(made.conversation.id)


@virtual
async def test_deleted_conversation_leaves_nothing() -> None:
    """A conversation goes with all that belongs to it; the agent and its other threads stay."""
    home = house()
    agent_id, conversation_id = await talked(home)
    await home.main.messages.send(agent_id, [said("beside")])
    before = await everything(home.memory)
    await home.main.conversations.delete(conversation_id)
    after = await everything(home.memory)
    assert ("conversations" not in after, "sweeps" not in after) == (True, True)
    counts = {name: (len(before[name]), len(after[name])) for name in ("agents", "heads", "messages", "runs", "steps")}
    assert {"agents": (1, 1), "heads": (2, 1), "messages": (6, 3), "runs": (2, 1), "steps": (2, 1)} == counts
    for read in (home.main.conversations.get, home.main.conversations.state, home.main.conversations.delete):
        with pytest.raises(NotFound, match=conversation_id):
            await read(conversation_id)
    with pytest.raises(NotFound, match=conversation_id):
        await home.main.messages.send(agent_id, [said()], conversation_id=conversation_id)


@virtual
async def test_what_is_left_of_a_deleted_conversation_is_hidden() -> None:
    """As long as the sweep cannot be done nobody finds anything of it."""
    home = house()
    agent_id, conversation_id = await talked(home)
    (run,) = await home.main.runs.list()
    message = (await history(home, agent_id, conversation_id))[1]
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.conversations.delete(conversation_id)
    home.store.arm(None)
    assert 1 == len((await everything(home.memory))["runs"])
    assert ([], []) == (await home.main.runs.list(), await home.main.runs.list_steps())
    assert ["system:"] == gist(await home.main.messages.list_all())
    for waiting in (home.main.runs.get(run.id), home.main.runs.messages(run.id), home.main.messages.get(message.id)):
        with pytest.raises(NotFound):
            await waiting
    assert 1 == await run_due_sweeps(home.ports())
    assert {"agents", "heads", "messages"} == set(await everything(home.memory))


@virtual
async def test_turn_in_a_deleted_conversation_ends() -> None:
    """A turn whose conversation goes stores nothing more."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()], conversation_id=made.conversation.id))
    await asyncio.sleep(1)
    await home.main.conversations.delete(made.conversation.id)
    with pytest.raises(NotFound):
        await turn
    assert {"agents", "heads", "messages"} == set(await everything(home.memory))


@virtual
async def test_deletion_survives_lost_acknowledgements() -> None:
    """A deletion whose commits go through unheard is a deletion; one that dies is finished by the next process."""
    for at in range(1, 8):
        for harm in (Harm.LOSE, Harm.DIE_AFTER, Harm.DIE_BEFORE):
            home = house()
            _, conversation_id = await talked(home)
            await home.die(home.main.conversations.delete(conversation_id), harm, at)
            home.store.arm(None)
            await run_due_sweeps(home.ports())
            left = set(await everything(home.memory)) - {"agents", "heads", "messages"}
            began = harm is not Harm.DIE_BEFORE or at > 1
            assert (set() if began else {"conversations", "runs", "steps"}) == left


@virtual
async def test_conversations_go_with_their_agent() -> None:
    """Deleting an agent deletes its conversations, however many; until they are swept nobody finds them."""
    home = house()
    agent_id, conversation_id = await talked(home)
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.agents.delete(agent_id)
    home.store.arm(None)
    with pytest.raises(NotFound, match=conversation_id):
        await home.main.conversations.get(conversation_id)
    assert [] == await home.main.conversations.list()
    await run_due_sweeps(home.ports())
    assert {} == await everything(home.memory)


@virtual
async def test_fork_shares_what_the_window_holds() -> None:
    """A fork holds copies of the settled messages in order, with ids, runs and steps of its own, set up alike."""
    home = house(Reply(text="let me see", calls=(call("roll"),)), Reply(text="a six"))
    agent = await home.agent(ToolDraft(name="roll"))
    source = (await home.main.conversations.create(agent.id, attrs.evolve(FULL, hidden=False))).conversation
    await home.main.messages.send(agent.id, [said("roll", otid="o")], conversation_id=source.id)
    forked = await home.main.conversations.fork(agent.id, source.id)
    whole, copies = await history(home, agent.id, source.id), await history(home, agent.id, forked.conversation.id)
    assert gist(whole) == gist(copies)
    assert [0, 1, 2, 3, 4] == [message.seq for message in copies]
    assert tuple(message.id for message in copies) == forked.window_ids
    assert set() == {m.id for m in whole} & {m.id for m in copies}
    old, new = ([(m.run_id, m.step_id) for m in some[1:]] for some in (whole, copies))
    assert (1, 2) == (len({run for run, _ in new}), len({step for _, step in new if step}))
    assert [step is None for _, step in old] == [step is None for _, step in new]
    assert set() == {run for run, _ in old} & {run for run, _ in new}
    assert ("s", "d", "a/b", {"temperature": 1}, 9, False, None) == (
        forked.conversation.summary,
        forked.conversation.description,
        forked.conversation.model,
        forked.conversation.model_settings,
        forked.conversation.context_window_limit,
        forked.conversation.hidden,
        forked.conversation.last_message_at,
    )
    await home.main.conversations.delete(source.id)
    await home.main.messages.send(agent.id, [said("again", otid="o")], conversation_id=forked.conversation.id)
    assert "user: again" == gist(await history(home, agent.id, forked.conversation.id))[5]


@virtual
async def test_fork_up_to_a_message() -> None:
    """A fork may end at a message of the window; not at one whose calls are answered behind it."""
    home = house(Reply(calls=(call("roll"),)), Reply(text="a six"))
    agent = await home.agent(ToolDraft(name="roll"))
    await home.main.messages.send(agent.id, [said("roll")])
    (_, user, asking, returned, _) = await history(home, agent.id, None)
    for message, count in ((user, 2), (returned, 4)):
        forked = await home.main.conversations.fork(agent.id, message_id=message.id, hidden=True)
        assert (count, True) == (len(forked.window_ids), forked.conversation.hidden)
    with pytest.raises(InvalidInput, match=r"\$\.message_id: its tool calls are answered later"):
        await home.main.conversations.fork(agent.id, message_id=asking.id)
    with pytest.raises(NotFound, match="message-x"):
        await home.main.conversations.fork(agent.id, message_id="message-x")


@virtual
async def test_fork_of_a_thread_at_work() -> None:
    """What is in the middle of an exchange is left out of a fork, and comes in the source only."""
    home = house(Reply(calls=(call("roll"),)), Reply(text="a six"), roll=Act(seconds=10))
    agent = await home.agent(ToolDraft(name="roll"))
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said("roll")]))
    await asyncio.sleep(1)
    forked = await home.main.conversations.fork(agent.id)
    await turn
    assert ["system:", "user: roll"] == gist(await history(home, agent.id, forked.conversation.id))


@virtual
async def test_creation_is_not_done_twice() -> None:
    """A conversation or a fork whose commit went through unheard is there once."""
    home = house()
    agent = await home.agent()
    for make in (
        lambda: home.main.conversations.create(agent.id, ConversationDraft()),
        lambda: home.main.conversations.fork(agent.id),
    ):
        home.store.arm(Harm.LOSE, 1)
        made = await make()
        home.store.arm(None)
        assert made == await home.main.conversations.state(made.conversation.id)
    assert 2 == len(await home.main.conversations.list())


@virtual
async def test_prompt_is_rendered_as_it_is_now() -> None:
    """The compiled prompt is what the next model call is given, blocks included."""
    home = house()
    blocks = (BlockDraft(label="human", value="Bo"),)
    agent = await home.main.agents.create(AgentDraft(name="Ada", system="Be.", blocks=blocks))
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    text = await home.main.conversations.compiled(agent.id)
    assert text == await home.main.conversations.compiled(agent.id, made.conversation.id)
    await home.main.messages.send(agent.id, [said()])
    assert home.model.requests[0].system == text
    with pytest.raises(NotFound):
        await home.main.conversations.compiled(agent.id, "conv-x")


@virtual
async def test_other_organizations_conversation_is_not_found() -> None:
    """Nobody reads, changes, deletes, forks or writes to what is another organization's, or another agent's."""
    home = house()
    agent_id, conversation_id = await talked(home)
    second = await home.agent()
    others = home.main.acting_as(OTHERS)
    for waiting in (
        others.conversations.get(conversation_id),
        others.conversations.state(conversation_id),
        others.conversations.update(conversation_id, ConversationChanges(summary="x")),
        others.conversations.delete(conversation_id),
        others.conversations.fork(agent_id, conversation_id),
        others.conversations.compiled(agent_id, conversation_id),
        others.conversations.create(agent_id, ConversationDraft()),
        others.messages.list(agent_id, conversation_id=conversation_id),
        others.messages.reset(agent_id, conversation_id=conversation_id),
        others.messages.cancel(agent_id, conversation_id=conversation_id),
        others.runs.list(which=RunFilter(thread_id=conversation_id)),
        home.main.conversations.fork(second.id, conversation_id),
        home.main.messages.list(second.id, conversation_id=conversation_id),
        home.main.messages.send(second.id, [said()], conversation_id=conversation_id),
    ):
        with pytest.raises(NotFound):
            await waiting
    assert ([], []) == (await others.conversations.list(), await others.messages.list_all())


@virtual
async def test_walk_goes_on_where_a_conversation_was_deleted() -> None:
    """Whoever lists conversations and deletes each misses none, and is never told that the cursor names nothing."""
    home = house()
    agent = await home.agent()
    for _ in range(5):
        await home.main.conversations.create(agent.id, ConversationDraft())
        await home.clock.sleep(1)
    page, deleted = Page(limit=2), 0
    while found := await home.main.conversations.list(page):
        for conversation in found:
            await home.main.conversations.delete(conversation.id)
            deleted += 1
        page = Page(limit=2, after=found[-1].id)
    assert (5, {"agents", "heads", "messages"}) == (deleted, set(await everything(home.memory)))
    with pytest.raises(InvalidInput, match=r"\$\.after"):
        await home.main.conversations.list(page, ConversationFilter(order="last_message_at"))
