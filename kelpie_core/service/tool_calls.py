"""One call of a tool: the only dispatcher, for plain and streamed turns alike.

A builtin memory tool is resolved inside the commit that stores its return (`edit_in`); every other tool runs outside.
What the model did wrong (no such tool, arguments that are not JSON) is an error return: the model reads it.
"""

import asyncio
import datetime as dt

import attrs
import msgspec

from kelpie_core.errors import CallerError, WorldError
from kelpie_core.json_types import JsonObject
from kelpie_core.limits import TOOL_GRACE_SECONDS, TOOL_SECONDS_DEFAULT
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import BLOCKS
from kelpie_core.service.owned import read_blocks
from kelpie_core.texts import cut, encodable
from kelpie_core.turn.machine import error_return
from kelpie_core.turn.memory import MEMORY_TOOLS, EditRefused, edit

INTERRUPTED = "interrupted: the server stopped while this tool was running; whether it took effect is unknown"


UNAPPROVED = "this tool must be approved before it runs, and approvals are not implemented: it was not run"


def needs_approval(agent: Agent, tool: Tool) -> bool:
    """Return whether somebody must agree before the tool runs: by the tool itself or by a rule of the agent."""
    asked = {"type": "requires_approval", "tool_name": tool.name}
    return bool(tool.default_requires_approval) or any(asked.items() <= rule.items() for rule in agent.tool_rules)


def find_called(tools: tuple[Tool, ...], call: ToolCall) -> Tool | None:
    """Return the agent's tool that a call names, or None."""
    return next((tool for tool in tools if tool.name == call.name), None)


def is_memory_tool(tool: Tool) -> bool:
    """Return whether calls of the tool are resolved inside the commit."""
    return tool.tool_type is not ToolType.CUSTOM and tool.name in MEMORY_TOOLS


async def run_tool(ports: Ports, agent: Agent, tools: tuple[Tool, ...], call: ToolCall, resumed: bool) -> ToolReturn:
    """Return what a call of a tool outside the store gave."""
    tool = find_called(tools, call)
    if tool is None:
        names = ", ".join(known.name for known in tools) or "none"
        return error_return(call, f"there is no tool {call.name!r}; there are: {names}")
    if needs_approval(agent, tool):
        return error_return(call, UNAPPROVED)
    if resumed and not tool.idempotent:
        return error_return(call, INTERRUPTED)
    arguments = parsed_arguments(call)
    if arguments is None:
        return error_return(call, "the arguments are not a JSON object")
    try:
        async with asyncio.timeout(TOOL_SECONDS_DEFAULT + TOOL_GRACE_SECONDS):
            returned = await ports.tools.run(tool, call, arguments, agent.secrets, TOOL_SECONDS_DEFAULT)
    except TimeoutError:
        return error_return(call, f"the tool did not return within {TOOL_SECONDS_DEFAULT} s")
    except (CallerError, WorldError) as error:
        return error_return(call, f"the tool could not be run: {encodable(str(error))}")
    return _fit(returned, call, tool.return_char_limit)


async def edit_in(tx: Transaction, agent: Agent, call: ToolCall, now: dt.datetime) -> ToolReturn:
    """Apply a memory tool to the agent's blocks as they are in this transaction, and return what the model is told."""
    arguments = parsed_arguments(call)
    if arguments is None:
        return error_return(call, "the arguments are not a JSON object")
    blocks = await read_blocks(tx, agent)
    try:
        edited = edit(call.name, arguments, {block.label: block for block in blocks})
    except EditRefused as refusal:
        return error_return(call, str(refusal))
    if edited.block is not None:
        await tx.put(BLOCKS, attrs.evolve(edited.block, updated_at=now))
    return ToolReturn(tool_call_id=call.id, status=ToolStatus.SUCCESS, text=edited.words)


def parsed_arguments(call: ToolCall) -> JsonObject | None:
    """Return the arguments as a JSON object; None if they are none."""
    try:
        value = msgspec.json.decode(call.arguments.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


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
