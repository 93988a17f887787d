"""A client that runs the tools itself, over HTTP: it asks in a stream of tokens and answers what it is asked.

client-tools-edge    the stream asks for what the agent shows as waiting, whole; answers go through; then it is free
"""

import asyncio

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_sim.agents.audit import audit
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.http import Answer, Cut, json_of, request
from kelpie_sim.agents.scenarios.common import call, faults_sometimes, set_up
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

OK, REFUSED = 200, 400
TRIES, BROKEN_MAX = 200, 3
TOOLS: list[JsonObject] = [{"name": "shell", "description": "Run it.", "parameters": {"type": "object"}}]


@attrs.define(eq=False)
class Code:
    """The client: `asked` are the calls that it was asked to run, by id, with their arguments."""

    cluster: Cluster
    agent_id: str
    asked: dict[str, str] = attrs.field(factory=dict)
    turns: int = 0

    async def turn(self, *messages: JsonObject) -> bool:
        """Send messages, again with their otids until told; return False if they were refused."""
        self.turns += 1
        named = [{**one, "otid": f"turn-{self.turns}-{n}"} for n, one in enumerate(messages)]
        body = {"messages": named, "stream_tokens": True, "client_tools": TOOLS}
        answer = await self._until(f"/v1/agents/{self.agent_id}/messages/stream", "POST", body)
        if answer.status == OK:
            await self._heard(answer)
        return answer.status == OK

    async def pending(self) -> dict[str, str]:
        """Return the calls that the agent shows as waiting, by id, with their arguments."""
        shown = (await self._until(f"/v1/agents/{self.agent_id}", "GET")).json()["pending_approval"]
        return {} if shown is None else {one["tool_call_id"]: one["arguments"] for one in shown["tool_calls"]}

    async def cancel(self) -> None:
        """Give up whatever is at work or waits."""
        await self._until(f"/v1/agents/{self.agent_id}/messages/cancel", "POST", {})

    async def _heard(self, answer: Answer) -> None:
        """Take a stream in: what it asks for must be what the agent shows, to the last character."""
        world, events = self.cluster.world, answer.events()
        world.check(answer.complete and events[-1] == {}, "client: a stream did not end with [DONE]")
        self.asked = {}
        for event in events:
            if event.get("message_type") == "approval_request_message":
                pieces = event["tool_calls"]
                for piece in pieces if isinstance(pieces, list) else [pieces]:
                    key = str(piece["tool_call_id"])
                    self.asked[key] = self.asked.get(key, "") + (piece.get("arguments") or "")
        reasons = [event["stop_reason"] for event in events if event.get("message_type") == "stop_reason"]
        if reasons == ["requires_approval"]:
            world.check(self.asked == await self.pending(), "client: the stream asked for other than what waits")
            world.sometimes.hit("asked")
        else:
            self.asked = {}

    async def _until(self, path: str, method: str, body: JsonObject | None = None) -> Answer:
        broken = 0  # a run that failed for good says so each time
        for _ in range(TRIES):
            try:
                answer = await request(self.cluster.server, method, path, b"" if body is None else json_of(body))
            except (ServerGone, Cut) as error:
                self.cluster.world.story(f"{path}: {type(error).__name__}")
            else:
                broken += _is_cut(answer)
                if answer.status in (OK, REFUSED) and (broken > BROKEN_MAX or not _is_cut(answer)):
                    return answer
            await asyncio.sleep(1)
        raise AssertionError(f"{path} was never answered")


def _is_cut(answer: Answer) -> bool:
    """Return whether a stream told of a failure of the server: a client sends its request again then."""
    events = answer.events() if answer.body.startswith(b"data: ") else []
    return any(event.get("error_type") == "internal_error" for event in events)


def _gave(key: str, text: str, status: str = "success") -> JsonObject:
    return {"type": "tool", "tool_call_id": key, "tool_return": text, "status": status}


async def _client_tools(world: World) -> None:
    cluster, stream = Cluster(world), world.streams.stream("workload")
    (agent,) = await set_up(cluster, ("Ada",))
    code = Code(cluster, agent.id)
    lines = [
        " & ".join(call("shell", text=f"{n}-{k}") for k in range(stream.between(1, 3)))
        for n in range(stream.between(1, 3))
    ]
    script = "\n".join((*(f"call {line}" for line in lines), "say all done"))
    await code.turn({"role": "user", "content": script})
    for _ in range(6):
        waits = await code.pending()
        if not waits:
            break
        if stream.chance(0.25):
            await _interrupt(world, code, waits)
            break
        await code.turn({"type": "approval", "approvals": [_gave(key, f"ran {key}") for key in waits]})
    await audit(cluster)
    await code.cancel()
    world.check(await code.pending() == {}, "client: a cancel left something waiting")
    world.check(await code.turn({"role": "user", "content": "say still here"}), "client: it is refused for ever")


async def _interrupt(world: World, code: Code, waits: dict[str, str]) -> None:
    """Stop in mid-work: cancel, and say so together with the next message."""
    await code.cancel()
    denied = {"type": "approval", "approvals": [_gave(key, "interrupted", "error") for key in waits]}
    taken = await code.turn(denied, {"role": "user", "content": "say never mind"})
    world.check(taken, "client: a message behind a stale answer was refused")
    world.sometimes.hit("interrupted")


SCENARIOS = (
    Scenario(
        name="client-tools-edge",
        run=_client_tools,
        operations=OPERATIONS,
        faults=faults_sometimes,
        seeds=150,
        sometimes=("asked", "interrupted"),
        doc="A client that runs the tools itself, over HTTP, under every fault.",
    ),
)
