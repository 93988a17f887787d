"""Runs: the accounts of turns, read only."""

from collections.abc import Sequence

import attrs

from kelpie_core.errors import NotFound
from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run
from kelpie_core.model.step import Step
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, MESSAGES, RUNS, STEPS
from kelpie_core.service.commit import commit
from kelpie_core.service.drafts import Page
from kelpie_core.service.owned import read_owned
from kelpie_core.service.paging import by_creation, read_page


@attrs.frozen
class Runs:
    """The actor's runs. Everything raises StoreError; what else is said at each method."""

    _ports: Ports
    _actor: Actor

    async def get(self, run_id: str) -> Run:
        """Return a run; raise NotFound."""
        return await commit(self._ports, lambda tx: self._read(tx, run_id))

    async def list(self, page: Page = Page(), *, agent_id: str | None = None) -> Sequence[Run]:
        """Return a page of runs, oldest first unless descending; raise NotFound, InvalidInput."""
        organization = self._actor.organization_id

        async def body(tx: Transaction) -> list[Run]:
            position = by_creation(tx, self._actor, RUNS)
            if agent_id is None:
                return await read_page(tx, RUNS, "by_organization", (organization,), page, position)
            await read_owned(tx, self._actor, AGENTS, agent_id)
            return await read_page(tx, RUNS, "by_agent", (agent_id,), page, position)

        return await commit(self._ports, body)

    async def messages(self, run_id: str, page: Page = Page()) -> Sequence[Message]:
        """Return a page of the messages that a run stored, its input first; raise NotFound, InvalidInput."""

        async def body(tx: Transaction) -> list[Message]:
            await self._read(tx, run_id)

            async def position(message_id: str) -> Key:
                message = await find_message(tx, message_id)
                if message.run_id != run_id:
                    raise NotFound("message", message_id)
                return (message.seq,)

            return await read_page(tx, MESSAGES, "by_run", (run_id,), page, position)

        return await commit(self._ports, body)

    async def steps(self, run_id: str) -> Sequence[Step]:
        """Return the steps of a run, in order; raise NotFound."""

        async def body(tx: Transaction) -> list[Step]:
            await self._read(tx, run_id)
            return list(await tx.scan(STEPS, "by_run", (run_id,), limit=PAGE_ITEMS_MAX))

        return await commit(self._ports, body)

    async def _read(self, tx: Transaction, run_id: str) -> Run:
        run = await read_owned(tx, self._actor, RUNS, run_id)
        if await tx.get(AGENTS, (run.agent_id,)) is None:
            raise NotFound("run", run_id)  # its agent was deleted; the sweep has not come to it yet
        return run


async def find_message(tx: Transaction, message_id: str) -> Message:
    """Return the message with that id, whoever owns it; raise NotFound."""
    found = await tx.scan(MESSAGES, "by_id", (message_id,), limit=1)
    if not found:
        raise NotFound("message", message_id)
    return found[0]
