"""An agent with what belongs to it at one moment: its head, its last run, and whichever of its parts are wanted."""

import attrs

from kelpie_core.limits import WINDOW_MESSAGES_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead, LastRun
from kelpie_core.model.block import Block
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Transaction
from kelpie_core.records import AGENTS, BLOCKS, CONVERSATIONS, HEADS, TOOLS
from kelpie_core.service.history import read_window
from kelpie_core.service.owned import read_all_owned, read_head, read_owned


@attrs.frozen(kw_only=True)
class Parts:
    """Which parts of an agent are wanted."""

    blocks: bool = True
    tools: bool = True
    window: bool = True


WHOLE = Parts()


@attrs.frozen(kw_only=True)
class AgentState:
    """All that makes up an agent at one moment. `window_ids` are the last messages that the model may see.

    What is not wanted is empty, and `window_ids` None.
    """

    agent: Agent
    head: AgentHead
    blocks: tuple[Block, ...] = ()
    tools: tuple[Tool, ...] = ()
    window_ids: tuple[str, ...] | None = None
    last_run: LastRun | None = None


async def read_state(tx: Transaction, actor: Actor, agent_id: str, parts: Parts) -> AgentState:
    """Return the actor's agent with these parts; raise NotFound."""
    agent = await read_owned(tx, actor, AGENTS, agent_id)
    head = await read_head(tx, actor, agent_id)
    window = await read_window(tx, head, WINDOW_MESSAGES_MAX) if parts.window else None
    last = await read_last_head(tx, head)
    return AgentState(
        agent=agent,
        head=head,
        blocks=await read_all_owned(tx, actor, BLOCKS, agent.block_ids) if parts.blocks else (),
        tools=await read_all_owned(tx, actor, TOOLS, agent.tool_ids) if parts.tools else (),
        window_ids=None if window is None else tuple(message.id for message in window),
        last_run=last.last_run,
    )


async def read_last_head(tx: Transaction, head: AgentHead) -> AgentHead:
    """Return the head of the agent's thread whose run ended last, given that of its default thread.

    Runs of several threads end side by side, each noted on its own head: so none has to wait for another.
    """
    latest = await tx.scan(CONVERSATIONS, "by_agent_run", (head.agent_id,), limit=1, descending=True)
    if not latest:
        return head
    other = await tx.get(HEADS, (latest[0].id,))
    if other is None or other.ran_at is None or (head.ran_at is not None and head.ran_at >= other.ran_at):
        return head
    return other
