"""Export of threads: a conversation's, one that was reset, one that is in the middle of an exchange."""

import json
from typing import Any

import attrs
import pytest

from kelpie_core.errors import NotFound, Refused
from kelpie_core.limits import IMPORT_CHUNK_MESSAGES
from kelpie_core.model.message import Role
from kelpie_core.records import HEADS, MESSAGES
from kelpie_core.service.drafts import ConversationDraft
from tests.house import House, call, gist, house, said
from tests.twins import Harm, virtual


async def exported(home: House, agent_id: str, conversation_id: str | None = None) -> list[dict[str, Any]]:
    """Return the messages of a thread's file; the file must be one that can be imported."""
    pieces = home.main.transfer.export_file(agent_id, conversation_id=conversation_id)
    file = b"".join([piece async for piece in pieces])
    await home.main.transfer.import_file(file)
    messages: list[dict[str, Any]] = json.loads(file)["agents"][0]["messages"]
    return messages


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Return what messages of a file say."""
    return ["".join(part["text"] for part in message["content"]) for message in messages]


@virtual
async def test_conversation_is_exported() -> None:
    """A conversation's file holds its own history, the agent's file the default thread's."""
    home = house()
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    await home.main.messages.send(agent.id, [said("in it")], conversation_id=made.conversation.id)
    await home.main.messages.send(agent.id, [said("beside it")])
    assert ["", "in it", "hello there"] == texts(await exported(home, agent.id, made.conversation.id))
    assert ["", "beside it", "hello there"] == texts(await exported(home, agent.id))
    with pytest.raises(NotFound, match="conv-x"):
        await exported(home, agent.id, "conv-x")


@pytest.mark.parametrize("swept", [True, False])
@virtual
async def test_what_was_reset_is_not_exported(swept: bool) -> None:
    """What a reset took away leaves no trace in a file, be it swept or not; what came after is all there."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said("secret")])
    home.store.arm(None if swept else Harm.FAIL_ON, 2)
    await home.main.messages.reset(agent.id)
    home.store.arm(None)
    assert [""] == texts(await exported(home, agent.id))
    await home.main.messages.send(agent.id, [said("open")])
    messages = await exported(home, agent.id)
    assert [("message-0", ""), ("message-3", "open"), ("message-4", "hello there")] == list(
        zip([message["id"] for message in messages], texts(messages), strict=True)
    )


@virtual
async def test_reset_of_all_messages_is_exported() -> None:
    """A thread of which a reset left nothing gives a file without messages, and goes on from there."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        await tx.delete(MESSAGES, (agent.id, 0))
    await home.main.messages.reset(agent.id)
    assert [] == await exported(home, agent.id)
    await home.main.messages.send(agent.id, [said("new")])
    assert ["new", "hello there"] == texts(await exported(home, agent.id))


@virtual
async def test_reset_during_an_export_is_told() -> None:
    """An export whose messages are reset before they are read ends with an error, not with a short file."""
    home = house()
    agent = await home.agent()
    async with home.memory.transaction() as tx:
        head, first = await tx.get(HEADS, (agent.id,)), await tx.get(MESSAGES, (agent.id, 0))
        assert head is not None
        assert first is not None
        for seq in range(1, IMPORT_CHUNK_MESSAGES + 1):
            await tx.put(MESSAGES, attrs.evolve(first, id=f"m{seq}", seq=seq))
        await tx.put(HEADS, attrs.evolve(head, seq_next=IMPORT_CHUNK_MESSAGES + 1))
    pieces = home.main.transfer.export_file(agent.id)
    for _ in range(2):
        await anext(pieces)
    await home.main.messages.reset(agent.id)
    with pytest.raises(Refused, match=f"the messages of {agent.id} were reset while they were exported"):
        await anext(pieces)


@virtual
async def test_exchange_that_waits_is_left_out() -> None:
    """A request for approval is left for the next export, with an answer to it whose return is not there yet."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    async with home.memory.transaction() as tx:
        head, last = await tx.get(HEADS, (agent.id,)), await tx.get(MESSAGES, (agent.id, 2))
        assert head is not None
        assert last is not None
        asking = attrs.evolve(last, id="m3", seq=3, role=Role.APPROVAL, tool_calls=(call("roll"),))
        answer = attrs.evolve(last, id="m4", seq=4, role=Role.APPROVAL, approve=True)
        for message in (asking, answer):
            await tx.put(MESSAGES, message)
        await tx.put(HEADS, attrs.evolve(head, seq_next=5))
    assert ["", "hi", "hello there"] == texts(await exported(home, agent.id))
    assert 5 == len(gist(await home.main.messages.list(agent.id)))
