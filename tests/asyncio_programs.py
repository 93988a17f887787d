"""Where asyncio itself depends on addresses or on the garbage collector, as scenarios for the determinism ladder.

asyncio-programs    the programs of tests/sim/programs.py one after the other: task groups, wait, as_completed, async
                    generators, finalizers, executor jobs, crashes
streams-left        streams of a turn that their listeners drop half-way, so that finalizers close them
"""

import asyncio

from kelpie_core.kelpie import Kelpie
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.client import draft
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS, LlmCrash
from kelpie_sim.agents.scenarios.common import scripts, set_up
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from tests.sim.programs import PROGRAMS

LISTENERS = 4


async def programs(world: World) -> None:
    """Run every program, and record what it saw."""
    for name, program in PROGRAMS.items():
        world.story(f"{name}: {await program()!r}")


async def streams_left(world: World) -> None:
    """Have listeners drop their streams at any event; the turns go on, and hosts may crash under them."""
    cluster = Cluster(world)
    agents = await set_up(cluster, tuple(f"agent {n}" for n in range(LISTENERS)))
    stream = world.streams.stream("workload")

    async def listen(agent_id: str, mark: str, events_max: int) -> None:
        async def work(kelpie: Kelpie) -> None:
            events = kelpie.messages.stream(agent_id, [draft(scripts(stream, mark))])
            for _ in range(events_max):
                world.story(f"{mark}: {type(await anext(events, None)).__name__}")

        try:
            await cluster.server.call(work)
        except ServerGone:
            world.story(f"{mark}: gone")

    marks = [(agent.id, f"m{n}", stream.between(0, 4)) for n, agent in enumerate(agents)]
    await asyncio.gather(*(listen(*mark) for mark in marks))
    await audit(cluster)


def crashes(swarm: Swarm) -> tuple[Fault, ...]:
    """Return a crash in mid-stream, sometimes."""
    return (LlmCrash(probability=swarm.rate("crash", (0.0, 0.02, 0.2))),)


ASYNCIO_PROGRAMS = Scenario(name="asyncio-programs", run=programs, doc="What asyncio keeps in sets, and finalizers.")
STREAMS_LEFT = Scenario(
    name="streams-left", run=streams_left, faults=crashes, operations=OPERATIONS, doc="Streams dropped half-way."
)
SCENARIOS = (ASYNCIO_PROGRAMS, STREAMS_LEFT)
