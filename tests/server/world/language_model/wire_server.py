"""A provider on a real socket that answers with exactly these bytes, and the adapters that ask it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import attrs
import httpx2

from kelpie_core.errors import ModelError
from kelpie_core.json_types import JsonValue
from kelpie_core.ports import ModelChunk, ModelRequest
from kelpie_server.world.language_model.calls import Adapter, ClientFor
from kelpie_server.world.language_model.pacing import Patience, paced
from tests.server.world.language_model.samples import call_of

PATIENCE = Patience(connect_seconds=5, first_seconds=5, next_seconds=5)
IMPATIENT = Patience(connect_seconds=5, first_seconds=0.05, next_seconds=0.05)
MakeAdapter = Callable[[ClientFor, Patience], Adapter]


@attrs.frozen(kw_only=True)
class Reply:
    """What the server sends. Not `ends`: the connection breaks behind it. `hangs`: it stays open and says no more."""

    status: int = 200
    pieces: tuple[bytes, ...] = ()
    kind: str = "text/event-stream"
    headers: tuple[str, ...] = ()
    ends: bool = True
    hangs: bool = False


def events(*values: JsonValue, done: bool = True, **fields: object) -> Reply:
    """Return a stream of events, each with its type as its name if it has one."""
    pieces = [_event(value) for value in values]
    end = [b"data: [DONE]\n\n"] if done else []
    return Reply(pieces=(*pieces, *end), **fields)  # type: ignore[arg-type]


def document(value: JsonValue, status: int = 200, *headers: str) -> Reply:
    """Return an answer in JSON."""
    return Reply(status=status, pieces=(json.dumps(value).encode(),), kind="application/json", headers=headers)


def _event(value: JsonValue) -> bytes:
    if isinstance(value, bytes):
        return value
    name = f"event: {value['type']}\n" if isinstance(value, dict) and "type" in value else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


@attrs.define(eq=False)
class Server:
    """Answers requests with the replies, the last one again and again. `asked` are the requests that came."""

    replies: list[Reply]
    asked: list[tuple[str, dict[str, str], JsonValue]] = attrs.field(factory=list)
    serving: "list[asyncio.Task[None]]" = attrs.field(factory=list)
    left: asyncio.Event = attrs.field(factory=asyncio.Event)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to serve a connection."""
        self.serving.append(asyncio.ensure_future(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its end."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        self.left.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append((head[0].rpartition(" ")[0], headers, json.loads(body) if body else None))
        reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
        lines = [
            f"HTTP/1.1 {reply.status} X",
            f"content-type: {reply.kind}",
            "transfer-encoding: chunked",
            *reply.headers,
        ]
        writer.write("\r\n".join((*lines, "", "")).encode())
        for piece in reply.pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if reply.hangs:
            await reader.read(1)  # until the client leaves
            return False
        if reply.ends:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return reply.ends


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[tuple[Server, str]]:
    """Give a server and its address."""
    server = Server(list(replies))
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        listening.close()
        await asyncio.gather(*server.serving)


@attrs.frozen
class Told:
    """What an adapter gave, and what it asked for."""

    chunks: tuple[ModelChunk, ...]
    error: ModelError | None
    server: Server

    @property
    def failure(self) -> tuple[str, bool, float | None] | None:
        """The error's kind, whether it passes, and how long to wait."""
        error = self.error
        return None if error is None else (error.kind, error.retriable, error.retry_after_seconds)


def ask(
    make: MakeAdapter,
    asked: ModelRequest,
    *replies: Reply,
    patience: Patience = PATIENCE,
    version: str = "/v1",
    **fields: object,
) -> Told:
    """Return what an adapter makes of the replies."""

    async def run() -> Told:
        chunks: list[ModelChunk] = []
        error = None
        async with serving(*replies) as (server, url), httpx2.AsyncClient(trust_env=False, verify=False) as client:
            adapter = make(lambda base_url: client, patience)
            try:
                async for chunk in paced(adapter.stream(call_of(asked, url + version, **fields)), patience):
                    chunks.append(chunk)
            except ModelError as failure:
                error = failure
        return Told(tuple(chunks), error, server)

    return asyncio.run(run())


def leaves_at_once(make: MakeAdapter, asked: ModelRequest, reply: Reply, *, version: str = "/v1") -> bool:
    """Return whether an adapter that is cancelled after its first piece leaves, and the server hears it."""

    async def run() -> bool:
        heard = asyncio.Event()
        async with serving(reply) as (server, url), httpx2.AsyncClient(trust_env=False, verify=False) as client:

            async def listen() -> None:
                async for _ in paced(
                    make(lambda base_url: client, PATIENCE).stream(call_of(asked, url + version)), PATIENCE
                ):
                    heard.set()

            task = asyncio.ensure_future(listen())
            await heard.wait()
            task.cancel()
            await asyncio.wait_for(server.left.wait(), 5)
            return task.cancelled()

    return asyncio.run(run())
