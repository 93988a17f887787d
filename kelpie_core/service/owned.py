"""Reading what belongs to the actor. Another organization's things are not found, as if they did not exist."""

from typing import TypeVar

from kelpie_core.errors import NotFound
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.block import Block
from kelpie_core.model.run import Run
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Transaction
from kelpie_core.records import AGENTS, BLOCKS, HEADS, Table

Owned = TypeVar("Owned", Agent, Block, Tool, Run)


async def read_owned(tx: Transaction, actor: Actor, table: Table[Owned], key: str) -> Owned:
    """Return the actor's record with that id; raise NotFound."""
    record = await tx.get(table, (key,))
    if record is None or record.organization_id != actor.organization_id:
        raise NotFound(table.noun, key)
    return record


async def read_head(tx: Transaction, actor: Actor, agent_id: str) -> AgentHead:
    """Return the head of the actor's agent; raise NotFound."""
    await read_owned(tx, actor, AGENTS, agent_id)
    head = await tx.get(HEADS, (agent_id,))
    if head is None:
        raise NotFound("agent", agent_id)
    return head


async def read_all_owned(
    tx: Transaction, actor: Actor, table: Table[Owned], keys: tuple[str, ...]
) -> tuple[Owned, ...]:
    """Return the actor's records with these ids, in that order; raise NotFound for the first that is missing."""
    return tuple([await read_owned(tx, actor, table, key) for key in keys])


async def read_blocks(tx: Transaction, agent: Agent) -> tuple[Block, ...]:
    """Return the agent's blocks as they are in this transaction, in their order; one that is gone is left out."""
    return tuple([block for key in agent.block_ids if (block := await tx.get(BLOCKS, (key,))) is not None])
