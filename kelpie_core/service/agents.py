"""Agents: create, read, list, update, delete, and what is attached to them."""

import contextlib
from collections.abc import Callable, Sequence

import attrs

from kelpie_core.errors import AlreadyExists, NotFound, StoreError
from kelpie_core.ids import draw_id
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.model.sweep import Sweep
from kelpie_core.model.tool import Tool
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BLOCKS, HEADS, SWEEPS, TOOLS
from kelpie_core.service.agent_list import EVERY_AGENT, AgentFilter, count_agents, read_agents
from kelpie_core.service.agent_state import WHOLE, AgentState, Parts, read_state
from kelpie_core.service.blocks import Blocks, put_changed_block, put_new_block
from kelpie_core.service.commit import commit
from kelpie_core.service.departures import check_not_departed, note_departure
from kelpie_core.service.drafts import AgentChanges, AgentDraft, BlockChanges, Page, changed, over_agent, over_block
from kelpie_core.service.inputs import check_agent, check_initial
from kelpie_core.service.new_thread import first_message, following, put_new_thread
from kelpie_core.service.owned import read_all_owned, read_owned
from kelpie_core.service.sweeps import run_sweep
from kelpie_core.service.tools import find_or_make_builtin

_DRAFT_ONLY = ("blocks", "tool_names", "initial_messages")


@attrs.frozen
class Agents:
    """The actor's agents. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def create(self, draft: AgentDraft) -> Agent:
        """Store a new agent with its own blocks and first message, and return it.

        Raises InvalidInput, LimitExceeded, NotFound (a block or tool that is not there).
        """
        blocks = tuple(map(Blocks(self._ports, self._actor).drafted, draft.blocks))
        builtin_ids = [self._make_id("tool") for _ in draft.tool_names]
        agent, message_id = self._drafted(draft, blocks), self._make_id("message")

        async def body(tx: Transaction) -> Agent:
            stored = await tx.get(AGENTS, (agent.id,))
            if stored is not None:
                return stored
            await check_not_departed(tx, AGENTS, agent.id)
            named = [
                await find_or_make_builtin(tx, self._actor, self._ports, name, tool_id)
                for name, tool_id in zip(draft.tool_names, builtin_ids, strict=True)
            ]
            for block in blocks:
                await put_new_block(tx, block)
            tool_ids = tuple(dict.fromkeys((*agent.tool_ids, *(tool.id for tool in named))))
            created = attrs.evolve(agent, tool_ids=tool_ids)
            check_agent(created)
            await self._check_attached(tx, created)
            await tx.put(AGENTS, created)
            first = await first_message(tx, created, message_id, created.created_at)
            await put_new_thread(tx, (first, *following(first, draft.initial_messages, self._make_id)))
            return created

        return await commit(self._ports, body)

    async def get(self, agent_id: str) -> Agent:
        """Return an agent; raise NotFound."""
        return await commit(self._ports, lambda tx: read_owned(tx, self._actor, AGENTS, agent_id))

    async def state(self, agent_id: str, parts: Parts = WHOLE) -> AgentState:
        """Return an agent with what is attached to it, as far as it is wanted; raise NotFound."""
        return await commit(self._ports, lambda tx: read_state(tx, self._actor, agent_id, parts))

    async def list(self, page: Page = Page(), which: AgentFilter = EVERY_AGENT) -> Sequence[Agent]:
        """Return a page of agents, oldest first unless descending; raise InvalidInput, LimitExceeded."""
        return await read_agents(self._ports, self._actor, page, which)

    async def count(self, which: AgentFilter = EVERY_AGENT) -> int:
        """Return how many agents there are; raise LimitExceeded. It costs what it counts."""
        return await count_agents(self._ports, self._actor, which)

    async def update(self, agent_id: str, changes: AgentChanges) -> Agent:
        """Change an agent and return it; raise NotFound, InvalidInput, LimitExceeded."""
        return await self._change(agent_id, lambda agent: changed(agent, over_agent(agent, changes)))

    async def delete(self, agent_id: str) -> None:
        """Delete an agent with its messages, runs and steps; raise NotFound. Its blocks and tools stay."""
        now = self._ports.clock.now()
        sweep = Sweep(id=self._make_id("sweep"), agent_ids=(agent_id,), due_at=now)
        deleted = False

        async def body(tx: Transaction) -> None:
            nonlocal deleted
            if deleted and await tx.get(AGENTS, (agent_id,)) is None:
                return  # an earlier attempt of ours went through, only its acknowledgement was lost
            agent = await read_owned(tx, self._actor, AGENTS, agent_id)
            deleted = True
            await note_departure(tx, agent, now)
            await tx.delete(AGENTS, (agent_id,))
            await tx.delete(HEADS, (agent_id,))
            await tx.put(SWEEPS, sweep)

        await commit(self._ports, body)
        with contextlib.suppress(StoreError):  # the agent is gone; the stored sweep sees to the rest at recovery
            await run_sweep(self._ports, sweep)

    async def attach_block(self, agent_id: str, block_id: str) -> Agent:
        """Give the agent a block; nothing happens if it has it. Raise NotFound, AlreadyExists for a label it has."""
        return await self._change(agent_id, lambda a: attrs.evolve(a, block_ids=_with(a.block_ids, block_id)))

    async def detach_block(self, agent_id: str, block_id: str) -> Agent:
        """Take a block from the agent; nothing happens if it has it not. Raise NotFound."""
        return await self._change(agent_id, lambda a: attrs.evolve(a, block_ids=_without(a.block_ids, block_id)))

    async def attach_tool(self, agent_id: str, tool_id: str) -> Agent:
        """Give the agent a tool; nothing happens if it has it. Raise NotFound."""
        return await self._change(agent_id, lambda a: attrs.evolve(a, tool_ids=_with(a.tool_ids, tool_id)))

    async def detach_tool(self, agent_id: str, tool_id: str) -> Agent:
        """Take a tool from the agent; nothing happens if it has it not. Raise NotFound."""
        return await self._change(agent_id, lambda a: attrs.evolve(a, tool_ids=_without(a.tool_ids, tool_id)))

    async def blocks(self, agent_id: str) -> tuple[Block, ...]:
        """Return the agent's blocks in their order; raise NotFound."""
        return await commit(self._ports, lambda tx: self._blocks_in(tx, agent_id))

    async def block(self, agent_id: str, label: str) -> Block:
        """Return the agent's block of that label; raise NotFound."""
        return await commit(self._ports, lambda tx: self._block_in(tx, agent_id, label))

    async def update_block(self, agent_id: str, label: str, changes: BlockChanges) -> Block:
        """Change the agent's block of that label and return it; raise as `Blocks.update`."""
        block_id: str | None = None
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Block:
            nonlocal block_id  # a changed label must not hide the block from a second attempt
            if block_id is None:
                block_id = (await self._block_in(tx, agent_id, label)).id
            old = await read_owned(tx, self._actor, BLOCKS, block_id)
            new = changed(old, over_block(old, changes))
            new = attrs.evolve(new, updated_at=now, last_updated_by_id=self._actor.user_id)
            return await put_changed_block(tx, old, new)

        return await commit(self._ports, body)

    async def tools(self, agent_id: str) -> tuple[Tool, ...]:
        """Return the agent's tools in their order; raise NotFound."""

        async def body(tx: Transaction) -> tuple[Tool, ...]:
            agent = await read_owned(tx, self._actor, AGENTS, agent_id)
            return await read_all_owned(tx, self._actor, TOOLS, agent.tool_ids)

        return await commit(self._ports, body)

    async def _change(self, agent_id: str, change: Callable[[Agent], Agent]) -> Agent:
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Agent:
            agent = change(await read_owned(tx, self._actor, AGENTS, agent_id))
            agent = attrs.evolve(agent, updated_at=now, last_updated_by_id=self._actor.user_id)
            check_agent(agent)
            await self._check_attached(tx, agent)
            await tx.put(AGENTS, agent)
            return agent

        return await commit(self._ports, body)

    async def _check_attached(self, tx: Transaction, agent: Agent) -> tuple[Block, ...]:
        blocks = await read_all_owned(tx, self._actor, BLOCKS, agent.block_ids)
        labels = [block.label for block in blocks]
        for label in labels:
            if labels.count(label) > 1:
                raise AlreadyExists("block with label", label)
        await read_all_owned(tx, self._actor, TOOLS, agent.tool_ids)
        return blocks

    async def _blocks_in(self, tx: Transaction, agent_id: str) -> tuple[Block, ...]:
        agent = await read_owned(tx, self._actor, AGENTS, agent_id)
        return await read_all_owned(tx, self._actor, BLOCKS, agent.block_ids)

    async def _block_in(self, tx: Transaction, agent_id: str, label: str) -> Block:
        for block in await self._blocks_in(tx, agent_id):
            if block.label == label:
                return block
        raise NotFound("block", label)

    def _drafted(self, draft: AgentDraft, blocks: tuple[Block, ...]) -> Agent:
        now = self._ports.clock.now()
        fields = attrs.asdict(draft, recurse=False, filter=lambda field, _: field.name not in _DRAFT_ONLY)
        fields["block_ids"] = (*draft.block_ids, *(block.id for block in blocks))
        agent = Agent(
            id=self._make_id("agent"),
            organization_id=self._actor.organization_id,
            created_by_id=self._actor.user_id,
            created_at=now,
            updated_at=now,
            **fields,
        )
        check_agent(agent)
        check_initial(draft.initial_messages, "$.initial_message_sequence")
        return agent

    def _make_id(self, prefix: str) -> str:
        return draw_id(prefix, self._ports.entropy)


def _with(ids: tuple[str, ...], added: str) -> tuple[str, ...]:
    return ids if added in ids else (*ids, added)


def _without(ids: tuple[str, ...], removed: str) -> tuple[str, ...]:
    return tuple(i for i in ids if i != removed)
