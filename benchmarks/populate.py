"""Databases with a long past, written by the core itself: `python -m benchmarks.populate DATABASE MESSAGES AGENTS`.

Prints the id of the agent with that many messages. The other agents have none.
"""

from __future__ import annotations

import asyncio
import sys

import attrs

from kelpie_core.echo_model import EchoModel
from kelpie_core.ids import draw_id
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.ports import Ports
from kelpie_core.records import AGENTS, HEADS, MESSAGES
from kelpie_core.service.drafts import AgentDraft
from kelpie_core.turn.window import extended
from kelpie_server.world.clock import SystemClock
from kelpie_server.world.entropy import SystemEntropy
from kelpie_server.world.store_sqlite import SqliteStore
from kelpie_server.world.tools import RefusingToolRunner

PIECE = 2_000
TEXT = "what was said and answered, in a sentence of some length, as people write them"


async def populate(path: str, messages: int, agents: int) -> str:
    """Write a database with one agent that has so many messages, and so many agents in all; return that agent's id."""
    store = await SqliteStore.open(path)
    ports = Ports(
        clock=SystemClock(), entropy=SystemEntropy(), store=store, model=EchoModel(), tools=RefusingToolRunner()
    )
    agent = await Kelpie(ports).agents.create(AgentDraft(name="agent-with-a-past", model="kelpie/echo"))
    for first in range(1, messages, PIECE):
        await _add_messages(ports, agent.id, first, min(first + PIECE, messages))
    for first in range(1, agents, PIECE):
        await _add_agents(ports, agent.id, min(PIECE, agents - first))
    await store.aclose()
    return agent.id


async def _add_messages(ports: Ports, agent_id: str, first: int, end: int) -> None:
    async with ports.store.transaction() as tx:
        head = await tx.get(HEADS, (agent_id,))
        assert head is not None
        for seq in range(first, end):
            await tx.put(
                MESSAGES,
                Message(
                    id=draw_id("message", ports.entropy),
                    agent_id=agent_id,
                    organization_id="org-00000000-0000-4000-8000-000000000000",
                    seq=seq,
                    role=Role.USER if seq % 2 else Role.ASSISTANT,
                    content=(TextPart(text=TEXT),),
                    created_at=ports.clock.now(),
                ),
            )
        await tx.put(HEADS, attrs.evolve(head, seq_next=end, window=extended(head.window, first, end)))


async def _add_agents(ports: Ports, like_id: str, count: int) -> None:
    async with ports.store.transaction() as tx:
        agent, head = await tx.get(AGENTS, (like_id,)), await tx.get(HEADS, (like_id,))
        assert agent is not None
        assert head is not None
        for number in range(count):
            key = draw_id("agent", ports.entropy)
            named = attrs.evolve(agent, id=key, name=f"agent-{number}", created_at=ports.clock.now())
            await tx.put(AGENTS, named)
            await tx.put(HEADS, attrs.evolve(head, agent_id=key, window=(), seq_next=0))


if __name__ == "__main__":
    print(asyncio.run(populate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
