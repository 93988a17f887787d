"""A client that costs little: HTTP/1.1 over connections that stay open, so many requests at once, and nothing parsed.

It runs in the bench's own process, while the server's CPU is read from the system.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import attrs
import msgspec

EVENT_END = b"\n\n"


@attrs.frozen
class Request:
    """What is asked: a method, a path, the JSON body."""

    method: str
    path: str
    body: object = None


@attrs.define(eq=False)
class Connection:
    """One connection to a server."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to the server at a URL."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**26))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def ask(self, request: Request) -> bytes:
        """Return the body of the answer; raise RuntimeError for a status other than 200."""
        self._send(request)
        status, headers = await self._head()
        body = await self._chunks() if headers.get("transfer-encoding") == "chunked" else await self._sized(headers)
        if status != 200:
            raise RuntimeError(f"{request.method} {request.path}: {status} {body[:500]!r}")
        return body

    async def first_event_s(self, request: Request) -> float:
        """Return the seconds until the first whole event of a stream; read the stream to its end."""
        start_s = time.perf_counter()
        self._send(request)
        await self._head()
        seen, took_s = b"", 0.0
        while chunk := await self._chunk():
            seen += chunk
            if not took_s and EVENT_END in seen:
                took_s = time.perf_counter() - start_s
        return took_s

    def _send(self, request: Request) -> None:
        body = b"" if request.body is None else msgspec.json.encode(request.body)
        head = f"{request.method} {request.path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)

    async def _head(self) -> tuple[int, dict[str, str]]:
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return int(status.split()[1]), {name.lower(): value.strip().lower() for name, _, value in pairs}

    async def _sized(self, headers: dict[str, str]) -> bytes:
        return await self._reader.readexactly(int(headers.get("content-length", 0)))

    async def _chunks(self) -> bytes:
        pieces = []
        while piece := await self._chunk():
            pieces.append(piece)
        return b"".join(pieces)

    async def _chunk(self) -> bytes:
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:size]


async def drive(url: str, requests: Iterable[Request], concurrency: int) -> float:
    """Ask all requests, so many at once, and return the seconds they took; raise RuntimeError if one fails."""
    waiting = iter(requests)
    connections = [await Connection.open(url) for _ in range(concurrency)]

    async def work(connection: Connection) -> None:
        for request in waiting:
            await connection.ask(request)

    start_s = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    took_s = time.perf_counter() - start_s
    for connection in connections:
        connection.close()
    return took_s


def repeated(requests: Iterable[Request], count: int) -> Iterable[Request]:
    """Return so many requests, going round through the given ones."""
    return itertools.islice(itertools.cycle(tuple(requests)), count)
