"""Reading what belongs to the actor. Another organization's things are not found, as if they did not exist."""

from typing import TypeVar

from kelpie_core.errors import NotFound
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.block import Block
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run
from kelpie_core.model.step import Step
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Transaction
from kelpie_core.records import AGENTS, BLOCKS, CONVERSATIONS, HEADS, Table

Owned = TypeVar("Owned", Agent, Block, Tool, Run, Conversation, Step)


async def read_owned(tx: Transaction, actor: Actor, table: Table[Owned], key: str) -> Owned:
    """Return the actor's record with that id; raise NotFound."""
    record = await tx.get(table, (key,))
    if record is None or record.organization_id != actor.organization_id:
        raise NotFound(table.noun, key)
    return record


async def read_conversation(tx: Transaction, actor: Actor, conversation_id: str) -> Conversation:
    """Return the actor's conversation; raise NotFound, also if its agent was deleted and the sweep is yet to come."""
    conversation = await read_owned(tx, actor, CONVERSATIONS, conversation_id)
    if await tx.get(AGENTS, (conversation.agent_id,)) is None:
        raise NotFound(CONVERSATIONS.noun, conversation_id)
    return conversation


async def read_head(tx: Transaction, actor: Actor, agent_id: str, conversation_id: str | None = None) -> AgentHead:
    """Return the head of the actor's agent, or of a conversation of it; raise NotFound."""
    await read_owned(tx, actor, AGENTS, agent_id)
    if conversation_id is not None:
        conversation = await read_owned(tx, actor, CONVERSATIONS, conversation_id)
        if conversation.agent_id != agent_id:
            raise NotFound(CONVERSATIONS.noun, conversation_id)
    head = await tx.get(HEADS, (conversation_id or agent_id,))
    if head is None:
        raise NotFound("agent" if conversation_id is None else CONVERSATIONS.noun, conversation_id or agent_id)
    return head


async def is_there(tx: Transaction, part: Message | Run) -> bool:
    """Return whether the thread of a message or run is there: its agent or conversation may be gone, and it not yet."""
    if await tx.get(AGENTS, (part.agent_id,)) is None:
        return False
    return part.conversation_id is None or await tx.get(CONVERSATIONS, (part.conversation_id,)) is not None


async def is_shown(tx: Transaction, message: Message) -> bool:
    """Return whether a message is there for anybody: its thread is, and no reset took it away."""
    if not await is_there(tx, message):
        return False
    head = await tx.get(HEADS, (message.thread_id,))
    return head is not None and not head.hides(message.seq)


async def read_all_owned(
    tx: Transaction, actor: Actor, table: Table[Owned], keys: tuple[str, ...]
) -> tuple[Owned, ...]:
    """Return the actor's records with these ids, in that order; raise NotFound for the first that is missing."""
    return tuple([await read_owned(tx, actor, table, key) for key in keys])


async def read_blocks(tx: Transaction, agent: Agent) -> tuple[Block, ...]:
    """Return the agent's blocks as they are in this transaction, in their order; one that is gone is left out."""
    return tuple([block for key in agent.block_ids if (block := await tx.get(BLOCKS, (key,))) is not None])
