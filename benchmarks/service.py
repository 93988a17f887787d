"""What the service costs: the real server in a process of its own, asked over real sockets.

Times are CPU seconds of the server's process, read from the system, so that the client's own cost does not count; where
people wait (requests per second, the first event of a stream, export and import) they are seconds on the wall. The
bounds come from the V1 server in its best configuration on such a machine: 147 ms of CPU for a turn, 31 ms for an
agent, 8.8 turns and 40 agents a second at 16 at once, 133 and 285 ms for export and import of 1,000 messages.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.figure import Figure
from benchmarks.http_load import Connection, Request, drive, repeated
from benchmarks.timing import ROOT
from kelpie_server.remote import import_file
from tests.server.live_server import LiveServer, cpu_s, resident_mb

AT_ONCE = 16
ROUNDS = 5
REQUESTS = 400
FEW, MANY = 10, 1_000_000
FEW_AGENTS, MANY_AGENTS = 10, 100_000
FLAT_MAX = 1.2
MODEL = "kelpie/echo"
HISTORY = 1_000
AGENT: object = {"name": "a", "model": MODEL, "memory_blocks": [{"label": "human", "value": "Bo"}]}
TURN: object = {"messages": [{"role": "user", "content": "how do you do"}]}
STREAM: object = {**TURN, "stream_tokens": True}  # type: ignore[dict-item]


def figures() -> Iterator[Figure]:
    """Yield all figures of the service."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(_served(Path(folder)))
        yield from _started(server)
        yield from _against_bare(server, Path(folder))
        yield from _costs(server)
        yield from _waits(server)
    yield from _flat()


@contextmanager
def _served(folder: Path) -> Iterator[LiveServer]:
    server = LiveServer(folder, "--model-default", MODEL)
    try:
        yield server
    finally:
        server.end()


def _started(server: LiveServer) -> Iterator[Figure]:
    yield Figure(name="idle memory", value=resident_mb(server.pid), unit="MB", ceiling=120, against="V1: 488 MB")
    yield Figure(name="start to ready", value=server.start_seconds, unit="s", ceiling=1.0, against="V1: 9.6 s")


def _against_bare(server: LiveServer, folder: Path) -> Iterator[Figure]:
    """A block made here is two rows and four index entries; there it is one row."""
    block = Request("POST", "/v1/blocks", {"label": "human", "value": "Bo"})
    thing = Request("POST", "/things", {"label": "human", "value": "Bo"})
    with _bare(folder / "bare.db") as (url, pid):
        for at_once in (1, AT_ONCE):
            ours, bare = _Measured(), _Measured()
            for _ in range(ROUNDS):
                ours.add(server.url, server.pid, repeated([block], REQUESTS), at_once, REQUESTS)
                bare.add(url, pid, repeated([thing], REQUESTS), at_once, REQUESTS)
            yield Figure(
                name=f"blocks per second, {at_once} at once",
                value=ours.rate / bare.rate,
                unit="x",
                floor=0.5,
                against=f"bare Starlette and SQLite {bare.rate:,.0f}/s, {bare.cpu_ms:.3g} ms of CPU each; "
                f"here {ours.rate:,.0f}/s, {ours.cpu_ms:.3g} ms",
            )


def _costs(server: LiveServer) -> Iterator[Figure]:
    agents = Request("POST", "/v1/agents", AGENT)
    made = _Measured()
    for _ in range(ROUNDS):
        made.add(server.url, server.pid, repeated([agents], REQUESTS), AT_ONCE, REQUESTS)
    yield Figure(name="agent", value=made.cpu_ms, unit="ms of CPU", ceiling=2.0, against="V1: 31 ms")
    yield Figure(
        name=f"agents per second, {AT_ONCE} at once", value=made.rate, unit="/s", floor=1_200, against="V1: 40/s"
    )
    turns = [Request("POST", f"/v1/agents/{key}/messages", TURN) for key in _make_agents(server, AT_ONCE * 4)]
    taken = _Measured()
    for _ in range(ROUNDS):
        taken.add(server.url, server.pid, repeated(turns, REQUESTS), AT_ONCE, REQUESTS)
    yield Figure(name="turn of one step", value=taken.cpu_ms, unit="ms of CPU", ceiling=2.94, against="V1: 147 ms")
    yield Figure(
        name=f"turns per second, {AT_ONCE} at once", value=taken.rate, unit="/s", floor=264, against="V1: 8.8/s"
    )


def _waits(server: LiveServer) -> Iterator[Figure]:
    (agent_id,) = _make_agents(server, 1)
    events = Request("POST", f"/v1/agents/{agent_id}/messages/stream", STREAM)
    first_ms = 1_000 * _median(lambda: asyncio.run(_first_event_s(server.url, events)), 20)
    yield Figure(name="first event of a stream", value=first_ms, unit="ms", ceiling=5.0, against="V1: 59 ms")
    file = _agent_file()
    import_ms = 1_000 * _median(lambda: _import_s(server.url, file), ROUNDS)
    yield Figure(
        name=f"import of {HISTORY:,} messages", value=import_ms, unit="ms", ceiling=14.25, against="V1: 285 ms"
    )
    (imported,) = import_file(server.url, file, {})
    export = Request("GET", f"/v1/agents/{imported}/export")
    export_ms = 1_000 * _median(lambda: asyncio.run(drive(server.url, [export], 1)), ROUNDS)
    yield Figure(name=f"export of {HISTORY:,} messages", value=export_ms, unit="ms", ceiling=6.65, against="V1: 133 ms")


def _flat() -> Iterator[Figure]:
    """The same work on an agent with a short past and on one with a long one, among few agents and among many."""
    with TemporaryDirectory() as small, TemporaryDirectory() as large, ExitStack() as stack:
        few_id = _populated(Path(small), FEW, FEW_AGENTS)
        many_id = _populated(Path(large), MANY, MANY_AGENTS)
        few, many = (stack.enter_context(_served(Path(folder))) for folder in (small, large))
        for name, ask in _ASKED.items():
            costs = [(_Measured(), few, ask(few_id)), (_Measured(), many, ask(many_id))]
            for _ in range(ROUNDS):
                for measured, server, request in costs:
                    measured.add(server.url, server.pid, repeated([request], REQUESTS), 1, REQUESTS)
            (first, _, _), (second, _, _) = costs
            yield Figure(
                name=f"{name}: {MANY:,} messages, {MANY_AGENTS:,} agents",
                value=second.cpu_ms / first.cpu_ms,
                unit="x",
                ceiling=FLAT_MAX,
                against=f"{FEW} messages, {FEW_AGENTS} agents: {first.cpu_ms:.3g} ms; there {second.cpu_ms:.3g} ms",
            )


_ASKED: dict[str, Callable[[str], Request]] = {
    "a turn": lambda agent_id: Request("POST", f"/v1/agents/{agent_id}/messages", TURN),
    "an agent": lambda agent_id: Request("GET", f"/v1/agents/{agent_id}"),
    "a page of messages": lambda agent_id: Request("GET", f"/v1/agents/{agent_id}/messages?limit=10"),
    "a page of agents": lambda agent_id: Request("GET", "/v1/agents?limit=10"),
}


class _Measured:
    """What some rounds of requests took: CPU of the server, time on the wall."""

    def __init__(self) -> None:
        self._cpu_s: list[float] = []
        self._rates: list[float] = []

    def add(self, url: str, pid: int, requests: Iterable[Request], at_once: int, count: int) -> None:
        """Run a round."""
        before_s = cpu_s(pid)
        took_s = asyncio.run(drive(url, requests, at_once))
        self._cpu_s.append((cpu_s(pid) - before_s) / count)
        self._rates.append(count / took_s)

    @property
    def cpu_ms(self) -> float:
        """CPU of the server per request, the median of the rounds."""
        return 1_000 * statistics.median(self._cpu_s)

    @property
    def rate(self) -> float:
        """Requests per second, the median of the rounds."""
        return statistics.median(self._rates)


@contextmanager
def _bare(path: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "benchmarks.bare_server", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
        process.terminate()


def _make_agents(server: LiveServer, count: int) -> list[str]:
    async def make() -> list[str]:
        connection = await Connection.open(server.url)
        answers = [await connection.ask(Request("POST", "/v1/agents", AGENT)) for _ in range(count)]
        connection.close()
        return [msgspec.json.decode(answer)["id"] for answer in answers]

    return asyncio.run(make())


async def _first_event_s(url: str, request: Request) -> float:
    connection = await Connection.open(url)
    took_s = await connection.first_event_s(request)
    connection.close()
    return took_s


def _median(measure: Callable[[], float], times: int) -> float:
    return statistics.median(measure() for _ in range(times))


def _agent_file() -> bytes:
    messages = [
        {
            "id": f"message-{i}",
            "role": "user" if i % 2 else "assistant",
            "content": [{"type": "text", "text": "x" * 200}],
        }
        for i in range(HISTORY)
    ]
    agent = {"id": "agent-0", "name": "imported", "agent_type": "letta_v1_agent", "model": MODEL, "messages": messages}
    names = ("groups", "blocks", "files", "sources", "tools", "mcp_servers")
    return msgspec.json.encode({"agents": [agent], **dict.fromkeys(names, ())})


def _import_s(url: str, file: bytes) -> float:
    start_s = time.perf_counter()
    import_file(url, file, {})
    return time.perf_counter() - start_s


def _populated(folder: Path, messages: int, agents: int) -> str:
    command = [sys.executable, "-m", "benchmarks.populate", str(folder / "kelpie.db"), str(messages), str(agents)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
