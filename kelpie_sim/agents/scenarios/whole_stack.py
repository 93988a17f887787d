"""The whole stack: the SDK that people use, the network, the server, the production app, over a store that fails.

whole-stack     agents and messages, plain and streamed, while connections break, hosts cannot reach each other and the
                server loses power; real uvicorn over TCP or the message level, as drawn
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import attrs
import httpx
import letta_client
from starlette.types import ASGIApp

from kelpie_core.kelpie import Kelpie
from kelpie_core.model.turn import StopReason
from kelpie_core.records import MESSAGES
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.client import SEND
from kelpie_sim.agents.cluster import RECOVER_EVERY_SECONDS, Cluster, Server, holder_of
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import (
    MEMORY_TOOL_NAMES,
    RARE,
    TOOL_NAMES,
    quiet_uvicorn,
    rare_faults,
    scripts,
    set_up,
)
from kelpie_sim.check.history import Op
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.http import Fidelity, HttpService
from kelpie_sim.world.network import faults as n

T = TypeVar("T")
TRIES = 400
TIMEOUT_SECONDS = 30.0
# Of a message that is sound: an error in the middle of a stream has the status of its head; the agent may be at work.
OK, CONFLICT, TOO_LONG = 200, 409, 400
BROKEN = (letta_client.APIConnectionError, httpx.TransportError)


def _by_model(error: letta_client.APIStatusError) -> bool:
    """Return whether the turn failed because the model found its window too long, as the body says."""
    told = error.body.get("error") if isinstance(error.body, dict) else None
    return error.status_code == TOO_LONG and isinstance(told, dict) and told.get("type") == "llm_context_overflow"


class HttpServer(Server):
    """A server that is asked over HTTP. Its app, and so its Kelpie, is made anew in each life."""

    service: HttpService

    def serve(self, fidelity: Fidelity) -> None:
        """Start the host with the service on it."""
        self.service = HttpService(
            self.cluster.world.network, self.host, self._make, fidelity=fidelity, lifespan="on", port=8_283
        )
        self.host.on_crash.append(self._down)
        self.service.boot()

    def _make(self) -> ASGIApp:
        self.kelpie = Kelpie(self.cluster.ports_of(self.host), holder=holder_of(self.host))
        self._is_up.set()
        return create_app(self.kelpie, Config(recover_seconds=RECOVER_EVERY_SECONDS))


def served_cluster(world: World, fidelity: Fidelity) -> tuple[Cluster, HttpServer]:
    """Return a cluster of one server that is asked over HTTP, and that boots again when it died or could not start."""
    cluster = Cluster(world, servers=0)
    server = HttpServer(cluster, world.host("server-1"))
    cluster.servers = (server,)
    server.host.on_crash.append(cluster._crashed)
    server.serve(fidelity)
    return cluster, server


@attrs.define(eq=False)
class Caller:
    """A client with the SDK, on a host of its own."""

    cluster: Cluster
    sdk: letta_client.AsyncLetta

    async def agent(self, name: str) -> str:
        """Create an agent and return its id; if nobody knows whether it was created, look before doing it again."""

        async def work() -> str:
            found = (await self.sdk.agents.list(name=name)).items
            tools = [*MEMORY_TOOL_NAMES, *TOOL_NAMES]
            agent = (
                found[0]
                if found
                else await self.sdk.agents.create(
                    name=name, model="kelpie/echo", tools=tools, memory_blocks=[{"label": "human", "value": ""}]
                )
            )
            return agent.id

        return await self.until_done(work)

    async def until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` again and again until it is done: for what a scenario needs to go on."""
        for _ in range(TRIES):
            try:
                return await work()
            except BROKEN as error:
                self.cluster.world.story(type(error).__name__)
            except letta_client.APIStatusError as error:
                self.cluster.world.check(error.status_code >= 500, f"stack: a sound request got {error.status_code}")
            await self.cluster.world.sleep(0.5)
        raise AssertionError("the server never managed to do it")

    async def send(self, agent_id: str, mark: str, script: str, *, streamed: bool) -> None:
        """Send a script, and record what came of it."""
        op = self.cluster.world.history.invoke("client", SEND, agent=agent_id, mark=mark, script=script)
        try:
            await (self._stream if streamed else self._plain)(op, agent_id, script)
        except BROKEN as error:
            self.cluster.world.sometimes.hit("connection broke")
            op.info(type(error).__name__)
        except letta_client.APIStatusError as error:
            self.cluster.world.sometimes.hit("refused")
            told = f"stack: a sound message got {error.status_code}"
            fine = error.status_code in (OK, CONFLICT) or error.status_code >= 500 or _by_model(error)
            self.cluster.world.check(fine, told)
            # What the model refused is stored all the same, and so is the run that failed by it.
            refused = 400 <= error.status_code < 500 and not _by_model(error)
            (op.fail if refused else op.info)(f"status {error.status_code}")
        except letta_client.APIError as error:
            op.info(f"error event {type(error).__name__}")

    async def _plain(self, op: Op, agent_id: str, script: str) -> None:
        answer = await self.sdk.agents.messages.create(agent_id, messages=[{"role": "user", "content": script}])
        told = [(message.id, message.run_id) for message in answer.messages]
        await self._told(op, told, str(answer.stop_reason.stop_reason))

    async def _stream(self, op: Op, agent_id: str, script: str) -> None:
        events = await self.sdk.agents.messages.create(
            agent_id, messages=[{"role": "user", "content": script}], streaming=True
        )
        kinds, told, reason = [], [], ""
        async for event in events:
            kinds.append(event.message_type)
            if event.message_type == "stop_reason":
                reason = event.stop_reason
            elif hasattr(event, "run_id") and hasattr(event, "id") and event.message_type != "ping":
                told.append((event.id, event.run_id))
        world = self.cluster.world
        world.check(kinds.count("stop_reason") == 1, "stack: a stream did not say once why it stopped")
        if "error_message" in kinds:
            op.info("error event")
            return
        world.check("usage_statistics" in kinds, "stack: a stream that ended well gave no usage")
        await self._told(op, told, reason)

    async def _told(self, op: Op, told: list[tuple[str, str | None]], reason: str) -> None:
        """Record a turn that was told as done, its messages by the numbers under which they are stored."""
        stored = {message.id: message.seq for message in await records_of(self.cluster, MESSAGES)}
        keys = list(dict.fromkeys(key for key, _ in told))
        self.cluster.world.check(all(key in stored for key in keys), "stack: a message was told that is not stored")
        self.cluster.world.sometimes.hit("told")
        run = next((run for _, run in told), None)
        seqs = tuple(sorted(stored[key] for key in keys))
        op.ok(run=run, failed=False, reason=StopReason(reason), messages=seqs)


async def _whole_stack(world: World) -> None:
    fidelity: Fidelity = "tcp" if world.swarm.flag("tcp") else "message"
    with quiet_uvicorn():
        cluster, server = served_cluster(world, fidelity)
        await set_up(cluster, ())
        await world.host("client").start(partial(_work, cluster, server))
        await audit(cluster)
        await world.host("reader").start(partial(_read_back, cluster, server))
        if server.host.incarnation > 1:
            world.sometimes.hit("server was up again")
        await server.service.stop()


async def _work(cluster: Cluster, server: HttpServer) -> None:
    stream = cluster.world.streams.stream("workload")
    async with _caller(cluster, server) as caller:
        agent_id = await caller.agent("Ada")
        for number in range(stream.between(1, 3)):
            mark = f"m{number}"
            await caller.send(agent_id, mark, scripts(stream, mark), streamed=stream.chance(0.5))


async def _read_back(cluster: Cluster, server: HttpServer) -> None:
    """Read the history through the SDK once all is well again, and hold it against the store."""
    async with _caller(cluster, server) as caller:
        agent_id = await caller.agent("Ada")

        async def listed() -> list[str]:
            return [message.id async for message in caller.sdk.agents.messages.list(agent_id, order="asc", limit=3)]

        found = list(dict.fromkeys(await caller.until_done(listed)))
        stored = sorted((m.seq, m.id) for m in await records_of(cluster, MESSAGES) if m.agent_id == agent_id)
        cluster.world.check(found == [key for _, key in stored], "stack: the list is not the history")


@asynccontextmanager
async def _caller(cluster: Cluster, server: HttpServer) -> AsyncIterator[Caller]:
    """Give a client; the SDK does not repeat by itself, since what it repeats may be done twice."""
    service = server.service
    http = service.client(timeout=TIMEOUT_SECONDS)
    async with letta_client.AsyncLetta(
        base_url=service.base_url, api_key="none", max_retries=0, timeout=TIMEOUT_SECONDS, http_client=http
    ) as sdk:
        yield Caller(cluster, sdk)


def _harm(swarm: Swarm) -> tuple[Fault, ...]:
    """Return nothing, what goes wrong on the way, what goes wrong in the server, or both."""
    harm = swarm.pick("harm", ("none", "network", "server", "both"))
    network = _network(swarm) if harm in ("network", "both") else ()
    server = rare_faults(swarm) if harm in ("server", "both") else _crashes(swarm) if harm == "network" else ()
    return (*network, *server)


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
        n.DnsFail(on="resolve", probability=swarm.rate("dns_fail", RARE)),
    )


def _crashes(swarm: Swarm) -> tuple[Fault, ...]:
    return (
        f.CrashBeforeCommit(on="commit", probability=swarm.rate("crash_before", RARE)),
        f.CrashAfterCommit(on="commit", probability=swarm.rate("crash_after", RARE)),
    )


SCENARIOS = (
    Scenario(
        name="whole-stack",
        run=_whole_stack,
        faults=_harm,
        operations=OPERATIONS,
        seeds=60,
        sometimes=("told", "connection broke", "refused", "server was up again"),
        doc="The SDK, the network, the server and the store, all of them failing.",
    ),
)
