"""Tags: every word that some agent of the actor's bears, each once.

They are read off the index of agents by tag: one step of it from each tag to the next, so a page costs what it
returns, however many agents bear its tags.
"""

import attrs

from kelpie_core.model.actor import Actor
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_page


@attrs.frozen
class Tags:
    """The tags of the actor's agents. Everything raises StoreError."""

    _ports: Ports
    _actor: Actor

    async def list(self, page: Page = Page(), *, containing: str = "") -> list[str]:
        """Return a page of tags that contain a text, in the order of the alphabet unless descending.

        The cursors are tags, which need not be borne by any agent. Raises InvalidInput.
        """
        check_page(page)
        backwards = page.before is not None and page.after is None
        descending = page.descending != backwards
        start, end = (page.before, None) if backwards else (page.after, page.before)

        async def body(tx: Transaction) -> list[str]:
            found: list[str] = []
            tag = await self._next(tx, start, descending)
            while tag is not None and len(found) < page.limit and not _is_beyond(tag, end, descending):
                found += [tag] if containing in tag else []
                tag = await self._next(tx, tag, descending)
            return found[::-1] if backwards else found

        return await commit(self._ports, body)

    async def _next(self, tx: Transaction, last: str | None, descending: bool) -> str | None:
        """Return the first tag beyond `last`: of what the next agent bears, the first that is."""
        after = None if last is None else (last,)
        equals = (self._actor.organization_id,)
        for agent in await tx.scan(AGENTS, "by_tag", equals, after=after, limit=1, descending=descending):
            beyond = [tag for tag in agent.tags if last is None or (tag < last if descending else tag > last)]
            return max(beyond) if descending else min(beyond)
        return None


def _is_beyond(tag: str, end: str | None, descending: bool) -> bool:
    return end is not None and (tag <= end if descending else tag >= end)
