"""Memory blocks: create, read, list, update, delete."""

from collections.abc import Sequence

import attrs

from kelpie_core.errors import AlreadyExists
from kelpie_core.ids import draw_id
from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent
from kelpie_core.model.block import Block
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BLOCKS
from kelpie_core.service.block_list import EVERY_BLOCK, BlockFilter, count_blocks, read_blocks_page
from kelpie_core.service.commit import commit
from kelpie_core.service.departures import check_not_departed, note_departure
from kelpie_core.service.drafts import BlockChanges, BlockDraft, Page, changed, over_block
from kelpie_core.service.inputs import check_block
from kelpie_core.service.owned import read_owned
from kelpie_core.service.paging import by_creation, read_page


@attrs.frozen
class Blocks:
    """The actor's memory blocks. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    def drafted(self, draft: BlockDraft) -> Block:
        """Return the block that a draft makes, with an id, checked; raise InvalidInput, LimitExceeded."""
        now = self._ports.clock.now()
        block = Block(
            id=draw_id("block", self._ports.entropy),
            organization_id=self._actor.organization_id,
            created_by_id=self._actor.user_id,
            created_at=now,
            updated_at=now,
            **attrs.asdict(draft, recurse=False),
        )
        check_block(block)
        return block

    async def create(self, draft: BlockDraft) -> Block:
        """Store a new block and return it; raise InvalidInput, LimitExceeded."""
        block = self.drafted(draft)
        return await commit(self._ports, lambda tx: put_new_block(tx, block))

    async def get(self, block_id: str) -> Block:
        """Return a block; raise NotFound."""
        return await commit(self._ports, lambda tx: read_owned(tx, self._actor, BLOCKS, block_id))

    async def list(self, page: Page = Page(), which: BlockFilter = EVERY_BLOCK) -> Sequence[Block]:
        """Return a page of blocks, oldest first unless descending; raise InvalidInput, LimitExceeded."""
        return await read_blocks_page(self._ports, self._actor, page, which)

    async def count(self, which: BlockFilter = EVERY_BLOCK) -> int:
        """Return how many blocks there are; raise LimitExceeded. It costs what it counts."""
        return await count_blocks(self._ports, self._actor, which)

    async def update(self, block_id: str, changes: BlockChanges) -> Block:
        """Change a block and return it.

        Raises NotFound, InvalidInput, LimitExceeded, AlreadyExists for a new label that one of its agents has already.
        """
        now = self._ports.clock.now()

        async def body(tx: Transaction) -> Block:
            old = await read_owned(tx, self._actor, BLOCKS, block_id)
            new = changed(old, over_block(old, changes))
            new = attrs.evolve(new, updated_at=now, last_updated_by_id=self._actor.user_id)
            return await put_changed_block(tx, old, new)

        return await commit(self._ports, body)

    async def delete(self, block_id: str) -> None:
        """Delete a block and detach it from its agents; raise NotFound."""
        deleted, now = False, self._ports.clock.now()

        async def body(tx: Transaction) -> None:
            nonlocal deleted
            if deleted and await tx.get(BLOCKS, (block_id,)) is None:
                return  # an earlier attempt of ours went through, only its acknowledgement was lost
            block = await read_owned(tx, self._actor, BLOCKS, block_id)
            deleted = True
            await note_departure(tx, block, now)
            await self._detach_everywhere(tx, block_id)
            await tx.delete(BLOCKS, (block_id,))

        await commit(self._ports, body)

    async def agents_of(self, block_id: str, page: Page = Page()) -> Sequence[Agent]:
        """Return a page of the agents that have the block; raise NotFound, InvalidInput."""

        async def body(tx: Transaction) -> list[Agent]:
            await read_owned(tx, self._actor, BLOCKS, block_id)
            return await read_page(tx, AGENTS, "by_block", (block_id,), page, by_creation(tx, self._actor, AGENTS))

        return await commit(self._ports, body)

    async def _detach_everywhere(self, tx: Transaction, block_id: str) -> None:
        while agents := await tx.scan(AGENTS, "by_block", (block_id,), limit=100):
            for agent in agents:
                await tx.put(AGENTS, attrs.evolve(agent, block_ids=tuple(i for i in agent.block_ids if i != block_id)))


async def put_new_block(tx: Transaction, block: Block) -> Block:
    """Store a new block, once, and return it: the second attempt of the same creation finds it there.

    Raises NotFound if it was deleted since.
    """
    stored = await tx.get(BLOCKS, (block.id,))
    if stored is None:
        await check_not_departed(tx, BLOCKS, block.id)
        await tx.put(BLOCKS, block)
    return stored or block


async def put_changed_block(tx: Transaction, old: Block, new: Block) -> Block:
    """Store a changed block and return it; raise as `Blocks.update`. A label stays unique among an agent's blocks."""
    check_block(new)
    if new.label != old.label:
        await _check_label_free(tx, new)
    await tx.put(BLOCKS, new)
    return new


async def _check_label_free(tx: Transaction, block: Block) -> None:
    after: Key | None = None
    while agents := await tx.scan(AGENTS, "by_block", (block.id,), after=after, limit=PAGE_ITEMS_MAX):
        for key in dict.fromkeys(key for agent in agents for key in agent.block_ids if key != block.id):
            other = await tx.get(BLOCKS, (key,))
            if other is not None and other.label == block.label:
                raise AlreadyExists("block with label", block.label)
        after = (agents[-1].created_at, agents[-1].id)
