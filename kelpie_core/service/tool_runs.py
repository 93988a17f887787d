"""Running a tool because somebody asked for it, outside any turn: one of an agent, or source that is not stored at all.

Nothing is kept of it but what the tool did to memory blocks, and those by the same rules as in a turn.
"""

from collections.abc import Mapping

import attrs
import msgspec

from kelpie_core.errors import NotFound, Refused
from kelpie_core.ids import draw_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn
from kelpie_core.model.turn import Turn
from kelpie_core.ports import AgentView, Ports, Transaction
from kelpie_core.records import AGENTS
from kelpie_core.service.agent_view import settled
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import ToolDraft
from kelpie_core.service.inputs import check_tool
from kelpie_core.service.owned import read_owned
from kelpie_core.service.tool_calls import dispatched, edit_in, is_memory_tool
from kelpie_core.service.tools import attached_tool, drafted_tool

_APPROVAL = "requires_approval"
# A memory tool reads of a turn only which tools were called in it: here, none.
_NO_TURN = Turn(steps_max=1, tool_calls_max=1, tokens_max=1)


@attrs.frozen
class ToolRuns:
    """Runs in the actor's name. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def run(self, agent_id: str, name: str, arguments: JsonObject) -> ToolReturn:
        """Run a tool of an agent, whoever must approve its calls in a turn: who asks here has; raise NotFound."""
        agent, tool = await commit(self._ports, lambda tx: self._attached(tx, agent_id, name))
        call = self._call(tool, arguments)
        views: dict[str, AgentView] = {}
        returned: ToolReturn | None = None
        if not is_memory_tool(tool):
            returned = await dispatched(self._ports, agent, tool, call, arguments, views)

        async def body(tx: Transaction) -> ToolReturn:
            now, found = self._ports.clock.now(), await read_owned(tx, self._actor, AGENTS, agent_id)
            if returned is None:
                return await edit_in(tx, attrs.evolve(found, tool_rules=()), call, _NO_TURN, now)
            return await settled(tx, found, returned, views.get(call.id), now)

        return await commit(self._ports, body)

    async def run_source(
        self, draft: ToolDraft, arguments: JsonObject, environment: Mapping[str, str] = {}
    ) -> tuple[ToolCall, ToolReturn]:
        """Run a tool that is not stored, with no agent around it; raise InvalidInput."""
        tool = drafted_tool(self._ports, self._actor, draft)
        check_tool(tool)
        now = self._ports.clock.now()
        nobody = Agent(
            id=draw_id("agent", self._ports.entropy),
            organization_id=self._actor.organization_id,
            created_by_id=self._actor.user_id,
            name="nobody",
            secrets=dict(environment),
            created_at=now,
            updated_at=now,
        )
        call = self._call(tool, arguments)
        return call, await dispatched(self._ports, nobody, tool, call, arguments, {})

    async def require_approval(self, agent_id: str, name: str, required: bool) -> Agent:
        """Set whether calls of an agent's tool wait for approval, and return the agent; raise NotFound, Refused."""
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Agent:
            agent, tool = await self._attached(tx, agent_id, name)
            rules = tuple(rule for rule in agent.tool_rules if not _asks(rule, name))
            if required:
                rules = (*rules, {"type": _APPROVAL, "tool_name": name})
            elif tool.default_requires_approval:
                raise Refused(f"tool {name!r} asks for approval itself, for every agent: change the tool")
            changed = attrs.evolve(agent, tool_rules=rules, updated_at=now)
            await tx.put(AGENTS, changed)
            return changed

        return await commit(self._ports, body)

    async def _attached(self, tx: Transaction, agent_id: str, name: str) -> tuple[Agent, Tool]:
        agent = await read_owned(tx, self._actor, AGENTS, agent_id)
        tool = await attached_tool(tx, agent, name)
        if tool is None:
            raise NotFound("tool", name)
        return agent, tool

    def _call(self, tool: Tool, arguments: JsonObject) -> ToolCall:
        key = draw_id("call", self._ports.entropy)
        return ToolCall(id=key, name=tool.name, arguments=msgspec.json.encode(arguments).decode())


def _asks(rule: JsonObject, name: str) -> bool:
    return rule.get("type") == _APPROVAL and rule.get("tool_name") == name
