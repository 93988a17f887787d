"""Requests that are sent again under their key: what they ask for is done once, whatever was lost on the way.

idempotent-requests   a client that repeats until it is told, and often after; agents, blocks, tools, turns
"""

import asyncio

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.model.content import text_of
from kelpie_core.model.message import Role
from kelpie_core.model.run import Run
from kelpie_core.records import AGENTS, BLOCKS, MESSAGES, RUNS, TOOLS
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.client import PATIENCE_SECONDS, RETRY_SECONDS, RETRY_SECONDS_MAX, SEND
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS, CrashAfterCommit, LostAcknowledgement, StorageWriteFail
from kelpie_sim.agents.http import Answer, Cut, json_of, request
from kelpie_sim.agents.scenarios.common import MEMORY_TOOL_NAMES, TOOL_NAMES, faults_sometimes, scripts, set_up
from kelpie_sim.agents.scenarios.edge import OK, record_told
from kelpie_sim.faults import NS_PER_SECOND, Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

TOO_BUSY = (409, 503)
GONE = 404


class Repeater:
    """A client that sends every request under a key of its own, and again until it is told; then sometimes again."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._stream = cluster.world.streams.stream("repeater")
        self._keys = 0

    async def post(self, path: str, body: JsonObject) -> list[JsonValue]:
        """Return every answer that told of success, the first attempts perhaps two at once."""
        self._keys += 1
        key = f"key-{self._keys}"
        at_once = 2 if self._stream.chance(0.3) else 1
        told = await asyncio.gather(*(self._until_told(path, body, key) for _ in range(at_once)))
        if self._stream.chance(0.5):
            self.cluster.world.sometimes.hit("asked again")
            told.append(await self._until_told(path, body, key))
        return told

    async def post_delete_post(self, path: str, body: JsonObject) -> None:
        """Make a thing, delete it, and ask for it again under its key: it is gone, and stays away."""
        key = str((await self.post(path, body))[0]["id"])
        await self._until_told(f"{path}/{key}", {}, "", method="DELETE", ends=(OK, GONE))
        await self._until_told(path, body, f"key-{self._keys}", ends=(GONE,))

    async def _until_told(
        self, path: str, body: JsonObject, key: str, *, method: str = "POST", ends: tuple[int, ...] = (OK,)
    ) -> JsonValue:
        world, wait_seconds = self.cluster.world, RETRY_SECONDS
        deadline_ns = world.now_ns + PATIENCE_SECONDS * NS_PER_SECOND
        while world.now_ns < deadline_ns:
            server = self._stream.pick(self.cluster.servers)
            try:
                answer = await request(server, method, path, json_of(body), headers={"idempotency-key": key})
            except (ServerGone, Cut) as error:
                world.story(f"{path}: {type(error).__name__}")
                world.sometimes.hit("answer lost")
                continue
            if answer.status in ends or _is_end(answer):
                return answer.json()
            world.check(answer.status in TOO_BUSY, f"idempotency: a repeated request was refused with {answer.status}")
            await world.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, RETRY_SECONDS_MAX)
        raise AssertionError("the servers never managed to do it")


def _is_end(answer: Answer) -> bool:
    """Return whether an error is the end of a turn: it will be the same each time."""
    return "error" in answer.json() and "run_id" in answer.json()


async def _idempotent(world: World) -> None:
    cluster = Cluster(world, servers=world.swarm.size("servers", 1, 2))
    await set_up(cluster, ())
    client, stream = Repeater(cluster), world.streams.stream("workload")
    tools = [*MEMORY_TOOL_NAMES, *TOOL_NAMES]
    blocks = [{"label": "human", "value": ""}]
    body = {"name": "Ada", "model": "kelpie/echo", "tools": tools, "memory_blocks": blocks, "include_base_tools": False}
    agent_id = _one_id(world, await client.post("/v1/agents", body))
    _one_id(world, await client.post("/v1/blocks", {"label": "notes", "value": "n"}))
    await client.post_delete_post("/v1/blocks", {"label": "gone", "value": "g"})
    schema = {"name": "mine", "parameters": {"type": "object", "properties": {}}}
    _one_id(world, await client.post("/v1/tools", {"source_code": "def mine(): ...", "json_schema": schema}))
    conversation_id = _one_id(world, await client.post(f"/v1/conversations?agent_id={agent_id}", {}))
    for number in range(stream.between(1, 3)):
        script = scripts(stream, f"m{number}")
        match stream.pick(("plain", "plain", "background", "conversation")):
            case "plain":
                await _send(cluster, client, agent_id, f"m{number}", script)
            case "background":
                _one_id(world, await client.post(f"/v1/agents/{agent_id}/messages/async", _message(script)))
                world.sometimes.hit("in the background")
            case _:
                body = _message(script) | {"streaming": False}
                _one_turn(world, await client.post(f"/v1/conversations/{conversation_id}/messages", body))
    await audit(cluster)
    await _check_once(cluster)


def _one_id(world: World, told: list[JsonValue]) -> str:
    ids = {str(answer["id"]) for answer in told}
    world.check(len(ids) == 1, "idempotency: a repeated request made another thing")
    return ids.pop()


async def _send(cluster: Cluster, client: Repeater, agent_id: str, mark: str, script: str) -> None:
    op = cluster.world.history.invoke("client", SEND, agent=agent_id, mark=mark, script=script)
    told = _one_turn(cluster.world, await client.post(f"/v1/agents/{agent_id}/messages", _message(script)))
    if "error" in told:
        op.ok(run=told["run_id"], failed=True, reason=None, messages=())
    else:
        await record_told(cluster, op, told["messages"], told["stop_reason"]["stop_reason"])


def _message(script: str) -> JsonObject:
    return {"messages": [{"role": "user", "content": script}]}


def _one_turn(world: World, told: list[JsonValue]) -> JsonObject:
    """Return what all answers to one message told alike."""
    failed = [answer for answer in told if "error" in answer]
    world.check(len(failed) in (0, len(told)), "idempotency: a turn was told as failed and as done")
    runs = {answer["run_id"] if failed else answer["usage"]["run_ids"][0] for answer in told}
    world.check(len(runs) == 1, "idempotency: a repeated message began another turn")
    gave = {tuple(message["id"] for message in answer.get("messages", ())) for answer in told}
    world.check(len(gave) == 1, "idempotency: a repeated message was answered with other messages")
    first: JsonObject = told[0]
    return first


async def _check_once(cluster: Cluster) -> None:
    """Check that there is one thing for each key, and one message and run for each message's key."""
    world = cluster.world
    world.check(len(await records_of(cluster, AGENTS)) == 1, "idempotency: there are more agents than keys")
    labels = sorted(block.label for block in await records_of(cluster, BLOCKS))
    world.check(labels == ["human", "notes"], "idempotency: there are more blocks than keys")
    names = [tool.name for tool in await records_of(cluster, TOOLS)]
    world.check(len(set(names)) == len(names), "idempotency: there are more tools than keys")
    sent = [text_of(m.content) for m in await records_of(cluster, MESSAGES) if m.role is Role.USER]
    runs: list[Run] = await records_of(cluster, RUNS)
    world.check(len(set(sent)) == len(sent) == len(runs), "idempotency: there are more messages or runs than keys")


def _faults(swarm: Swarm) -> tuple[Fault, ...]:
    lost = LostAcknowledgement(on="commit", probability=swarm.rate("lost_acks", (0.0, 0.05, 0.2)))
    crash = CrashAfterCommit(on="commit", probability=swarm.rate("crashes", (0.0, 0.02, 0.1)))
    return (*faults_sometimes(swarm), *_store_down(swarm), lost, crash)


def _store_down(swarm: Swarm) -> tuple[Fault, ...]:
    """Return a store that cannot write for a while: long enough for a turn to be given up where it stands."""
    if not swarm.flag("store_down", 0.4):
        return ()
    after, failures = swarm.size("down_after", 1, 12), swarm.size("down_failures", 8, 24)
    return (StorageWriteFail(on="run_write", probability=0.95, after=after, max_triggers=failures),)


SCENARIOS = (
    Scenario(
        name="idempotent-requests",
        run=_idempotent,
        faults=_faults,
        operations=OPERATIONS,
        seeds=200,
        sometimes=("asked again", "answer lost", "in the background"),
        doc="Requests that are repeated under their key.",
    ),
)
