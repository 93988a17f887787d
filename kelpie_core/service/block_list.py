"""Listing and counting blocks by filters. A label and a tag have an index; the rest is matched in bounded pieces."""

from typing import cast

import attrs

from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX, TAGS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.block import Block
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, BLOCKS
from kelpie_core.service.departures import place_by_creation
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_count
from kelpie_core.service.matching import Selection, count_matching, read_matching


@attrs.frozen(kw_only=True)
class BlockFilter:
    """Which blocks to list; what is empty or None does not matter.

    `name` is that of the template a block was made from. `tags`: one of them, or with `all_tags` each of them.
    `agents` are the numbers of agents that may have it, of which there are to be more than `agents_above` and fewer
    than `agents_below`. PAGE_ITEMS_MAX agents and more count as that many.
    """

    label: str | None = None
    name: str | None = None
    label_search: str = ""
    value_search: str = ""
    description_search: str = ""
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    templates_only: bool = False
    project_id: str | None = None
    agents: tuple[int, ...] | None = None
    agents_above: int | None = None
    agents_below: int | None = None

    def matches(self, block: Block) -> bool:
        """Return whether a block is one of them, the number of its agents aside."""
        borne = [tag in block.tags for tag in self.tags]
        return (
            self.label in (None, block.label)
            and self.name in (None, block.extra.get("template_name"))
            and self.label_search.casefold() in block.label.casefold()
            and self.value_search.casefold() in block.value.casefold()
            and self.description_search.casefold() in (block.description or "").casefold()
            and (not borne or (all(borne) if self.all_tags else any(borne)))
            and (not self.templates_only or block.extra.get("is_template") is True)
            and self.project_id in (None, block.extra.get("project_id"))
        )

    def admits(self, agents: int) -> bool:
        """Return whether a block that so many agents have is one of them."""
        return (
            (self.agents is None or agents in self.agents)
            and (self.agents_above is None or agents > self.agents_above)
            and (self.agents_below is None or agents < self.agents_below)
        )

    @property
    def agents_counted(self) -> int:
        """Return up to how many agents must be counted, 0 if their number does not matter."""
        bounds = (*(self.agents or ()), self.agents_above, self.agents_below)
        given = [bound + 1 for bound in bounds if bound is not None]
        return min(max(given, default=0), PAGE_ITEMS_MAX)

    def sources(self, organization_id: str) -> tuple[tuple[str, Key], ...]:
        """Return where to look: as little as the indexes allow."""
        if self.label is not None:
            return (("by_label", (organization_id, self.label)),)
        tags = self.tags[:1] if self.all_tags else dict.fromkeys(self.tags)
        by_tag = tuple(("by_tag", cast(Key, (organization_id, tag))) for tag in tags)
        return by_tag or (("by_organization", (organization_id,)),)


EVERY_BLOCK = BlockFilter()


async def read_blocks_page(ports: Ports, actor: Actor, page: Page, which: BlockFilter) -> list[Block]:
    """Return a page of the actor's blocks; raise InvalidInput, LimitExceeded, StoreError."""

    async def position(tx: Transaction, key: str) -> Key:
        return await place_by_creation(tx, actor, BLOCKS, key)

    return await read_matching(ports, _selection(actor, which), page, position)


async def count_blocks(ports: Ports, actor: Actor, which: BlockFilter) -> int:
    """Return how many of the actor's blocks there are; raise LimitExceeded, StoreError."""
    return await count_matching(ports, _selection(actor, which))


def _selection(actor: Actor, which: BlockFilter) -> Selection[Block]:
    check_count(which.tags, "$.tags", count_max=TAGS_MAX)

    async def keep(tx: Transaction, block: Block) -> bool:
        if not which.matches(block) or not which.agents_counted:
            return which.matches(block)
        agents = await tx.scan(AGENTS, "by_block", (block.id,), limit=which.agents_counted)
        return which.admits(len(agents))

    return Selection(table=BLOCKS, sources=which.sources(actor.organization_id), keep=keep)
