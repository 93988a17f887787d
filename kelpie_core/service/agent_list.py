"""Listing and counting agents: by filters, in one of three orders.

A name, a tag and each order have an index; whatever else is asked for is matched in bounded pieces (matching.py). The
order of creation never changes, so a walk in it misses no agent that is there throughout and sees none twice. In the
other two an agent moves to one end when it is changed or runs.
"""

from typing import Literal, cast

import attrs

from kelpie_core.keys import Key
from kelpie_core.limits import TAGS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import AGENTS, HEADS
from kelpie_core.service.agent_state import read_last_head
from kelpie_core.service.departures import place_by_creation
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_count
from kelpie_core.service.matching import Selection, count_matching, read_matching
from kelpie_core.service.owned import read_head, read_owned

Order = Literal["created_at", "updated_at", "last_run_completion"]
_Sources = tuple[tuple[str, Key], ...]


@attrs.frozen(kw_only=True)
class AgentFilter:
    """Which agents to list, and in which order; what is empty or None does not matter.

    `tags`: one of them, or with `all_tags` each of them. The ids of project and templates are those that the agent was
    given when it was made.
    """

    name: str | None = None
    name_search: str = ""
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    created_by_id: str | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    stop_reasons: frozenset[StopReason] | None = None
    order: Order = "created_at"

    def matches(self, agent: Agent) -> bool:
        """Return whether an agent is one of them, its last run aside."""
        borne = [tag in agent.tags for tag in self.tags]
        return (
            self.name in (None, agent.name)
            and self.name_search.casefold() in agent.name.casefold()
            and (not borne or (all(borne) if self.all_tags else any(borne)))
            and self.created_by_id in (None, agent.created_by_id)
            and self.project_id in (None, agent.extra.get("project_id"))
            and self.template_id in (None, agent.extra.get("template_id"))
            and self.base_template_id in (None, agent.extra.get("base_template_id"))
        )

    def sources(self, organization_id: str) -> _Sources:
        """Return where to look in the order of creation: as little as the indexes allow."""
        if self.name is not None:
            return (("by_name", (organization_id, self.name)),)
        tags = self.tags[:1] if self.all_tags else dict.fromkeys(self.tags)
        by_tag = tuple(("by_tag", cast(Key, (organization_id, tag))) for tag in tags)
        return by_tag or (("by_organization", (organization_id,)),)


EVERY_AGENT = AgentFilter()


async def read_agents(ports: Ports, actor: Actor, page: Page, which: AgentFilter) -> list[Agent]:
    """Return a page of the actor's agents; raise InvalidInput, LimitExceeded, StoreError."""
    if which.order == "last_run_completion":
        return await _by_last_run(ports, actor, page, which)

    async def position(tx: Transaction, key: str) -> Key:
        if which.order == "created_at":
            return await place_by_creation(tx, actor, AGENTS, key)
        agent = await read_owned(tx, actor, AGENTS, key)
        return (agent.updated_at, agent.id)

    return await read_matching(ports, _selection(actor, which), page, position)


async def count_agents(ports: Ports, actor: Actor, which: AgentFilter) -> int:
    """Return how many of the actor's agents there are; raise LimitExceeded, StoreError."""
    return await count_matching(ports, _selection(actor, attrs.evolve(which, order="created_at")))


def _selection(actor: Actor, which: AgentFilter) -> Selection[Agent]:
    check_count(which.tags, "$.tags", count_max=TAGS_MAX)

    async def keep(tx: Transaction, agent: Agent) -> bool:
        if not which.matches(agent) or which.stop_reasons is None:
            return which.matches(agent)
        head = await tx.get(HEADS, (agent.id,))
        return head is not None and _has_stopped(await read_last_head(tx, head), which)

    by_update: _Sources = (("by_update", (actor.organization_id,)),)
    sources = which.sources(actor.organization_id) if which.order == "created_at" else by_update
    return Selection(table=AGENTS, sources=sources, keep=keep)


async def _by_last_run(ports: Ports, actor: Actor, page: Page, which: AgentFilter) -> list[Agent]:
    """Return a page of agents in the order in which they ran last: those of the threads that did."""
    agents: dict[str, Agent] = {}

    async def keep(tx: Transaction, head: AgentHead) -> bool:
        agent, own = await tx.get(AGENTS, (head.agent_id,)), await tx.get(HEADS, (head.agent_id,))
        if agent is None or own is None or not which.matches(agent):
            return False
        agents[agent.id] = agent
        last = await read_last_head(tx, own)
        return last.thread_id == head.thread_id and _has_stopped(last, which)

    async def position(tx: Transaction, key: str) -> Key:
        last = await read_last_head(tx, await read_head(tx, actor, key))
        return (last.ran_at, last.thread_id)

    source: tuple[str, Key] = ("by_last_run", (actor.organization_id,))
    heads = await read_matching(ports, Selection(table=HEADS, sources=(source,), keep=keep), page, position)
    return [agents[head.agent_id] for head in heads]


def _has_stopped(head: AgentHead, which: AgentFilter) -> bool:
    """Return whether a thread's last run ended as it is asked for."""
    if which.stop_reasons is None:
        return True
    return head.last_run is not None and head.last_run.stop_reason in which.stop_reasons
