"""Turns whose model is asked over the network: the production adapters, the SDKs, providers that fail in every way.

model-endpoint    two servers over one store; agents of an endpoint of chat completions asked directly, of OpenAI and of
                  Anthropic through their SDKs; over TCP or at message level, as drawn
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import attrs

from kelpie_core.model.agent import Agent
from kelpie_core.model.content import ReasoningPart
from kelpie_core.model.run import RunStatus
from kelpie_core.ports import Ports
from kelpie_core.records import MESSAGES, RUNS
from kelpie_server.config import Config
from kelpie_server.world.language_model.models import Models
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.model_endpoints import ChatCompletions, Messages, ModelEndpoint
from kelpie_sim.agents.scenarios.common import (
    RARE,
    agent_draft,
    create_once,
    model_faults,
    quiet_uvicorn,
    scripts,
    set_up,
)
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host
from kelpie_sim.world.http import Fidelity, HttpService
from kelpie_sim.world.network import faults as n

if TYPE_CHECKING:
    import httpx2

KEY = "sk-simulated-key"
GRACE_SECONDS = 1
# The name of the host decides that OpenAI's SDK asks, in OpenAI's own dialect.
LOCAL, OPENAI, ANTHROPIC = "ollama", "api.openai.com", "anthropic"
HANDLES = {LOCAL: "ollama/scripted", OPENAI: "openai/scripted", ANTHROPIC: "anthropic/scripted"}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}


class ModelCluster(Cluster):
    """Servers whose models are asked over the network. Each life of a server has connections of its own."""

    def __init__(self, world: World, services: dict[str, HttpService], *, servers: int) -> None:
        self.services = services
        super().__init__(world, servers=servers)

    def ports_of(self, host: Host) -> Ports:
        """Return the ports for the present life of a host."""
        services = self.services
        config = Config(
            ollama_base_url=services[LOCAL].base_url,
            openai_base_url=f"{services[OPENAI].base_url}/v1",
            openai_api_key=KEY,
            anthropic_base_url=services[ANTHROPIC].base_url,
            anthropic_api_key=KEY,
            model_connect_seconds=10.0,
            model_first_seconds=30.0,
            model_next_seconds=20.0,
        )
        return attrs.evolve(super().ports_of(host), model=Models(config, client_for=Clients(services).of))


@attrs.define(eq=False)
class Clients:
    """The clients of one life of a server, one for each provider."""

    services: dict[str, HttpService]
    _made: "dict[str, httpx2.AsyncClient]" = attrs.field(factory=dict)

    def of(self, base_url: str) -> "httpx2.AsyncClient":
        """Return the client for a base URL."""
        name = next(name for name, service in self.services.items() if base_url.startswith(service.base_url))
        if name not in self._made:
            self._made[name] = self.services[name].client2()
        return self._made[name]


async def serve_models(world: World, fidelity: Fidelity) -> dict[str, HttpService]:
    """Start the providers."""
    apps: dict[str, type[ModelEndpoint]] = {LOCAL: ChatCompletions, OPENAI: ChatCompletions, ANTHROPIC: Messages}
    services = {}
    for name, app in apps.items():
        host = world.host(name)
        serve = partial(app, world, host)
        services[name] = HttpService(
            world.network, host, serve, fidelity=fidelity, lifespan="off", timeout_graceful_shutdown=GRACE_SECONDS
        )
        services[name].boot()
    for service in services.values():
        await service.ready()
    return services


async def _model_endpoint(world: World) -> None:
    fidelity: Fidelity = "tcp" if world.swarm.flag("tcp", 0.3) else "message"
    with quiet_uvicorn():
        services = await serve_models(world, fidelity)
        cluster = ModelCluster(world, services, servers=2)
        await set_up(cluster, ())
        setup = Client(cluster, "setup")
        agents = []
        for name, handle in HANDLES.items():
            settings = THINKING if name == ANTHROPIC and world.swarm.flag("thinks") else None
            draft = attrs.evolve(agent_draft(name), model=handle, model_settings=settings)
            agents.append(await create_once(setup, draft))
        await asyncio.gather(*(_talk(cluster, agent) for agent in agents))
        await audit(cluster)
        await _look_back(cluster)
        world.faults.active = False
        for service in services.values():
            await service.stop()
        await asyncio.sleep(GRACE_SECONDS)  # what is given up is logged a little later


async def _talk(cluster: Cluster, agent: Agent) -> None:
    """Have a few turns with an agent, some of which call what no provider would take back as it is."""
    stream = cluster.world.streams.stream(f"workload/{agent.name}")
    client = Client(cluster, agent.name)
    for turn in range(stream.between(1, 2)):
        mark = f"{agent.name}-{turn}"
        script, server = _odd(stream) + scripts(stream, mark), stream.pick(cluster.servers)
        if stream.chance(0.5):
            await client.stream(agent.id, mark, script, server=server, wait=600, tokens=stream.chance(0.7))
        else:
            await client.send(agent.id, mark, script, server=server, wait=600)


def _odd(stream: Stream) -> str:
    """Return a line that calls a tool by a name that providers refuse, or with arguments that are no JSON; or none."""
    return stream.pick(("", 'call odd/name {"text": "a"}\n', "call look {bad\n"))


async def _look_back(cluster: Cluster) -> None:
    """Check that every run has ended, and none for a request that no provider takes."""
    world = cluster.world
    for run in await records_of(cluster, RUNS):
        world.check(run.status is not RunStatus.RUNNING, "model endpoint: a run is still at work")
        kind = None if run.error is None else run.error.type
        world.check(kind != "llm_bad_request", f"model endpoint: a request was refused: {run.error}")
        if kind is not None:
            world.sometimes.hit("a run failed for its model")
        elif run.status is RunStatus.COMPLETED:
            world.sometimes.hit("a run ended well")
    for message in await records_of(cluster, MESSAGES):
        if any(isinstance(part, ReasoningPart) and part.signature for part in message.content):
            world.sometimes.hit("a signed thought is stored")


def _harm(swarm: Swarm) -> tuple[Fault, ...]:
    """Return nothing, providers that fail, a network that fails, or both, and servers that lose power."""
    harm = swarm.pick("harm", ("none", "models", "network", "both"))
    models = _models(swarm) if harm in ("models", "both") else ()
    network = _network(swarm) if harm in ("network", "both") else ()
    crash = f.CrashAfterCommit(on="commit", probability=swarm.rate("crash_after", (0.0, 0.0, 0.01)))
    return (*models, *network, *((crash,) if harm != "none" else ()))


def _models(swarm: Swarm) -> tuple[Fault, ...]:
    """Return the faults of the model, at rates at which most turns meet one."""
    return tuple(
        attrs.evolve(fault, probability=min(4 * fault.probability, 0.2))
        for fault in model_faults(swarm)
        if not isinstance(fault, f.LlmCrash)
    )


def _network(swarm: Swarm) -> tuple[Fault, ...]:
    return (
        n.NetworkPartition(
            on=("connect", "send"),
            probability=swarm.rate("partition", RARE),
            duration_ms=swarm.pick("partition_ms", (500, 5_000, 60_000)),
            one_way=swarm.flag("one_way"),
        ),
        n.NetworkReset(on=("send", "deliver"), probability=swarm.rate("reset", RARE)),
        n.NetworkDelay(on=("connect", "send"), probability=swarm.rate("delay", RARE), delay_ms=2_000),
        n.NetworkConnectFail(on="connect", probability=swarm.rate("connect_fail", RARE)),
    )


SCENARIOS = (
    Scenario(
        name="model-endpoint",
        run=_model_endpoint,
        faults=_harm,
        operations=OPERATIONS,
        seeds=100,
        sometimes=("a run ended well", "a run failed for its model", "a signed thought is stored"),
        doc="Turns whose models are asked over a network, providers failing in every way.",
    ),
)
