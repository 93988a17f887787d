"""HTTP services on hosts, at two fidelities behind one interface.

    tcp        the real uvicorn serves bytes over simulated TCP: for depth
    message    the application answers requests whole, piece by piece through the network: for width, some four times
               as many seeds

At both the service has a host, a name and a port; its application starts up, serves, shuts down in order or dies with
the power; clients are those of httpx and httpx2, and meet the same errors. What only TCP has (connections that are kept
alive, buffers, split and merged pieces, HTTP's own framing) is missing at message level.

httpx, httpx2 and uvicorn are imported when they are first needed: the simulator does without them.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack

from kelpie_sim.errors import SimulationError
from kelpie_sim.libraries.servers import serving
from kelpie_sim.world.asgi import App, Ending, Exchange, Lifespan
from kelpie_sim.world.host import Host
from kelpie_sim.world.http_transport import Messages, types_of

if TYPE_CHECKING:
    import httpx
    import httpx2
    import uvicorn

Fidelity = Literal["tcp", "message"]
FIDELITIES: tuple[Fidelity, ...] = ("tcp", "message")
PORT = 8_000


class ClientOptions(TypedDict, total=False):
    """What a client of a service may be given: the arguments of httpx.AsyncClient that do not say where it goes."""

    headers: dict[str, str]
    timeout: float | None
    follow_redirects: bool
    cookies: dict[str, str]
    params: dict[str, str]


class HttpService:
    """An application that is served on a host. `make_app` is called at each start of the host, on the host."""

    def __init__(
        self,
        network: Messages,
        host: Host,
        make_app: Callable[[], App],
        *,
        fidelity: Fidelity = "tcp",
        port: int = PORT,
        tls: bool = False,
        **uvicorn_options: object,
    ) -> None:
        """Describe the service; with `tls` it is found under https, over a network that passes TLS.

        `uvicorn_options` are those of uvicorn's Config; at message level only `timeout_graceful_shutdown` means
        something.
        """
        self.network = network
        self.host = host
        self.port = port
        self.fidelity = fidelity
        self.tls = tls
        self.is_up = False
        self._make_app = make_app
        self._uvicorn_options = uvicorn_options
        self._server: _Server | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._exchanges: dict[Exchange, None] = {}

    @property
    def base_url(self) -> str:
        """Where the service is found."""
        return f"{'https' if self.tls else 'http'}://{self.host.name}:{self.port}"

    # --- from start to end

    def boot(self) -> None:
        """Start the host with the service as its main program."""
        if self._down not in self.host.on_crash:
            self.host.on_crash.append(self._down)
        self.host.start(self.main)

    async def main(self) -> None:
        """Serve until stopped: the program of the host. Raise SystemExit when the application does not start up."""
        app = self._make_app()
        server = self._server = self._tcp_server(app) if self.fidelity == "tcp" else _MessageServer(self, app)
        await server.serve()
        self._server = None
        self._change(is_up=False)

    async def ready(self) -> None:
        """Wait until the service takes requests."""
        while not self.is_up:
            await self._changed()

    async def stop(self) -> None:
        """Shut down in order, as on SIGTERM, and wait for the end, which may be a crash too."""
        server = self._server
        if server is None:
            raise SimulationError(f"no service runs on {self.host.name!r}")
        self.host.context().run(server.handle_exit, signal.SIGTERM, None)
        while self._server is server:
            await self._changed()

    def _changed(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def _change(self, *, is_up: bool) -> None:
        self.is_up = is_up
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _down(self, host: Host) -> None:
        self._server = None
        self._change(is_up=False)
        exchanges, self._exchanges = self._exchanges, {}
        # The system closes the connections of a process that ends. A machine without power says nothing to anybody.
        for exchange in exchanges if host.exit_code is not None else ():
            exchange.end(Ending.CUT)

    # --- clients

    def client(self, **options: Unpack[ClientOptions]) -> httpx.AsyncClient:
        """Return a client of httpx for this service. It is on the host whose code uses it."""
        import httpx

        return httpx.AsyncClient(base_url=self.base_url, transport=self._transport("httpx"), **options)

    def client2(self, **options: Unpack[ClientOptions]) -> httpx2.AsyncClient:
        """Return a client of httpx2 for this service. It is on the host whose code uses it."""
        import httpx2

        return httpx2.AsyncClient(base_url=self.base_url, transport=self._transport("httpx2"), **options)

    def _transport(self, library: str) -> Any:
        return None if self.fidelity == "tcp" else types_of(library).transport(self)

    # --- over TCP

    def _tcp_server(self, app: App) -> _Server:
        import uvicorn

        options: dict[str, Any] = {
            "host": "0.0.0.0", "port": self.port, "loop": "none", "http": "h11", "ws": "none", "log_config": None,
        }  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if self.tls else None
        return _uvicorn_class()(uvicorn.Config(app, **options | self._uvicorn_options), context, self.opened)

    def opened(self) -> None:
        """Take note that requests are taken from now on."""
        self._change(is_up=True)

    def closed(self) -> None:
        """Take note that no further requests are taken."""
        self._change(is_up=False)

    # --- by messages

    def accept(self, exchange: Exchange) -> bool:
        """Start to answer a request on the host; say no if nobody listens there."""
        server = self._server
        if not self.is_up or not isinstance(server, _MessageServer):
            return False
        exchange.scope["state"] = server.lifespan.state.copy()
        self._exchanges[exchange] = None
        task = self.host.spawn(exchange.run(server.app))
        server.tasks[task] = None
        task.add_done_callback(lambda done: self._answered(server, task, exchange))
        return True

    def _answered(self, server: _MessageServer, task: asyncio.Task[None], exchange: Exchange) -> None:
        self._exchanges.pop(exchange, None)
        del server.tasks[task]

    @property
    def grace_seconds(self) -> float | None:
        """How long a shutdown waits for what is under way; None for as long as it takes."""
        seconds = self._uvicorn_options.get("timeout_graceful_shutdown")
        return seconds if isinstance(seconds, int | float) else None


class _Server(Protocol):
    """What serves an application: uvicorn, or ours by messages."""

    async def serve(self) -> None: ...
    def handle_exit(self, sig: int, frame: Any) -> None: ...


@cache
def _uvicorn_class() -> Callable[[uvicorn.Config, ssl.SSLContext | None, Callable[[], None]], _Server]:
    """Return uvicorn's server, which says when it is open, and needs no certificate for TLS."""
    import uvicorn

    class UvicornServer(uvicorn.Server):
        def __init__(self, config: uvicorn.Config, context: ssl.SSLContext | None, opened: Callable[[], None]) -> None:
            super().__init__(config)
            self._context = context
            self._opened = opened

        async def startup(self, sockets: Any = None) -> None:
            self.config.ssl = self._context
            await super().startup(sockets)
            self._opened()

    return UvicornServer


class _MessageServer:
    """Serves by messages: from the application's startup to its shutdown, with all that is under way in between."""

    def __init__(self, service: HttpService, app: App) -> None:
        self.app = app
        self.lifespan = Lifespan(app)
        self.tasks: dict[asyncio.Task[None], None] = {}
        self.should_exit = False
        self._service = service
        self._exit = asyncio.Event()

    async def serve(self) -> None:
        await self.lifespan.startup()
        with serving(self):
            self._service.opened()
            await self._exit.wait()
            self._service.closed()
            await self._drain()
        await self.lifespan.shutdown()

    async def _drain(self) -> None:
        """Wait for what is under way; cancel what takes longer than the grace period."""
        if self.tasks:
            await asyncio.wait(list(self.tasks), timeout=self._service.grace_seconds)
        for task in list(self.tasks):
            task.cancel()

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.should_exit = True
        self._exit.set()
