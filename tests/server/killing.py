"""A load that writes down what was acknowledged, and the look after a kill whether all of it is still there.

The load is what people do all at once: turns, plain, streamed and in the background, with tools that run in the
sandbox; agents and blocks made; agent files imported. Each client goes on until the server dies under it.
"""

import asyncio
import itertools
import json
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import httpx

from tests.server.live_server import LiveServer

SCRIPTED = ("tests.server.scripted_server",)
TOOL = "def nap(seconds: float):\n    import time\n    time.sleep(seconds)\n    return 'rested'\n"
NAP_SCHEMA = {
    "name": "nap",
    "description": "Rest.",
    "parameters": {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]},
}
SCRIPT = (
    'call core_memory_append {"label": "human", "content": "seen"} & call nap {"seconds": 0.01}\nsay all is well here'
)
FILE_MESSAGES = 30
SETTLE_SECONDS_MAX = 10
POLL_SECONDS = 0.05
KILL_SECONDS = (0.1, 1.2)
AFTER = "say still here"
# What a client may hear when the server dies under it.
Broken = (httpx.TransportError,)


@attrs.define(eq=False)
class Ledger:
    """What the server acknowledged."""

    said: dict[str, list[str]] = attrs.field(factory=dict)
    """By agent, the otids of messages whose turn was told to be done or accepted."""
    answers: dict[str, list[str]] = attrs.field(factory=dict)
    """By agent, the ids of messages that the server gave as answers."""
    agents: list[str] = attrs.field(factory=list)
    blocks: dict[str, str] = attrs.field(factory=dict)
    imported: list[str] = attrs.field(factory=list)
    _serial: "itertools.count[int]" = attrs.field(factory=itertools.count)

    def next_otid(self) -> str:
        """Return an otid that was not used yet."""
        return f"otid-{next(self._serial)}"

    def told(self, agent_id: str, otid: str, messages: Iterable[dict[str, str]]) -> None:
        """Note a turn that was told to be done, with what it gave."""
        self.said.setdefault(agent_id, []).append(otid)
        self.answers.setdefault(agent_id, []).extend(message["id"] for message in messages)

    @property
    def size(self) -> int:
        """How many things are noted."""
        turns = sum(map(len, self.said.values())) + sum(map(len, self.answers.values()))
        return turns + len(self.agents) + len(self.blocks) + len(self.imported)


@attrs.frozen
class Lost:
    """What a look after a kill found missing or stuck, a line each; and how long the server needed to be ready."""

    lines: tuple[str, ...]
    start_seconds: float


async def set_up(url: str, agents: int) -> list[str]:
    """Make the agents that the load talks to, and return their ids."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        tool = await _asked(http, "PUT", "/v1/tools", {"source_code": TOOL, "json_schema": NAP_SCHEMA})
        blocks = [{"label": "human", "value": "", "limit": 1_000_000}]
        body = {
            "memory_blocks": blocks,
            "tool_ids": [tool["id"]],
            "tools": ["core_memory_append"],
            "model": "kelpie/echo",
        }
        return [(await _asked(http, "POST", "/v1/agents", body))["id"] for _ in range(agents)]


async def load_until_killed(server: LiveServer, ledger: Ledger, agent_ids: list[str], seconds: float) -> None:
    """Put the load on the server, kill it after so many seconds, and wait until every client has noticed."""
    kinds: tuple[_Kind, ...] = (_send, _stream, _background)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        talking = [_for_ever(kinds[n % len(kinds)], http, ledger, key) for n, key in enumerate(agent_ids)]
        making = [_for_ever(kind, http, ledger, "") for kind in (_import, _make_agent, _make_block)]
        clients = [asyncio.ensure_future(client) for client in (*talking, *making)]
        await asyncio.sleep(seconds)
        server.end(signal.SIGKILL)
        await asyncio.gather(*clients)


async def look(url: str, ledger: Ledger, agent_ids: list[str]) -> tuple[str, ...]:
    """Return what is missing or stuck, a line each."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        lines = [line for key in agent_ids for line in await _look_next(http, key)]
        lines += await _look_runs(http)
        for key in agent_ids:
            lines += await _look_history(http, ledger, key)
        lines += await _look_things(http, ledger)
    return tuple(lines)


def killed_again_and_again(folder: Path, kills: int, seed: int = 0, agents: int = 6) -> tuple[list[Lost], Ledger]:
    """Kill a loaded server so many times, look each time, and return what was found and what had been acknowledged."""
    drawn, ledger, found = random.Random(seed), Ledger(), []
    server = LiveServer(folder, command=SCRIPTED)
    agent_ids = asyncio.run(set_up(server.url, agents))
    for _ in range(kills):
        asyncio.run(load_until_killed(server, ledger, agent_ids, drawn.uniform(*KILL_SECONDS)))
        server = LiveServer(folder, command=SCRIPTED)
        found.append(Lost(asyncio.run(look(server.url, ledger, agent_ids)), server.start_seconds))
    server.end()
    return found, ledger


_Kind = Callable[[httpx.AsyncClient, Ledger, str], Awaitable[None]]


async def _for_ever(kind: _Kind, http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    while True:
        try:
            await kind(http, ledger, agent_id)
        except Broken:
            return


async def _asked(http: httpx.AsyncClient, method: str, path: str, body: object = None) -> dict[str, str]:
    answer = await http.request(method, path, json=body)
    assert 200 == answer.status_code, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
    found: dict[str, str] = answer.json()
    return found


async def _send(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    otid = ledger.next_otid()
    answer = await http.post(f"/v1/agents/{agent_id}/messages", json=_said(otid))
    assert 200 == answer.status_code, answer.text
    ledger.told(agent_id, otid, answer.json()["messages"])


async def _stream(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    otid, seen = ledger.next_otid(), []
    body = {**_said(otid), "stream_tokens": True}
    async with http.stream("POST", f"/v1/agents/{agent_id}/messages/stream", json=body) as answer:
        assert 200 == answer.status_code, await answer.aread()
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                seen.append(json.loads(line.removeprefix("data: ")))
    # A stream that was told to its end: its returns of tools are stored things. Deltas of text are only a promise.
    if any(event["message_type"] == "stop_reason" for event in seen):
        returned = [event for event in seen if event["message_type"] == "tool_return_message"]
        ledger.told(agent_id, otid, returned)


async def _background(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    otid = ledger.next_otid()
    answer = await http.post(f"/v1/agents/{agent_id}/messages/async", json=_said(otid))
    if answer.status_code == 409:  # the turn before is still at work
        await asyncio.sleep(POLL_SECONDS / 5)
        return
    assert 200 == answer.status_code, answer.text
    ledger.told(agent_id, otid, ())


async def _import(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    answer = await http.post("/v1/agents/import", files={"file": ("a.af", _agent_file())})
    assert 200 == answer.status_code, answer.text
    ledger.imported += answer.json()["agent_ids"]


async def _make_agent(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    ledger.agents.append((await _asked(http, "POST", "/v1/agents", {"model": "kelpie/echo"}))["id"])


async def _make_block(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> None:
    value = ledger.next_otid()
    ledger.blocks[(await _asked(http, "POST", "/v1/blocks", {"label": "notes", "value": value}))["id"]] = value


async def _look_next(http: httpx.AsyncClient, agent_id: str) -> list[str]:
    """The next message is accepted at once: what the dead process left is taken up before, not in its way."""
    deadline_s = time.perf_counter() + SETTLE_SECONDS_MAX
    while True:
        answer = await http.post(
            f"/v1/agents/{agent_id}/messages", json={"messages": [{"role": "user", "content": AFTER}]}
        )
        if answer.status_code == 200:
            return []
        if answer.status_code != 409 or time.perf_counter() > deadline_s:
            return [f"the next message to {agent_id} was refused: {answer.status_code} {answer.text[:300]}"]
        await asyncio.sleep(POLL_SECONDS)


async def _look_runs(http: httpx.AsyncClient) -> list[str]:
    deadline_s, stuck = time.perf_counter() + SETTLE_SECONDS_MAX, [{"id": ""}]
    while stuck and time.perf_counter() < deadline_s:
        answers = [await http.get("/v1/runs", params={"statuses": status}) for status in ("created", "running")]
        stuck = [run for answer in answers for run in answer.raise_for_status().json()]
        await asyncio.sleep(POLL_SECONDS if stuck else 0)
    return [f"run {run['id']} is left {run.get('status')}" for run in stuck]


async def _look_history(http: httpx.AsyncClient, ledger: Ledger, agent_id: str) -> list[str]:
    stored = await _all_messages(http, agent_id)
    otids = [message["otid"] for message in stored if message["message_type"] == "user_message"]
    ids = {message["id"] for message in stored}
    said, answers = ledger.said.get(agent_id, []), ledger.answers.get(agent_id, [])
    lost = [
        f"{agent_id}: the message {otid} is there {otids.count(otid)} times" for otid in said if otids.count(otid) != 1
    ]
    lost += [f"{agent_id}: the answer {key} is lost" for key in answers if key not in ids]
    called = [m["tool_call"]["tool_call_id"] for m in stored if m["message_type"] == "tool_call_message"]
    returned = {r["tool_call_id"] for m in stored for r in m.get("tool_returns") or ()}
    return lost + [f"{agent_id}: the call {call} has no return" for call in called if call not in returned]


async def _all_messages(http: httpx.AsyncClient, agent_id: str) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = []
    while True:
        after = {"after": stored[-1]["id"]} if stored else {}
        query = {"limit": 500, "order": "asc", **after}
        page = (await http.get(f"/v1/agents/{agent_id}/messages", params=query)).raise_for_status().json()
        if not page:
            return stored
        stored += page


async def _look_things(http: httpx.AsyncClient, ledger: Ledger) -> list[str]:
    lost = [f"the agent {key} is lost" for key in ledger.agents if not await _is_there(http, f"/v1/agents/{key}")]
    for key, value in ledger.blocks.items():
        answer = await http.get(f"/v1/blocks/{key}")
        if answer.status_code != 200 or answer.json()["value"] != value:
            lost.append(f"the block {key} is lost")
    for key in ledger.imported:
        answer = await http.get(f"/v1/agents/{key}/messages", params={"limit": FILE_MESSAGES + 1})
        if answer.status_code != 200 or len(answer.json()) != FILE_MESSAGES:
            lost.append(f"the imported agent {key} is not whole")
    return lost


async def _is_there(http: httpx.AsyncClient, path: str) -> bool:
    return (await http.get(path)).status_code == 200


def _said(otid: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": SCRIPT, "otid": otid}]}


def _agent_file() -> bytes:
    messages = [
        {"id": f"message-{n}", "role": "user", "content": [{"type": "text", "text": f"line {n}"}]}
        for n in range(FILE_MESSAGES)
    ]
    agent = {
        "id": "agent-0",
        "name": "guest",
        "agent_type": "letta_v1_agent",
        "model": "kelpie/echo",
        "messages": messages,
    }
    empty = dict.fromkeys(("groups", "blocks", "files", "sources", "tools", "mcp_servers"), ())
    return json.dumps({"agents": [agent], **empty}).encode()
