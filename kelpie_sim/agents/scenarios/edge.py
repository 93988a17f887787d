"""The same faults through the HTTP app: no success that is none, no stream without an end, what was told is there.

edge            agents, messages plain and streamed, blocks, over HTTP
edge-files      import and export over HTTP: whole, an error, or a body that visibly broke off
"""

from kelpie_core.json_types import JsonObject
from kelpie_core.model.turn import StopReason
from kelpie_core.records import MESSAGES
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import audit, records_of
from kelpie_sim.agents.client import SEND
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.documents import normalized, same
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.http import Answer, Cut, form_of, json_of, request
from kelpie_sim.agents.samples import SAMPLES
from kelpie_sim.agents.scenarios.common import RARE, cluster_of, failing_store, rare_faults, scripts, set_up
from kelpie_sim.check.history import Op
from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

OK = 200
TRIES = 400
RETRIES_MAX = 2


async def _edge(world: World) -> None:
    cluster = cluster_of(world)
    (agent,) = await set_up(cluster, ("Ada",))
    stream = world.streams.stream("workload")
    for n in range(stream.between(1, 3)):
        script = scripts(stream, f"m{n}")
        tokens = stream.chance(0.5)
        await (_streamed if stream.chance(0.6) else _plain)(cluster, agent.id, f"m{n}", script, tokens)
    await audit(cluster)
    await _check_list(cluster, agent.id)


async def _plain(cluster: Cluster, agent_id: str, mark: str, script: str, tokens: bool) -> None:
    op = cluster.world.history.invoke("client", SEND, agent=agent_id, mark=mark, script=script)
    answer = await _ask(cluster, op, f"/v1/agents/{agent_id}/messages", {"messages": [_message(script)]})
    if answer is None:
        return
    if answer.status == OK:
        await record_told(cluster, op, answer.json()["messages"], answer.json()["stop_reason"]["stop_reason"])
    elif answer.status < 500:
        op.fail(f"status {answer.status}")
    else:
        op.info(f"status {answer.status}")


async def _streamed(cluster: Cluster, agent_id: str, mark: str, script: str, tokens: bool) -> None:
    op = cluster.world.history.invoke("client", SEND, agent=agent_id, mark=mark, script=script)
    body = {"messages": [_message(script)], "stream_tokens": tokens, "include_pings": True}
    answer = await _ask(cluster, op, f"/v1/agents/{agent_id}/messages/stream", body)
    if answer is None:
        return
    if answer.status != OK:
        (op.fail if answer.status < 500 else op.info)(f"status {answer.status}")
        return
    await _check_stream(cluster, op, answer)


async def _check_stream(cluster: Cluster, op: Op, answer: Answer) -> None:
    world, events = cluster.world, answer.events()
    world.check(answer.complete and events[-1] == {}, "edge: a stream did not end with [DONE]")
    kinds = [event.get("message_type") for event in events]
    world.check(kinds.count("stop_reason") == 1, "edge: a stream did not say once why it stopped")
    if "error_message" in kinds:
        world.sometimes.hit("error event")
        op.info("error event")
        return
    world.check("usage_statistics" in kinds, "edge: a stream that ended well gave no usage")
    reason = next(event["stop_reason"] for event in events if event.get("message_type") == "stop_reason")
    await record_told(
        cluster, op, [event for event in events if str(event.get("id", "")).startswith("message-")], reason
    )


async def record_told(cluster: Cluster, op: Op, messages: list[JsonObject], reason: str) -> None:
    """Record a turn that was told as done, its messages by the numbers under which they are stored."""
    stored = {message.id: message.seq for message in await records_of(cluster, MESSAGES)}
    keys = list(dict.fromkeys(str(message["id"]) for message in messages))
    cluster.world.check(all(key in stored for key in keys), "edge: a message was told that is not stored")
    run = next((message["run_id"] for message in messages), None)
    seqs = tuple(sorted(stored[key] for key in keys))
    op.ok(run=run, failed=False, reason=StopReason(reason), messages=seqs)


async def _check_list(cluster: Cluster, agent_id: str) -> None:
    """Read the history through the list, in both directions, and hold it against the store."""
    stored = sorted((m.seq, m.id) for m in await records_of(cluster, MESSAGES) if m.agent_id == agent_id)
    for order in ("asc", "desc"):
        keys = await _listed(cluster, agent_id, order)
        expected = [key for _, key in (stored if order == "asc" else reversed(stored))]
        cluster.world.check(keys == expected, f"edge: the list in {order} order is not the history")


async def _listed(cluster: Cluster, agent_id: str, order: str) -> list[str]:
    keys: list[str] = []
    while True:
        after = f"&after={keys[-1]}" if keys else ""
        page = await request(cluster.server, "GET", f"/v1/agents/{agent_id}/messages?limit=3&order={order}{after}")
        found = [str(item["id"]) for item in page.json()]
        if not found:
            return list(dict.fromkeys(keys))
        keys += found


async def _edge_files(world: World) -> None:
    cluster, sample = cluster_of(world), world.streams.stream("workload").pick(SAMPLES)
    body, content_type = form_of(sample.data)
    answer = await _until_ok(cluster, "POST", "/v1/agents/import?append_copy_suffix=false", body, content_type)
    agent_id = answer.json()["agent_ids"][0]
    for _ in range(3):
        try:
            export = await request(cluster.server, "GET", f"/v1/agents/{agent_id}/export")
        except (ServerGone, Cut) as error:
            world.story(f"export: {type(error).__name__}")
            continue
        if export.status == OK and export.complete:
            world.sometimes.hit("whole")
            whole = same(normalized(sample.data), normalized(export.body))
            world.check(whole, "edge: an export that was told as whole is not")
        else:
            world.sometimes.hit("broken off" if export.status == OK else "refused")
    await audit(cluster)


async def _until_ok(cluster: Cluster, method: str, path: str, body: bytes, content_type: str) -> Answer:
    for _ in range(TRIES):
        try:
            answer = await request(cluster.server, method, path, body, content_type=content_type)
        except (ServerGone, Cut) as error:
            cluster.world.story(f"{path}: {type(error).__name__}")
            continue
        if answer.status == OK:
            return answer
        cluster.world.check(answer.status >= 500, f"edge: a sound request was refused with {answer.status}")
        await cluster.world.sleep(0.1)
    raise AssertionError("the server never managed to do it")


async def _ask(cluster: Cluster, op: Op, path: str, body: JsonObject) -> Answer | None:
    """Return the answer, having asked again where the server said that this is of use, as Letta's clients do."""
    try:
        answer = await request(cluster.server, "POST", path, json_of(body))
        for _ in range(RETRIES_MAX):
            if answer.headers.get("x-should-retry") != "true":
                break
            cluster.world.sometimes.hit("asked again")
            await cluster.world.sleep(0.5)
            answer = await request(cluster.server, "POST", path, json_of(body))
    except (ServerGone, Cut) as error:
        op.info(error)
        return None
    return answer


def _message(script: str) -> JsonObject:
    return {"role": "user", "content": script}


def _some(swarm: Swarm) -> tuple[Fault, ...]:
    match swarm.pick("harm", ("none", "rare", "store", "store")):
        case "none":
            return ()
        case "rare":
            return rare_faults(swarm)
    return failing_store(swarm)


def _reads(swarm: Swarm) -> tuple[Fault, ...]:
    return (
        f.StorageReadFail(on=("message_read", "message_scan"), probability=swarm.rate("read_fail", (0.0, 0.3, 0.8))),
        f.CrashBeforeCommit(on="commit", probability=swarm.rate("crash_before", RARE), between=(0.0, 5.0)),
        f.LostAcknowledgement(on="commit", probability=swarm.rate("lost_ack", RARE)),
    )


SCENARIOS = (
    Scenario(
        name="edge",
        run=_edge,
        faults=_some,
        operations=OPERATIONS,
        seeds=150,
        sometimes=("error event", "asked again"),
        doc="Turns over HTTP.",
    ),
    Scenario(
        name="edge-files",
        run=_edge_files,
        faults=_reads,
        operations=OPERATIONS,
        seeds=60,
        sometimes=("whole", "broken off", "refused"),
        doc="Files over HTTP.",
    ),
)
