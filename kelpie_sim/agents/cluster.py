"""Kelpie in the world: one durable store, any number of servers over it, and clients that may be left hanging.

A server is a host that runs the production `Kelpie` over simulated ports and recovers from time to time, as the real
one does. A client runs on no server: when the server dies under its call it is told `ServerGone`, and does not know
what happened.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import attrs
from starlette.types import ASGIApp

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.memory_store import MemoryStore
from kelpie_core.optimistic import Backend
from kelpie_core.ports import Ports
from kelpie_core.service.turn_events import MessageStored, TurnEvent
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_server.observed import Telemetry, observed
from kelpie_sim.agents.clock import SimClock, SimEntropy
from kelpie_sim.agents.invariants import StoredState
from kelpie_sim.agents.language_model import ScriptedModel
from kelpie_sim.agents.store import SimStore
from kelpie_sim.agents.tools import Ledger, ScriptedTools
from kelpie_sim.simulation import World
from kelpie_sim.world.host import Host

T = TypeVar("T")
RECOVER_EVERY_SECONDS = 5


class ServerGone(Exception):
    """The server died under a call: nobody knows whether the call took effect."""


@attrs.define(eq=False)
class Server:
    """One host with a Kelpie and the HTTP app over it. `kelpie` and `app` are those of its present life."""

    cluster: "Cluster"
    host: Host
    kelpie: Kelpie | None = None
    _app: ASGIApp | None = attrs.field(default=None, init=False)
    _is_up: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    @property
    def app(self) -> ASGIApp:
        """The app of the present life, made when it is first asked for: most scenarios never ask."""
        assert self.kelpie is not None, "a server that answers is up"
        if self._app is None:
            self._app = create_app(self.kelpie, Config())
        return self._app

    def boot(self) -> None:
        """Start the host."""
        self.host.on_crash.append(self._down)
        self.host.start(self._main)

    async def call(self, work: Callable[[Kelpie], Awaitable[T]]) -> T:
        """Run `work` on this server and return its answer; raise ServerGone if the server dies meanwhile."""
        kelpie = await self._up()
        task = self.host.spawn(_done(work, kelpie))
        gone = self.cluster.gone(self.host)
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ServerGone(self.host.name)  # an answer that was on its way dies with the host
            return task.result()
        finally:
            gone.cancel()

    async def stream(self, events: Callable[[Kelpie], AsyncIterator[TurnEvent]]) -> AsyncIterator[TurnEvent]:
        """Yield the events of a turn on this server, each stored message checked; raise ServerGone."""
        queue: asyncio.Queue[TurnEvent | None] = asyncio.Queue()

        async def pump(kelpie: Kelpie) -> None:
            async for event in events(kelpie):
                queue.put_nowait(event)

        call = asyncio.ensure_future(self.call(pump))
        call.add_done_callback(lambda _: queue.put_nowait(None))
        while (event := await queue.get()) is not None:
            if isinstance(event, MessageStored):
                await self.cluster.state.check_seen(event.message)
            yield event
        await call

    async def _up(self) -> Kelpie:
        while self.kelpie is None:
            await self._is_up.wait()
        return self.kelpie

    def _down(self, host: Host) -> None:
        self.kelpie = None
        self._is_up.clear()

    async def _main(self) -> None:
        cluster, host = self.cluster, self.host
        self.kelpie = Kelpie(observed(cluster.ports_of(host), Telemetry()), holder=holder_of(host))
        self._app = None
        self._is_up.set()
        while True:
            try:
                await self.kelpie.recover()
            except StoreError as error:
                cluster.world.story(f"{host.name} could not recover: {error}")
            await asyncio.sleep(RECOVER_EVERY_SECONDS)


class Cluster:
    """The durable store with its servers, the tools' ledger, and the checks of what is stored."""

    def __init__(
        self, world: World, durable: Backend | None = None, *, servers: int = 1, latency_ms_max: int = 0
    ) -> None:
        self.world = world
        self.durable: Backend = MemoryStore() if durable is None else durable
        self.ledger = Ledger()
        self.reported_edits: list[tuple[str, str, bool]] = []
        self.state = StoredState(world, self.durable)
        self.latency_ms_max = latency_ms_max
        self._gone: dict[str, list[asyncio.Future[None]]] = {}
        self.servers = tuple(Server(self, world.host(f"server-{n + 1}")) for n in range(servers))
        for server in self.servers:
            server.host.on_crash.append(self._crashed)
            server.boot()

    @property
    def server(self) -> Server:
        """The first server."""
        return self.servers[0]

    def ports_of(self, host: Host) -> Ports:
        """Return the ports for the present life of a host."""
        return Ports(
            clock=SimClock(self.world, host),
            entropy=SimEntropy(self.world, host),
            store=SimStore(
                self.world, host, self.durable, partial(self.state.committed, holder_of(host)), self.latency_ms_max
            ),
            model=ScriptedModel(self.world, host),
            tools=ScriptedTools(self.world, host, self.ledger),
        )

    def gone(self, host: Host) -> "asyncio.Future[None]":
        """Return a future that is done when the host loses power."""
        future: asyncio.Future[None] = self.world.loop.create_future()
        self._gone.setdefault(host.name, []).append(future)
        if not host.alive:
            future.set_result(None)
        return future

    def _crashed(self, host: Host) -> None:
        self.world.story(f"{host.name} loses power")
        for future in self._gone.pop(host.name, []):
            if not future.done():
                future.set_result(None)
        restart_after = self.world.streams.stream(f"restart/{host.name}").between(10, 3_000) / 1_000
        self.world.loop.call_later(restart_after, self._restart, host)

    def _restart(self, host: Host) -> None:
        if not host.alive:
            self.world.story(f"{host.name} starts again")
            host.restart()


def holder_of(host: Host) -> str:
    """Return the name under which the present life of a host holds leases."""
    return f"{host.name}/{host.incarnation}"


async def _done(work: Callable[[Kelpie], Awaitable[T]], kelpie: Kelpie) -> T:
    # Called in the task: a host that dies before its first step leaves no coroutine that nobody awaited.
    return await work(kelpie)
