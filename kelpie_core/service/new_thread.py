"""A new thread, the default one of an agent or a conversation: its system message, what follows, and its head."""

import datetime as dt
from collections.abc import Callable, Sequence

import attrs

from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.ports import Transaction
from kelpie_core.records import HEADS, MESSAGES
from kelpie_core.service.drafts import MessageDraft
from kelpie_core.service.owned import read_blocks
from kelpie_core.turn.window import extended, rendered_system


async def first_message(
    tx: Transaction, agent: Agent, key: str, created_at: dt.datetime, conversation_id: str | None = None
) -> Message:
    """Return the system message that a thread begins with, as the agent's blocks are now."""
    return Message(
        id=key,
        agent_id=agent.id,
        conversation_id=conversation_id,
        organization_id=agent.organization_id,
        seq=0,
        role=Role.SYSTEM,
        content=(TextPart(text=rendered_system(agent, await read_blocks(tx, agent))),),
        created_at=created_at,
    )


def following(first: Message, drafts: Sequence[MessageDraft], mint: Callable[[str], str]) -> tuple[Message, ...]:
    """Return the messages that people put behind the first one; `mint` gives a fresh id of a kind."""
    return tuple(
        attrs.evolve(first, id=mint("message"), seq=seq, **attrs.asdict(draft, recurse=False))
        for seq, draft in enumerate(drafts, 1)
    )


async def put_new_thread(tx: Transaction, messages: Sequence[Message]) -> None:
    """Store a thread that holds these messages, all of them in its window."""
    for message in messages:
        await tx.put(MESSAGES, message)
    first, count = messages[0], len(messages)
    head = AgentHead(
        agent_id=first.agent_id,
        conversation_id=first.conversation_id,
        organization_id=first.organization_id,
        seq_next=count,
        window=extended((), 0, count),
    )
    await tx.put(HEADS, head)
