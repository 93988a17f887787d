"""Background runs, and listeners that are cut off: whoever resumes hears every event once, in order, and to the end.

stream-resume      clients that are cut off anywhere, servers that die, runs that move to another server
stream-every-byte  one stream, cut at each byte of its body and resumed
two-replicas       two servers whose clocks differ and that stand still for longer than a lease; many listeners
"""

import asyncio

from kelpie_core.records import EVENT_LOGS
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.http import json_of, request
from kelpie_sim.agents.scenarios.common import RARE, faults_sometimes, scripts, set_up
from kelpie_sim.agents.streaming import StreamClient, check_logs
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.machine import ClockSkew, HostPause

# A run of the scenario cuts at every so many bytes; where it begins is drawn, so that runs together cut at each.
STRIDE = 64


async def _stream_resume(world: World) -> None:
    cluster = Cluster(world, servers=world.swarm.size("servers", 1, 2))
    agents = await set_up(cluster, ("Ada", "Bo")[: world.swarm.size("agents", 1, 2)])
    stream = world.streams.stream("workload")

    async def talk(number: int, agent_id: str) -> None:
        for n in range(stream.between(1, 2)):
            mark = f"m{number}-{n}"
            client = StreamClient(cluster, f"client-{mark}", stream)
            await client.run(agent_id, mark, scripts(stream, mark), tokens=stream.chance(0.7))

    await asyncio.gather(*(talk(number, agent.id) for number, agent in enumerate(agents)))
    if any(server.host.incarnation > 1 for server in cluster.servers):
        world.sometimes.hit("server died")
    await _settled(cluster)


async def _two_replicas(world: World) -> None:
    cluster = Cluster(world, servers=2)
    agents = await set_up(cluster, ("Ada", "Bo"))
    stream = world.streams.stream("workload")

    async def talk(number: int, agent_id: str) -> None:
        mark = f"m{number}"
        first = StreamClient(cluster, f"client-{number}", stream)
        talking = asyncio.ensure_future(first.run(agent_id, mark, scripts(stream, mark), tokens=stream.chance(0.7)))
        await first.begun.wait()
        others = [StreamClient(cluster, f"listener-{number}-{n}", stream, run_id=first.run_id) for n in range(2)]
        await asyncio.gather(talking, *(other.follow() for other in others))
        world.check(all(other.heard == first.heard for other in others), "again: two listeners heard different things")

    await asyncio.gather(*(talk(number, agent.id) for number, agent in enumerate(agents)))
    await _settled(cluster)


async def _every_byte(world: World) -> None:
    cluster = Cluster(world, servers=1)
    (agent,) = await set_up(cluster, ("Ada",))
    stream = world.streams.stream("workload")
    first = StreamClient(cluster, "client", stream)
    await first.run(agent.id, "m0", "say cut me anywhere", tokens=stream.chance(0.5))
    path, body = f"/v1/runs/{first.run_id}/stream", json_of({"starting_after": 0, "include_pings": False})
    whole = (await request(cluster.server, "POST", path, body)).body
    for cut in range(stream.between(0, STRIDE - 1), len(whole) + 1, STRIDE):
        client = StreamClient(cluster, f"cut at {cut}", stream, run_id=first.run_id)
        await client.resume_cut(cut)
        world.check(client.done and client.heard == first.heard, f"again: cut at byte {cut}, another stream was heard")
    await _settled(cluster)


async def _settled(cluster: Cluster) -> None:
    """Audit what is stored; all logs are complete, and go once they are old enough."""
    await audit(cluster)
    await check_logs(cluster)
    logs = await records_of(cluster, EVENT_LOGS)
    cluster.world.check(bool(logs), "streams: a background run has no log")


def _deaths(swarm: Swarm) -> tuple[Fault, ...]:
    """Return rare faults, and deaths around commits and in the middle of replies that are anything but rare."""
    return (
        *faults_sometimes(swarm, 0.5),
        f.CrashBeforeCommit(on="commit", probability=swarm.rate("deaths_before", (0.0, 0.02, 0.1)), max_triggers=4),
        f.CrashAfterCommit(on="commit", probability=swarm.rate("deaths_after", (0.0, 0.02, 0.1)), max_triggers=4),
        f.LlmCrash(probability=swarm.rate("deaths_in_reply", (0.0, 0.02, 0.1)), max_triggers=2),
        f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_acks", (0.0, 0.05, 0.2))),
        f.StorageWriteFail(on="event_*", probability=swarm.rate("log_fails", (0.0, 0.1, 0.5)), between=(0.0, 60.0)),
        f.StorageLatency(on="commit", probability=swarm.rate("slow_commits", (0.0, 0.1, 0.5)), latency_ms=50),
    )


def _replicas(swarm: Swarm) -> tuple[Fault, ...]:
    pause_ms = swarm.pick("pause_ms", (500, 31_000, 45_000))
    return (
        ClockSkew(probability=swarm.rate("skew", (0.0, 0.5, 1.0)), skew_ms_max=swarm.pick("skew_ms", (100, 60_000))),
        HostPause(probability=swarm.rate("pause", (0.0, 0.005, 0.02)), pause_ms=pause_ms, max_triggers=4),
        f.LlmSlow(on=f.MODEL_CHUNK, probability=swarm.rate("slow", (0.0, 0.05, 0.3)), latency_ms=8_000),
        f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_acks", RARE)),
        f.StorageLatency(
            on="commit",
            probability=swarm.rate("slow_commits", (0.0, 0.1, 0.5)),
            latency_ms=swarm.pick("slow_ms", (50, 3_000)),
        ),
    )


SCENARIOS = (
    Scenario(
        name="stream-resume",
        run=_stream_resume,
        faults=_deaths,
        operations=OPERATIONS,
        seeds=200,
        sometimes=("hung up", "provisional", "server died"),
        doc="Background runs whose listeners are cut off.",
    ),
    Scenario(
        name="stream-every-byte",
        run=_every_byte,
        operations=OPERATIONS,
        seeds=128,
        sometimes=("hung up",),
        doc="A stream that is cut at each byte, and resumed.",
    ),
    Scenario(
        name="two-replicas",
        run=_two_replicas,
        faults=_replicas,
        operations=OPERATIONS,
        seeds=150,
        sometimes=("hung up", "provisional", "sign of life"),
        doc="Background runs on two servers whose clocks differ, and which stand still.",
    ),
)
