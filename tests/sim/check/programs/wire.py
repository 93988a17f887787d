"""Servers and calls: one JSON document each way per connection."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

PORT = 7_000
PATIENCE_SECONDS = 1.0

Document = dict[str, Any]
Answer = Callable[[Document], Awaitable[Document]]


class Unreachable(Exception):
    """Nobody answered in time. Whether the call was heard is unknown."""


async def serve(answer: Answer) -> None:
    """Answer calls for ever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever called may be gone by now; its own answer to that is Unreachable.
        with contextlib.suppress(OSError):
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        writer.close()

    while True:
        try:
            server = await asyncio.start_server(handle, "0.0.0.0", PORT)
        except OSError:
            # Too many files are open: there may be room later.
            await asyncio.sleep(PATIENCE_SECONDS)
        else:
            await server.serve_forever()


async def call(node: str, document: Document) -> Document:
    """Return a node's answer. Raise Unreachable."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(node, PORT)
            writer.write(json.dumps(document).encode() + b"\n")
            line = await reader.readline()
    except (OSError, TimeoutError) as error:
        raise Unreachable(node) from error
    finally:
        if writer is not None:
            writer.close()
    if not line:
        raise Unreachable(node)
    found: Document = json.loads(line)
    return found


async def ask(nodes: tuple[str, ...], document: Document, enough: int) -> list[Document]:
    """Ask all nodes at once; return the answers as soon as there are enough. Raise Unreachable if there never are."""
    calls = [asyncio.ensure_future(call(node, document)) for node in nodes]
    answers: list[Document] = []
    try:
        for each in asyncio.as_completed(calls):
            # Others may still answer; if too few do, that is told below.
            with contextlib.suppress(Unreachable):
                answers.append(await each)
            if len(answers) == enough:
                return answers
    finally:
        for each in calls:
            each.cancel()
        await asyncio.wait(calls)
    raise Unreachable(f"{len(answers)} of {enough} nodes")
