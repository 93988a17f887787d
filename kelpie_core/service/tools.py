"""Tools: create, upsert, read, list, search, update, delete. A name is unique in an organization.

The builtin tools are the server's: agents' memory hangs on them. Their names cannot be taken, they cannot be deleted,
and of their fields only those change that leave them what they are.
"""

from collections.abc import Sequence

import attrs

from kelpie_core.errors import AlreadyExists, NotFound, Refused
from kelpie_core.ids import draw_id
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, TOOLS
from kelpie_core.service.builtin_tools import BUILTIN_TOOLS, builtin_tool
from kelpie_core.service.commit import commit
from kelpie_core.service.departures import check_not_departed, note_departure
from kelpie_core.service.drafts import UNSET, Page, ToolChanges, ToolDraft, Unset, changed
from kelpie_core.service.inputs import check_tool
from kelpie_core.service.owned import read_owned
from kelpie_core.service.tool_search import EVERY_TOOL, FoundTool, ToolFilter, count_tools, read_tools, search_tools
from kelpie_core.tool_schema import FOREIGN_SOURCES, derive_schema


@attrs.frozen
class Tools:
    """The actor's tools. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def create(self, draft: ToolDraft) -> Tool:
        """Store a new tool and return it; raise AlreadyExists for a name that is taken, InvalidInput."""
        tool = drafted_tool(self._ports, self._actor, draft)
        _check_name(tool)

        async def body(tx: Transaction) -> Tool:
            stored = await tx.get(TOOLS, (tool.id,))
            if stored is not None:
                return stored  # an earlier attempt went through, of this call or of the request
            await check_not_departed(tx, TOOLS, tool.id)
            if await find_tool(tx, self._actor, tool.name) is not None:
                raise AlreadyExists("tool", tool.name)
            await tx.put(TOOLS, tool)
            return tool

        return await commit(self._ports, body)

    async def upsert(self, draft: ToolDraft) -> Tool:
        """Store a tool under its name, over the one that has it, keeping that one's id; raise InvalidInput.

        Raises AlreadyExists for a name that is a builtin tool's.
        """
        tool = drafted_tool(self._ports, self._actor, draft)
        _check_name(tool)

        async def body(tx: Transaction) -> Tool:
            found = await find_tool(tx, self._actor, tool.name)
            stored = tool if found is None or found.id == tool.id else _over(found, tool)
            await tx.put(TOOLS, stored)
            return stored

        return await commit(self._ports, body)

    async def get(self, tool_id: str) -> Tool:
        """Return a tool; raise NotFound."""
        return await commit(self._ports, lambda tx: read_owned(tx, self._actor, TOOLS, tool_id))

    async def by_name(self, name: str) -> Tool:
        """Return the tool of that name; raise NotFound."""
        found = await commit(self._ports, lambda tx: find_tool(tx, self._actor, name))
        if found is None:
            raise NotFound("tool", name)
        return found

    async def list(
        self, page: Page = Page(), *, name: str | None = None, wanted: ToolFilter = EVERY_TOOL
    ) -> Sequence[Tool]:
        """Return a page of the wanted tools, oldest first unless descending; raise InvalidInput.

        With `name`, at most that one, if it is wanted.
        """

        if name is None:
            return await read_tools(self._ports, self._actor, page, wanted)
        found = await commit(self._ports, lambda tx: find_tool(tx, self._actor, name))
        return [found] if found is not None and wanted.matches(found) else []

    async def count(self, wanted: ToolFilter = EVERY_TOOL) -> int:
        """Return how many tools are wanted."""
        return await count_tools(self._ports, self._actor, wanted)

    async def search(
        self, query: str | None, *, wanted: ToolFilter = EVERY_TOOL, limit: int = 50
    ) -> tuple[FoundTool, ...]:
        """Return the wanted tools that have words of the query, best first; raise InvalidInput."""
        return await commit(self._ports, lambda tx: search_tools(tx, self._actor, query, wanted, limit))

    async def add_builtin(self) -> Sequence[Tool]:
        """Make the builtin tools that the organization does not have yet, and return all of them, by name."""
        ids = {name: draw_id("tool", self._ports.entropy) for name in sorted(BUILTIN_TOOLS)}

        async def body(tx: Transaction) -> "list[Tool]":
            return [await find_or_make_builtin(tx, self._actor, self._ports, name, key) for name, key in ids.items()]

        return await commit(self._ports, body)

    async def update(self, tool_id: str, changes: ToolChanges) -> Tool:
        """Change a tool and return it; new source without a schema brings the one that it says, and its name.

        Raises NotFound, AlreadyExists for a new name that is taken, Refused for what makes a builtin tool what it is,
        InvalidInput.
        """
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Tool:
            before = await read_owned(tx, self._actor, TOOLS, tool_id)
            if is_builtin(before):
                _check_harmless(before, changes)
            tool = changed(before, _whole(before, changes))
            tool = attrs.evolve(tool, updated_at=now, last_updated_by_id=self._actor.user_id)
            check_tool(tool)
            if tool.name != before.name:
                _check_name(tool)
            found = await find_tool(tx, self._actor, tool.name)
            if found is not None and found.id != tool_id:
                raise AlreadyExists("tool", tool.name)
            await tx.put(TOOLS, tool)
            return tool

        return await commit(self._ports, body)

    async def delete(self, tool_id: str) -> None:
        """Delete a tool and detach it from its agents; raise NotFound, Refused for a builtin one."""
        now, deleted = self._ports.clock.now(), False

        async def body(tx: Transaction) -> None:
            nonlocal deleted
            if deleted and await tx.get(TOOLS, (tool_id,)) is None:
                return  # an earlier attempt of ours went through, only its acknowledgement was lost
            tool = await read_owned(tx, self._actor, TOOLS, tool_id)
            if is_builtin(tool):
                raise Refused(f"tool {tool.name!r} is builtin and stays: detach it where it is not wanted")
            deleted = True
            await note_departure(tx, tool, now)
            while agents := await tx.scan(AGENTS, "by_tool", (tool_id,), limit=100):
                for agent in agents:
                    kept = tuple(i for i in agent.tool_ids if i != tool_id)
                    await tx.put(AGENTS, attrs.evolve(agent, tool_ids=kept))
            await tx.delete(TOOLS, (tool_id,))

        await commit(self._ports, body)


def drafted_tool(ports: Ports, actor: Actor, draft: ToolDraft) -> Tool:
    """Return a tool to be stored; raise InvalidInput, LimitExceeded."""
    now = ports.clock.now()
    tool = Tool(
        id=draw_id("tool", ports.entropy),
        organization_id=actor.organization_id,
        created_by_id=actor.user_id,
        created_at=now,
        updated_at=now,
        **attrs.asdict(draft, recurse=False),
    )
    check_tool(tool)
    return tool


def is_builtin(tool: Tool) -> bool:
    """Return whether a tool is one of the server's own. An agent file may bring others that only say they are."""
    return tool.name in BUILTIN_TOOLS and tool.tool_type is not ToolType.CUSTOM


def _over(found: Tool, tool: Tool) -> Tool:
    """Return a tool as it stands over the one that has its name: what it is, but who and when made it."""
    return attrs.evolve(
        tool,
        id=found.id,
        created_at=found.created_at,
        created_by_id=found.created_by_id,
        last_updated_by_id=tool.created_by_id,
    )


async def find_tool(tx: Transaction, actor: Actor, name: str) -> Tool | None:
    """Return the actor's tool of that name, or None."""
    found = await tx.scan(TOOLS, "by_name", (actor.organization_id, name), limit=1)
    return found[0] if found else None


async def find_or_make_builtin(tx: Transaction, actor: Actor, ports: Ports, name: str, tool_id: str) -> Tool:
    """Return the actor's tool of that name, a builtin one made now as `tool_id` if need be; raise NotFound."""
    found = await find_tool(tx, actor, name)
    if found is not None:
        return found
    made = builtin_tool(name, tool_id, actor, ports.clock.now())
    if made is None:
        raise NotFound("tool", name)
    await tx.put(TOOLS, made)
    return made


async def attached_tool(tx: Transaction, agent: Agent, name: str) -> Tool | None:
    """Return the agent's tool of that name, or None."""
    for key in agent.tool_ids:
        tool = await tx.get(TOOLS, (key,))
        if tool is not None and tool.name == name:
            return tool
    return None


_HARMLESS = ("tags", "return_char_limit", "default_requires_approval", "metadata")


def _check_name(tool: Tool) -> None:
    if tool.tool_type is ToolType.CUSTOM and tool.name in BUILTIN_TOOLS:
        raise AlreadyExists("builtin tool", tool.name)


def _check_harmless(tool: Tool, changes: ToolChanges) -> None:
    for field, new in attrs.asdict(changes, recurse=False).items():
        if new is not UNSET and field not in _HARMLESS and new != getattr(tool, field):
            raise Refused(f"tool {tool.name!r} is builtin: its {field} cannot be changed")


def _whole(tool: Tool, changes: ToolChanges) -> ToolChanges:
    """Return the changes with what follows from them: a schema from new source, kept fields beside new ones."""
    if not isinstance(changes.extra, Unset):
        changes = attrs.evolve(changes, extra={**tool.extra, **changes.extra})
    after = changed(tool, changes)
    foreign = (after.source_type or "").lower() in FOREIGN_SOURCES
    if after.source_code in (None, tool.source_code) or changes.json_schema is not UNSET or foreign:
        return changes
    description = None if changes.description is UNSET else after.description
    schema = derive_schema(after.source_code or "", description=description, args_json_schema=after.args_json_schema)
    return attrs.evolve(changes, json_schema=schema, name=schema["name"], description=schema["description"])
