"""Tools: create, upsert, read, list, update, delete. A name is unique in an organization."""

from collections.abc import Sequence

import attrs

from kelpie_core.errors import AlreadyExists, NotFound
from kelpie_core.ids import draw_id
from kelpie_core.model.actor import Actor
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, TOOLS
from kelpie_core.service.builtin_tools import builtin_tool
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import Page, ToolChanges, ToolDraft, changed
from kelpie_core.service.inputs import check_tool
from kelpie_core.service.owned import read_owned
from kelpie_core.service.paging import by_creation, read_page


@attrs.frozen
class Tools:
    """The actor's tools. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def create(self, draft: ToolDraft) -> Tool:
        """Store a new tool and return it; raise AlreadyExists for a name that is taken, InvalidInput."""
        tool = self._drafted(draft)

        async def body(tx: Transaction) -> Tool:
            found = await find_tool(tx, self._actor, tool.name)
            if found is not None and found.id != tool.id:
                raise AlreadyExists("tool", tool.name)
            if found is None:
                await tx.put(TOOLS, tool)
            return tool

        return await commit(self._ports, body)

    async def upsert(self, draft: ToolDraft) -> Tool:
        """Store a tool under its name, over the one that has it, keeping that one's id; raise InvalidInput."""
        tool = self._drafted(draft)

        async def body(tx: Transaction) -> Tool:
            found = await find_tool(tx, self._actor, tool.name)
            stored = tool if found is None else attrs.evolve(tool, id=found.id, created_at=found.created_at)
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

    async def list(self, page: Page = Page(), *, name: str | None = None) -> Sequence[Tool]:
        """Return a page of tools, oldest first unless descending; with `name`, at most that one; raise InvalidInput."""

        async def body(tx: Transaction) -> list[Tool]:
            if name is not None:
                found = await find_tool(tx, self._actor, name)
                return [] if found is None else [found]
            equals = (self._actor.organization_id,)
            return await read_page(tx, TOOLS, "by_organization", equals, page, by_creation(tx, self._actor, TOOLS))

        return await commit(self._ports, body)

    async def update(self, tool_id: str, changes: ToolChanges) -> Tool:
        """Change a tool and return it; raise NotFound, AlreadyExists for a new name that is taken, InvalidInput."""
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Tool:
            tool = changed(await read_owned(tx, self._actor, TOOLS, tool_id), changes)
            tool = attrs.evolve(tool, updated_at=now)
            check_tool(tool)
            found = await find_tool(tx, self._actor, tool.name)
            if found is not None and found.id != tool_id:
                raise AlreadyExists("tool", tool.name)
            await tx.put(TOOLS, tool)
            return tool

        return await commit(self._ports, body)

    async def delete(self, tool_id: str) -> None:
        """Delete a tool and detach it from its agents; raise NotFound."""
        deleted = False

        async def body(tx: Transaction) -> None:
            nonlocal deleted
            if deleted and await tx.get(TOOLS, (tool_id,)) is None:
                return  # an earlier attempt of ours went through, only its acknowledgement was lost
            await read_owned(tx, self._actor, TOOLS, tool_id)
            deleted = True
            while agents := await tx.scan(AGENTS, "by_tool", (tool_id,), limit=100):
                for agent in agents:
                    kept = tuple(i for i in agent.tool_ids if i != tool_id)
                    await tx.put(AGENTS, attrs.evolve(agent, tool_ids=kept))
            await tx.delete(TOOLS, (tool_id,))

        await commit(self._ports, body)

    def _drafted(self, draft: ToolDraft) -> Tool:
        now = self._ports.clock.now()
        tool = Tool(
            id=draw_id("tool", self._ports.entropy),
            organization_id=self._actor.organization_id,
            created_by_id=self._actor.user_id,
            created_at=now,
            updated_at=now,
            **attrs.asdict(draft, recurse=False),
        )
        check_tool(tool)
        return tool


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
