"""One call of a tool: the only dispatcher, for plain and streamed turns alike.

A builtin memory tool is resolved inside the commit that stores its return (`edit_in`); every other tool runs outside.
What the model did wrong (no such tool, arguments that are not JSON) is an error return: the model reads it. A tool
that needs approval runs only for a call that somebody approved, whenever it came to need it.
"""

import asyncio
import datetime as dt

import attrs

from kelpie_core.errors import CallerError, WorldError
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import BLOCKS_PER_AGENT_MAX, TOOL_GRACE_SECONDS, TOOL_SECONDS_DEFAULT
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.model.turn import Turn
from kelpie_core.ports import AgentView, Ports, Transaction
from kelpie_core.records import AGENTS, BLOCKS
from kelpie_core.service.agent_view import view_of
from kelpie_core.service.blocks import put_changed_block
from kelpie_core.service.conversation_search import is_conversation_search, run_conversation_search
from kelpie_core.service.owned import read_blocks
from kelpie_core.texts import cut, encodable
from kelpie_core.turn.conduct import conduct_of, effective_arguments
from kelpie_core.turn.machine import error_return
from kelpie_core.turn.memory import MEMORY_TOOLS, Edited, EditRefused, edit

INTERRUPTED = "interrupted: the server stopped while this tool was running; whether it took effect is unknown"
UNAPPROVED = "this tool must be approved before it runs, and nobody was asked: it was not run"
NOT_JSON = "the arguments are not a JSON object"


def needs_approval(agent: Agent, tool: Tool) -> bool:
    """Return whether somebody must agree before the tool runs: by the tool itself or by a rule of the agent."""
    return bool(tool.default_requires_approval) or conduct_of(agent).rules.asks(tool.name)


def may_run(agent: Agent, tool: Tool, call: ToolCall, turn: Turn) -> bool:
    """Return whether the tool may run for that call: it needs no approval, or has it."""
    return call.id in turn.approved or not needs_approval(agent, tool)


def find_called(tools: tuple[Tool, ...], call: ToolCall) -> Tool | None:
    """Return the agent's tool that a call names, or None."""
    return next((tool for tool in tools if tool.name == call.name), None)


def is_memory_tool(tool: Tool) -> bool:
    """Return whether calls of the tool are resolved inside the commit."""
    return tool.tool_type is not ToolType.CUSTOM and tool.name in MEMORY_TOOLS


async def run_tool(
    ports: Ports,
    agent: Agent,
    tools: tuple[Tool, ...],
    call: ToolCall,
    turn: Turn,
    *,
    resumed: bool,
    views: dict[str, AgentView] | None = None,
) -> ToolReturn:
    """Return what a call of a tool outside the store gave.

    `views` takes, by the call's id, what the tool made of `agent_state`: to be stored with the return.
    """
    tool = find_called(tools, call)
    if tool is None:
        names = ", ".join(known.name for known in tools) or "none"
        return error_return(call, f"there is no tool {call.name!r}; there are: {names}")
    if not may_run(agent, tool, call, turn):
        return error_return(call, UNAPPROVED)
    if resumed and not tool.idempotent:
        return error_return(call, INTERRUPTED)
    arguments = effective_arguments(call, turn.called, conduct_of(agent))
    if arguments is None:
        return error_return(call, NOT_JSON)
    return await dispatched(ports, agent, tool, call, arguments, {} if views is None else views)


async def dispatched(
    ports: Ports, agent: Agent, tool: Tool, call: ToolCall, arguments: JsonObject, views: dict[str, AgentView]
) -> ToolReturn:
    """Return what the runner gave for a call; the view of a tool that asks for one is put into `views`."""
    if is_conversation_search(tool):
        return _fit(await run_conversation_search(ports, agent, call, arguments), call, tool.return_char_limit)
    view = await view_of(ports, agent, tool)
    if view is not None:
        views[call.id] = view
    offered = () if view is None else (view,)
    try:
        async with asyncio.timeout(TOOL_SECONDS_DEFAULT + TOOL_GRACE_SECONDS):
            returned = await ports.tools.run(tool, call, arguments, agent.secrets, TOOL_SECONDS_DEFAULT, *offered)
    except TimeoutError:
        return error_return(call, f"the tool did not return within {TOOL_SECONDS_DEFAULT} s")
    except (CallerError, WorldError) as error:
        return error_return(call, f"the tool could not be run: {encodable(str(error))}")
    return _fit(returned, call, tool.return_char_limit)


async def edit_in(
    tx: Transaction, agent: Agent, call: ToolCall, turn: Turn, now: dt.datetime, block_id: str = ""
) -> ToolReturn:
    """Apply a memory tool to the agent's blocks as they are in this transaction, and return what the model is told.

    `block_id` is the id of a block that the tool may make.
    """
    arguments = effective_arguments(call, turn.called, conduct_of(agent))
    if arguments is None:
        return error_return(call, NOT_JSON)
    blocks = await read_blocks(tx, agent)
    try:
        edited = edit(call.name, arguments, {block.label: block for block in blocks})
        await _store(tx, agent, edited, now, block_id)
    except (EditRefused, CallerError) as refusal:
        return error_return(call, str(refusal))
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=edited.words)


async def _store(tx: Transaction, agent: Agent, edited: Edited, now: dt.datetime, block_id: str) -> None:
    """Store what a memory tool did; raise EditRefused, AlreadyExists and write nothing if it cannot be stored."""
    if edited.block is not None:
        old = await tx.get(BLOCKS, (edited.block.id,))
        assert old is not None, "the block was read in this transaction"
        await put_changed_block(tx, old, attrs.evolve(edited.block, updated_at=now))
    if edited.made is not None:
        if len(agent.block_ids) >= BLOCKS_PER_AGENT_MAX:
            raise EditRefused(f"there are {BLOCKS_PER_AGENT_MAX} memory blocks, which is as many as there may be")
        block = Block(
            id=block_id,
            organization_id=agent.organization_id,
            created_by_id=agent.created_by_id,
            label=edited.made.label,
            value=edited.made.value,
            description=edited.made.description,
            created_at=now,
            updated_at=now,
        )
        await tx.put(BLOCKS, block)
        await _put_blocks_of(tx, agent, (*agent.block_ids, block_id))
    if edited.dropped is not None:
        dropped_id = edited.dropped.id
        await _put_blocks_of(tx, agent, tuple(key for key in agent.block_ids if key != dropped_id))


async def _put_blocks_of(tx: Transaction, agent: Agent, block_ids: tuple[str, ...]) -> None:
    """Store which blocks the agent has. Read anew: the run may use the agent with a model of its own."""
    stored = await tx.get(AGENTS, (agent.id,))
    assert stored is not None, "the agent was read in this transaction"
    await tx.put(AGENTS, attrs.evolve(stored, block_ids=block_ids))


def _fit(returned: ToolReturn, call: ToolCall, chars_max: int) -> ToolReturn:
    """Return what a runner gave as the return of this call: no text too long, none that cannot be stored."""

    def fit(text: str) -> str:
        return cut(encodable(text), chars_max)

    return attrs.evolve(
        returned,
        tool_call_id=call.id,
        text=None if returned.text is None else fit(returned.text),
        stdout=None if returned.stdout is None else tuple(map(fit, returned.stdout)),
        stderr=None if returned.stderr is None else tuple(map(fit, returned.stderr)),
    )
