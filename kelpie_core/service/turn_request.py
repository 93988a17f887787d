"""What the model is asked in one step of a turn: the window, the tools that the rules allow, and whether it must call.

The tools of the request are there for its run only. One that has the name of an attached tool stands in its place.
"""

import attrs

from kelpie_core.errors import NotFound
from kelpie_core.limits import WINDOW_MESSAGES_MAX
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run
from kelpie_core.model.tool import ClientTool, Tool
from kelpie_core.model.turn import Turn
from kelpie_core.ports import REQUIRED, ModelRequest, Transaction
from kelpie_core.records import AGENTS, HEADS, TOOLS
from kelpie_core.service.history import read_window
from kelpie_core.service.owned import read_blocks
from kelpie_core.service.tool_calls import is_memory_tool, needs_approval
from kelpie_core.turn.conduct import Conduct, conduct_of, with_heartbeat
from kelpie_core.turn.events import ModelReplied
from kelpie_core.turn.window import rendered_skills, rendered_system, visible


@attrs.frozen(kw_only=True)
class Asked:
    """A request to the model, and what must be known of the tools to read the reply.

    `known` are the names of all tools that there are, `asking` of those that ask before they run, `beside` of those
    whose calls may run beside each other.
    """

    request: ModelRequest
    known: tuple[str, ...]
    asking: frozenset[str]
    beside: frozenset[str]

    def read(self, reply: ModelReplied) -> ModelReplied:
        """Return the reply with what is known of its calls."""
        calls = tuple(attrs.evolve(call, asks=call.name in self.asking) for call in reply.tool_calls)
        together = tuple(call.id for call in calls if call.name in self.beside)
        return attrs.evolve(reply, tool_calls=calls, known=self.known, together=together)


async def read_request(tx: Transaction, run: Run) -> Asked:
    """Return what to ask the model next in a run; raise NotFound if its agent is gone."""
    agent, attached = await read_agent_and_tools(tx, run)
    head = await tx.get(HEADS, (run.thread_id,))
    if head is None:
        raise NotFound("agent", run.agent_id)
    conduct, turn = conduct_of(agent), run.turn
    client_names = {tool.name for tool in turn.client_tools}
    own = tuple(tool for tool in attached if tool.name not in client_names)
    tools = (*own, *(_offered(tool, agent) for tool in turn.client_tools))
    messages = visible(await read_window(tx, head, WINDOW_MESSAGES_MAX))
    nudge = _nudge(turn, messages)
    offered = _allowed(tools, turn, conduct)
    request = ModelRequest(
        agent_id=agent.id,
        model=agent.model,
        system=run.system or rendered_skills(rendered_system(agent, await read_blocks(tx, agent)), turn.client_skills),
        messages=(*messages, *nudge),
        tools=offered,
        llm_config=agent.llm_config,
        model_settings=agent.model_settings,
        tool_choice=_choice(tuple(tool.name for tool in offered), turn, conduct, nudged=bool(nudge)),
        parallel_tool_calls=False if conduct.rules.one_by_one else None,
        response_format=agent.extra.get("response_format") or (agent.model_settings or {}).get("response_format"),
    )
    return Asked(
        request=request,
        known=tuple(tool.name for tool in tools),
        asking=frozenset((*client_names, *(tool.name for tool in own if needs_approval(agent, tool)))),
        beside=frozenset(tool.name for tool in own if may_run_beside(tool)),
    )


async def read_agent_and_tools(tx: Transaction, run: Run) -> tuple[Agent, tuple[Tool, ...]]:
    """Return the agent as the run uses it, and its tools; one that is gone is left out. Raise NotFound."""
    agent = await tx.get(AGENTS, (run.agent_id,))
    if agent is None:
        raise NotFound("agent", run.agent_id)
    tools = [tool for key in agent.tool_ids if (tool := await tx.get(TOOLS, (key,))) is not None]
    return run.configured(agent), tuple(tools)


def may_run_beside(tool: Tool) -> bool:
    """Return whether calls of the tool may run beside each other: it says so, and runs outside of the store."""
    return tool.extra.get("enable_parallel_execution") is True and not is_memory_tool(tool)


def _allowed(tools: tuple[Tool, ...], turn: Turn, conduct: Conduct) -> tuple[Tool, ...]:
    names = conduct.rules.allowed([tool.name for tool in tools], turn.called, turn.branch)
    allowed = (tool for tool in tools if tool.name in names)
    return tuple(with_heartbeat(tool, conduct.rules) if conduct.heartbeats else tool for tool in allowed)


def _choice(offered: tuple[str, ...], turn: Turn, conduct: Conduct, *, nudged: bool) -> str | None:
    if not (nudged or conduct.heartbeats or conduct.rules.forces(turn.called, turn.branch)):
        return None
    wanted = tuple(name for name in offered if name in turn.owed and name not in turn.called) if nudged else ()
    names = wanted or offered
    return names[0] if len(names) == 1 else REQUIRED if names else None


def _nudge(turn: Turn, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the words for a model that has spoken although it must call a tool first; they are stored nowhere."""
    missing = [name for name in turn.owed if name not in turn.called]
    if not missing or not messages or messages[-1].role is not Role.ASSISTANT:
        return ()
    words = f"Tool rule: call {', '.join(missing)} before this turn can end."
    last = messages[-1]
    return (attrs.evolve(last, id="", role=Role.USER, content=(TextPart(text=words),), step_id=None, model=None),)


def _offered(tool: ClientTool, agent: Agent) -> Tool:
    """Return a client's tool as the model is to see it."""
    schema = {
        "name": tool.name,
        "description": tool.description or "",
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return Tool(
        id=tool.name,
        organization_id=agent.organization_id,
        created_by_id=agent.created_by_id,
        name=tool.name,
        description=tool.description,
        json_schema=schema,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
