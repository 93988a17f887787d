"""Far sides for tests of the server: memory, counting entropy, a clock by hand, a model that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import attrs
import httpx
from starlette.applications import Starlette

from kelpie_core.echo_model import EchoModel
from kelpie_core.errors import KelpieError
from kelpie_core.ids import uuid4_of
from kelpie_core.kelpie import Kelpie
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.turn import Usage
from kelpie_core.ports import (
    LanguageModel,
    ModelChunk,
    ModelFinished,
    ModelRequest,
    Ports,
    TextDelta,
    Transaction,
)
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_server.world.tools import RefusingToolRunner
from tests.server.manual_clock import ManualClock

T = TypeVar("T")


class CountingEntropy:
    """Entropy that counts, so that every id is a different one."""

    def __init__(self) -> None:
        self._last = 0

    def bits(self, count: int) -> int:
        """Return the next number."""
        self._last += 1
        return self._last % (1 << count)


class BreakableStore:
    """A store in memory that fails every transaction while it is broken, which it may become after some more."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.broken: KelpieError | None = None
        self._healthy = 0

    def fail_after(self, count: int, error: KelpieError) -> None:
        """Be broken with that error after `count` more transactions."""
        self.broken, self._healthy = error, count

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction; raise what the store is broken with."""
        if self.broken is not None and self._healthy == 0:
            raise self.broken
        self._healthy = max(self._healthy - 1, 0)
        return self._store.transaction()


class ScriptedModel:
    """A model that gives these chunks, one reply after another; an error in place of a chunk is raised.

    It waits before each reply until `go` is set, if there is one.
    """

    def __init__(self, *replies: "tuple[ModelChunk | Exception, ...]", go: asyncio.Event | None = None) -> None:
        self._replies = list(replies)
        self._go = go

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the next reply."""
        if self._go is not None:
            await self._go.wait()
        for chunk in self._replies.pop(0):
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def says(text: str) -> tuple[ModelChunk | Exception, ...]:
    """Return a reply of one text."""
    return (TextDelta(text=text), ModelFinished(usage=Usage(prompt_tokens=2, completion_tokens=1)))


@attrs.define(eq=False)
class World:
    """A server in process, with its far sides at hand."""

    store: BreakableStore
    clock: ManualClock
    kelpie: Kelpie
    app: Starlette
    http: httpx.AsyncClient

    async def make_agent(self, **body: object) -> str:
        """Return the id of a new agent."""
        answer = await self.http.post("/v1/agents", json=body)
        assert 200 == answer.status_code, answer.text
        return str(answer.json()["id"])


def in_world(
    test: Callable[[World], Coroutine[object, object, T]], model: LanguageModel | None = None, **config: object
) -> T:
    """Run a test in a world of its own and return what it returned."""

    async def run() -> T:
        store, clock = BreakableStore(), ManualClock()
        ports = Ports(
            clock=clock,
            entropy=CountingEntropy(),
            store=store,
            model=model or EchoModel(),
            tools=RefusingToolRunner(),
        )
        kelpie = Kelpie(ports, grace_seconds=0.01)
        app = create_app(kelpie, Config(**config))  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://kelpie") as http:
            try:
                return await test(World(store=store, clock=clock, kelpie=kelpie, app=app, http=http))
            finally:
                await kelpie.aclose()

    return asyncio.run(run())


def unknown(prefix: str) -> str:
    """Return a well-formed id that names nothing."""
    return f"{prefix}-{uuid4_of(1 << 100)}"
