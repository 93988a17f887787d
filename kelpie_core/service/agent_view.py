"""The agent as tools see it that ask for `agent_state`, and what becomes of the blocks they change.

A tool runs outside every transaction, so its edit is a new value for one that it saw. It is stored in the commit of the
tool's return if the block still has the value that the tool saw, and is refused there in words otherwise: two tools, or
two agents that share a block, never overwrite each other in silence.
"""

import datetime as dt
from collections.abc import Mapping

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.tool import Tool, ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import AgentView, Ports, Transaction
from kelpie_core.records import BLOCKS
from kelpie_core.service.commit import commit
from kelpie_core.service.owned import read_blocks
from kelpie_core.texts import encodable
from kelpie_core.tool_schema import BadToolSource, takes_agent_state

_NAMED = "agent_state"


async def view_of(ports: Ports, agent: Agent, tool: Tool) -> AgentView | None:
    """Return what a tool sees of the agent, None if it does not ask; raise StoreError."""
    if not _asks(tool):
        return None
    blocks = await commit(ports, lambda tx: read_blocks(tx, agent))
    return AgentView(state=_state(agent, blocks))


async def settled(
    tx: Transaction, agent: Agent, returned: ToolReturn, view: AgentView | None, now: dt.datetime
) -> ToolReturn:
    """Store what the tool made of the blocks, and return its return; an error return if that cannot be stored."""
    if view is None or not view.edits:
        return returned
    blocks = {block.label: block for block in await read_blocks(tx, agent)}
    seen = {one["label"]: one["value"] for one in view.state["memory"]["blocks"]}
    edits = {label: encodable(value) for label, value in view.edits.items()}
    wrong = [words for label, value in edits.items() if (words := _refusal(blocks.get(label), label, value, seen))]
    if wrong:
        words = f"the tool ran, but its changes of agent_state were not stored: {'; '.join(wrong)}. It returned: "
        return attrs.evolve(returned, status=ToolStatus.ERROR, text=words + (returned.text or ""))
    for label, value in edits.items():
        await tx.put(BLOCKS, attrs.evolve(blocks[label], value=value, updated_at=now))
    return returned


def _asks(tool: Tool) -> bool:
    source = tool.source_code or ""
    if tool.tool_type is not ToolType.CUSTOM or _NAMED not in source:
        return False
    try:
        return takes_agent_state(source)
    except BadToolSource:
        return False  # who runs it will say what is wrong with it


def _refusal(block: Block | None, label: str, value: str, seen: Mapping[str, str]) -> str | None:
    """Return why a block cannot be given a value, None if it can."""
    if block is None:
        return f"there is no memory block {label!r} any more"
    if block.read_only:
        return f"memory block {label!r} is read-only"
    if block.value != seen.get(label):
        return f"memory block {label!r} was changed by somebody else meanwhile"
    if len(value) > block.limit:
        return f"memory block {label!r} would have {len(value)} characters, its limit is {block.limit}"
    return None


def _state(agent: Agent, blocks: tuple[Block, ...]) -> JsonObject:
    """Return the agent as JSON. Its secrets are in the environment already, and nowhere else."""
    shown = [
        {
            "id": block.id,
            "label": block.label,
            "value": block.value,
            "limit": block.limit,
            "description": block.description,
            "read_only": block.read_only,
        }
        for block in blocks
    ]
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_type": agent.agent_type.value,
        "system": agent.system,
        "description": agent.description,
        "model": agent.model,
        "tags": list(agent.tags),
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "created_by_id": agent.created_by_id,
        "memory": {"blocks": shown},
    }
