"""A client that hears a background run to its end however often it is cut off, and what it must have heard.

in order   each event of the run once, numbered from 1 without a gap; a sign of life repeats the last number
stored     what is told is in the log before it is told
again      who reads the log afterwards is told the very same
content    the pieces of each stored message add up to it, and nothing else but pieces is told of any other
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import attrs
import msgspec

from kelpie_core.json_types import JsonObject
from kelpie_core.keys import encode_key, prefix_end
from kelpie_core.model.event_log import LogState
from kelpie_core.model.message import Message
from kelpie_core.model.run import RunStatus
from kelpie_core.optimistic import Range
from kelpie_core.records import BY_KEY, EVENT_CHUNKS, EVENT_LOGS, MESSAGES, RUNS, Table
from kelpie_core.wire.letta_message import message_json
from kelpie_core.wire.letta_run import stop_reason_of
from kelpie_sim.agents.audit import records_of
from kelpie_sim.agents.client import SEND
from kelpie_sim.agents.cluster import Cluster, Server, ServerGone
from kelpie_sim.agents.http import DONE, Cut, json_of, request
from kelpie_sim.agents.scenarios.edge import OK, record_told
from kelpie_sim.seed import Stream

TRIES = 4_000
BUSY = 409
NEVER = 1 << 40
_PIECES = ("assistant_message", "reasoning_message", "tool_call_message", "approval_request_message")
_TEXTS = {"assistant_message": "content", "reasoning_message": "reasoning"}


@attrs.define(eq=False)
class StreamClient:
    """One client: it sends a script in the background, and goes on behind what it heard until it is told the end."""

    cluster: Cluster
    name: str
    draws: Stream
    heard: list[JsonObject] = attrs.field(factory=list)
    run_id: str | None = None
    done: bool = False
    begun: asyncio.Event = attrs.field(factory=asyncio.Event)
    _body: bytes = b""
    _left: int = 0

    @property
    def seq_id(self) -> int:
        """Return the number of the last event that was heard."""
        return cast(int, self.heard[-1]["seq_id"]) if self.heard else 0

    async def run(self, agent_id: str, mark: str, script: str, *, tokens: bool) -> None:
        """Send the script, hear the run to its end, and check it."""
        op = self.cluster.world.history.invoke(self.name, SEND, agent=agent_id, mark=mark, script=script)
        message = {"role": "user", "content": script, "otid": f"otid-{mark}"}
        body = {"messages": [message], "background": True, "stream_tokens": tokens}
        await self._until(lambda: self.run_id is not None, f"/v1/agents/{agent_id}/messages/stream", lambda: body)
        await self.follow()
        reason = next(str(event["stop_reason"]) for event in self.heard if event["message_type"] == "stop_reason")
        if any(event["message_type"] == "error_message" for event in self.heard):
            op.ok(run=self.run_id, failed=True, reason=None, messages=())
        else:
            stored = {message.id for message in await records_of(self.cluster, MESSAGES)}
            await record_told(self.cluster, op, [one for one in self.heard if one.get("id") in stored], reason)

    async def follow(self) -> None:
        """Hear the run to its end, wherever it is; then hear all of it again in one go, which must be the same."""
        path = f"/v1/runs/{self.run_id}/stream"
        await self._until(lambda: self.done, path, self._resumption)
        await check_heard(self.cluster, str(self.run_id), self.heard)

    async def resume_cut(self, cut: int) -> None:
        """Hear the run's log from the beginning, cut off once at that byte, and then to the end."""
        await self._connect(self.cluster.server, f"/v1/runs/{self.run_id}/stream", {"starting_after": 0}, cut)
        if not self.done:
            await self._connect(self.cluster.server, f"/v1/runs/{self.run_id}/stream", {"starting_after": self.seq_id})

    async def _until(self, is_done: Callable[[], bool], path: str, body: Callable[[], JsonObject]) -> None:
        for _ in range(TRIES):
            if is_done():
                return
            cut = self.draws.between(1, 4_000) if self.draws.chance(0.6) else NEVER
            await self._connect(self.draws.pick(self.cluster.servers), path, body(), cut)
        raise AssertionError(f"{self.name}: the stream never came to its end")

    def _resumption(self) -> JsonObject:
        body: JsonObject = {"starting_after": self.seq_id}
        if self.draws.chance(0.3):
            body |= {"batch_size": self.draws.between(1, 3), "poll_interval": self.draws.between(1, 500) / 1_000}
        return body

    async def _connect(self, server: Server, path: str, body: JsonObject, cut: int = NEVER) -> None:
        """Hear one answer, to its end or until the connection breaks: `cut` bytes are heard at most."""
        world, hang_up = self.cluster.world, asyncio.Event()
        self._body, self._left = b"", cut
        try:
            answer = await request(
                server, "POST", path, json_of(body), heard=partial(self._hear, hang_up), hang_up=hang_up
            )
        except (ServerGone, Cut) as error:
            world.story(f"{self.name}: {type(error).__name__}")
            await world.sleep(0.2)
            return
        if answer.status != OK:
            sound = answer.status >= 500 or answer.status == BUSY
            world.check(sound, f"streams: a sound request was refused with {answer.status}: {answer.body!r}")
            await world.sleep(0.2)

    async def _hear(self, hang_up: asyncio.Event, piece: bytes) -> None:
        if hang_up.is_set() or not piece:
            return
        taken = piece[: self._left]
        self._left -= len(taken)
        self._body += taken
        *frames, self._body = self._body.split(b"\n\n")
        for frame in frames:
            await self._take(frame.decode().rpartition("data: ")[2])
        if len(taken) < len(piece):
            self.cluster.world.sometimes.note("hung up")
            hang_up.set()

    async def _take(self, data: str) -> None:
        world = self.cluster.world
        if data == DONE:
            self.done = True
            return
        event: JsonObject = msgspec.json.decode(data)
        self.run_id = str(event.get("run_id") or self.run_id)
        self.begun.set()
        if event.get("error_type") == "stream_broken_off":
            world.sometimes.note("broken off")
            return
        if event["message_type"] == "ping" and event["seq_id"] == self.seq_id:
            world.sometimes.note("sign of life")
            return
        world.check(event["seq_id"] == self.seq_id + 1, "in order: an event is missed, or told twice")
        self.heard.append(event)
        found = await chunked_events(self.cluster, self.run_id)
        world.check(event in found, "stored: an event was told that is not in the log")


async def chunked_events(cluster: Cluster, run_id: str) -> list[JsonObject]:
    """Return the events in a run's log, straight from the durable store."""
    prefix = encode_key((run_id,))
    table = cast(Table[object], EVENT_CHUNKS)
    wanted = Range(table=table, index=BY_KEY, low=prefix, high=prefix_end(prefix), limit=100_000)
    chunks = [EVENT_CHUNKS.decode(row.body) for row in await cluster.durable.range(wanted)]
    return [event.data for chunk in chunks for event in chunk.events]


async def check_heard(cluster: Cluster, run_id: str, heard: Sequence[JsonObject]) -> None:
    """Check what was heard of a run that ended against what is stored of it."""
    world = cluster.world
    world.check(list(heard) == await chunked_events(cluster, run_id), "again: the log is not what was told")
    (run,) = [run for run in await records_of(cluster, RUNS) if run.id == run_id]
    world.check(run.status is not RunStatus.RUNNING, "content: the end was told of a run that has not ended")
    ends = [event["stop_reason"] for event in heard if event["message_type"] == "stop_reason"]
    world.check(ends == [stop_reason_of(run.stop_reason)], "content: a stream did not say once, rightly, why it ended")
    stored = [one for one in await records_of(cluster, MESSAGES) if one.run_id == run_id and one.step_id is not None]
    told = [str(event["id"]) for event in heard if str(event.get("id", "")).startswith("message-")]
    for message in stored:
        _check_message(cluster, message, [event for event in heard if event.get("id") == message.id])
    keys = [message.id for message in sorted(stored, key=lambda message: message.seq)]
    world.check([key for key in dict.fromkeys(told) if key in keys] == keys, "content: messages are out of order")
    kinds = {str(event["message_type"]) for event in heard if event.get("id") in set(told) - set(keys)}
    world.check(kinds <= set(_PIECES), "content: a message was told whole that is not stored")
    if set(told) - set(keys):
        world.sometimes.note("provisional")


def _check_message(cluster: Cluster, message: Message, told: Sequence[JsonObject]) -> None:
    expected = message_json(message)
    for kind in {str(variant["message_type"]): None for variant in (*expected, *told)}:
        said, meant = (
            _said(kind, [one for one in events if one["message_type"] == kind]) for events in (told, expected)
        )
        cluster.world.check(said == meant, f"content: the pieces of a {kind} do not add up: {said!r}, not {meant!r}")


def _said(kind: str, events: Sequence[JsonObject]) -> object:
    if kind in _TEXTS:
        return "".join(event[_TEXTS[kind]] for event in events)
    if kind not in _PIECES:
        return [event.get("tool_returns") for event in events]
    calls: dict[str, str] = {}
    for event in events:
        given = event["tool_calls"] if isinstance(event["tool_calls"], list) else [event["tool_calls"]]
        for call in given:
            key = str(call["tool_call_id"])
            calls[key] = calls.get(key, "") + f"{call.get('name') or ''}{call.get('arguments') or ''}"
    return calls


async def check_logs(cluster: Cluster) -> None:
    """Check that every log is whole, and ended if its run did."""
    running = {run.id for run in await records_of(cluster, RUNS) if run.status is RunStatus.RUNNING}
    for log in await records_of(cluster, EVENT_LOGS):
        events = await chunked_events(cluster, log.run_id)
        whole = [event["seq_id"] for event in events] == list(range(1, log.seq_last + 1))
        cluster.world.check(whole, "in order: a log has a gap")
        ended = log.state is LogState.ENDED or log.run_id in running
        cluster.world.check(ended, "settled: the log of a run that ended has no end")
