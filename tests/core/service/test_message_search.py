"""Searching messages by words."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded, NotFound
from kelpie_core.limits import SEARCH_CHARS_MAX, SEARCH_MESSAGES_MAX, SEARCH_PIECE_MESSAGES
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.records import MESSAGES
from kelpie_core.service.drafts import ConversationDraft
from kelpie_core.service.message_search import FoundMessages, MessageQuery, role_of, said_in
from tests.contracts.made import put
from tests.house import OTHERS, House, house, said
from tests.twins import NOON, virtual

LINES = ("Red tea", "green TEA leaves", "coffee", "tea, red and hot", "お茶をください")


def at(second: int) -> dt.datetime:
    """Return a time."""
    return NOON + dt.timedelta(seconds=second)


def line(agent: Agent, seq: int, text: str, **fields: Any) -> Message:
    """Return a stored message, one each second."""
    message = Message(
        id=f"m{seq:05}",
        agent_id=agent.id,
        organization_id=agent.organization_id,
        seq=seq,
        role=Role.USER,
        content=(TextPart(text=text),),
        created_at=at(seq),
    )
    return attrs.evolve(message, **fields)


async def told(home: House, *texts: str) -> Agent:
    """Return an agent that was told these lines, one each second, from the second 1 on."""
    agent = await home.agent()
    await put(home.memory, MESSAGES, *(line(agent, seq, text) for seq, text in enumerate(texts, 1)))
    return agent


def numbers(found: FoundMessages | Sequence[Message]) -> list[int]:
    """Return the places of messages in their thread."""
    return [one.seq for one in (found.messages if isinstance(found, FoundMessages) else found)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (MessageQuery(words="tea"), [4, 2, 1]),
        (MessageQuery(words="red TEA"), [1, 4, 2]),
        (MessageQuery(words="hot coffee"), [4, 3]),
        (MessageQuery(words="茶"), [5]),
        (MessageQuery(words="nothing"), []),
        (MessageQuery(), [5, 4, 3, 2, 1]),
        (MessageQuery(words="tea", start=at(1)), [4, 2]),
        (MessageQuery(words="tea", end=at(2)), [2, 1]),
        (MessageQuery(words="tea", start=at(2), end=at(3)), []),
        (MessageQuery(words="tea", end=dt.datetime.max.replace(tzinfo=dt.UTC)), [4, 2, 1]),
        (MessageQuery(words="tea", roles=frozenset((Role.ASSISTANT,))), []),
    ],
)
@pytest.mark.parametrize("scope", ["organization", "agent", "thread", "both"])
@virtual
async def test_words(query: MessageQuery, expected: list[int], scope: str) -> None:
    """What has all words as they were asked comes first, then what has most of them, then the newest."""
    home = house()
    agent = await told(home, *LINES)
    query = attrs.evolve(
        query,
        agent_id=agent.id if scope in ("agent", "both") else None,
        thread_id=agent.id if scope in ("thread", "both") else None,
    )
    found = await home.main.messages.search(query)
    assert (expected, None) == (numbers(found), found.read_back_to)
    assert expected[:2] == numbers(await home.main.messages.search(query, 2))


@virtual
async def test_scopes() -> None:
    """A search sees the threads that it is for and no other; what was reset away or deleted is not found."""
    home = house()
    first, second = await told(home, "tea one"), await told(home, "tea two")
    talk = (await home.main.conversations.create(first.id, ConversationDraft())).conversation
    await home.main.messages.send(first.id, [said("tea three")], conversation_id=talk.id)
    search = home.main.messages.search

    async def texts(**fields: Any) -> list[str]:
        return sorted(said_in(one) for one in (await search(MessageQuery(words="tea", **fields))).messages)

    assert ["tea one", "tea three", "tea two"] == await texts()
    assert ["tea one", "tea three"] == await texts(agent_id=first.id)
    assert (["tea three"], ["tea one"]) == (await texts(thread_id=talk.id), await texts(thread_id=first.id))
    assert [] == await texts(agent_id=second.id, thread_id=talk.id)
    assert () == (await home.main.acting_as(OTHERS).messages.search(MessageQuery(words="tea"))).messages
    for query in (
        MessageQuery(agent_id=first.id),
        MessageQuery(thread_id=talk.id),
        MessageQuery(thread_id=first.id),
    ):
        with pytest.raises(NotFound):
            await home.main.acting_as(OTHERS).messages.search(query)
    await home.main.agents.delete(second.id)
    assert ["tea one", "tea three"] == await texts()


@virtual
async def test_what_is_said_by_a_tool() -> None:
    """What an agent says by send_message is found as its words; what tools returned only if they are asked for."""
    home = house()
    agent = await home.agent()
    call = ToolCall(id="c", name="send_message", arguments='{"message": "tea is ready"}')
    returned = ToolReturn(tool_call_id="c", status=ToolStatus.SUCCESS, text="tea: 3 cups")
    spoken = line(agent, 1, "hm", role=Role.APPROVAL, tool_calls=(call,))
    await put(
        home.memory,
        MESSAGES,
        spoken,
        line(agent, 2, "", role=Role.TOOL, content=(), tool_returns=(returned,)),
        line(agent, 3, "no tea", role=Role.APPROVAL),
    )
    assert ("hm\ntea is ready", Role.ASSISTANT) == (said_in(spoken), role_of(spoken))
    assert [1] == numbers(await home.main.messages.search(MessageQuery(words="tea")))
    tools = MessageQuery(words="tea", roles=frozenset((Role.TOOL,)))
    assert [2] == numbers(await home.main.messages.search(tools))


@virtual
async def test_a_search_gives_up_and_says_where() -> None:
    """No more messages are read than the bound; who goes on from where it gave up finds the rest."""
    home = house()
    agent = await told(home, "tea", *["water"] * (SEARCH_MESSAGES_MAX + SEARCH_PIECE_MESSAGES))
    query = MessageQuery(words="tea", agent_id=agent.id)
    found = await home.main.messages.search(query)
    assert ([], at(SEARCH_PIECE_MESSAGES + 2)) == (numbers(found), found.read_back_to)
    rest = await home.main.messages.search(attrs.evolve(query, end=found.read_back_to))
    assert ([1], None) == (numbers(rest), rest.read_back_to)


@virtual
async def test_long_messages_count() -> None:
    """A search gives up as well when what it read was long."""
    home = house()
    long = "water " * (SEARCH_CHARS_MAX // SEARCH_PIECE_MESSAGES // 6 + 1)
    agent = await told(home, "tea", *[long] * SEARCH_PIECE_MESSAGES)
    found = await home.main.messages.search(MessageQuery(words="tea", agent_id=agent.id))
    assert ([], at(2)) == (numbers(found), found.read_back_to)


@virtual
async def test_enough_is_enough() -> None:
    """Nothing older is read once as much was found as was asked for and cannot be beaten: one piece is enough."""
    home = house()
    agent = await told(home, *["tea"] * (2 * SEARCH_PIECE_MESSAGES))
    before = home.store.commits
    for query in (MessageQuery(words="tea", agent_id=agent.id), MessageQuery(agent_id=agent.id)):
        found = await home.main.messages.search(query, 3)
        assert [400, 399, 398] == numbers(found)
    assert before + 2 * 2 == home.store.commits


@virtual
async def test_bad_searches() -> None:
    """A search for nothing, for too much, or with endless words is refused."""
    home = house()
    for limit in (0, 101):
        with pytest.raises(InvalidInput, match=r"\$\.limit"):
            await home.main.messages.search(MessageQuery(), limit)
    with pytest.raises(LimitExceeded, match=r"\$\.query"):
        await home.main.messages.search(MessageQuery(words="x" * 2_001))
