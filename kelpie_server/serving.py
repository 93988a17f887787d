"""A server from its start to its end: real far sides, the app, uvicorn.

SIGTERM and SIGINT drain: readiness turns 503, after the notice no new connection is taken, what is at work may end
within the grace period, what is not done then is left in the store for the next process, and the store is closed last.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.ports import LanguageModel, Ports
from kelpie_server.app import create_app
from kelpie_server.config import VERSION, Config, is_loopback
from kelpie_server.logs import set_up_logging
from kelpie_server.observed import Telemetry, observed
from kelpie_server.settings import secrets_of
from kelpie_server.spans import make_spans
from kelpie_server.world.clock import SystemClock
from kelpie_server.world.entropy import SystemEntropy
from kelpie_server.world.language_model.models import Models
from kelpie_server.world.sandbox.kernel import this_kernel
from kelpie_server.world.store_sqlite import SqliteStore
from kelpie_server.world.tools import SandboxedTools, tool_policy

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def opened(
    config: Config, model: LanguageModel | None = None, telemetry: Telemetry | None = None
) -> AsyncIterator[Kelpie]:
    """Give a Kelpie on this machine's far sides, told to `telemetry` if any; close its store behind it.

    Raises StoreError.
    """
    models, tools = Models(config), SandboxedTools(tool_policy(config))
    store = await SqliteStore.open(str(config.data))
    try:
        ports = Ports(
            clock=SystemClock(),
            entropy=SystemEntropy(),
            store=store,
            model=model or models,
            tools=tools,
        )
        yield Kelpie(
            ports if telemetry is None else observed(ports, telemetry),
            grace_seconds=config.drain_seconds,
            log_seconds=config.stream_log_seconds,
        )
    finally:
        await tools.aclose()
        await models.aclose()
        await store.aclose()


async def serve(config: Config, model: LanguageModel | None = None) -> None:
    """Serve until a signal says to stop; raise StoreError, Unsupported, OSError if the address is not free."""
    set_up_logging(config.log_level, config.log_format, secrets_of(config))
    telemetry = Telemetry(spans=make_spans(config.otlp_endpoint))
    with bound(config) as listening:
        async with opened(config, model, telemetry) as kelpie:
            host, port = listening.getsockname()[:2]
            if (missing := this_kernel().missing) is not None:
                _log.warning("tools_not_isolated", reason=missing, run=config.tools_unsandboxed)
            _log.info("serving", url=f"http://{host}:{port}", data=str(config.data), version=VERSION)
            if not config.tokens and not is_loopback(config.host):
                _log.warning("open_to_all", host=config.host, remedy="set tokens: whoever reaches this may do all")
            app = create_app(kelpie, config, telemetry)
            server = _Server(_uvicorn_config(app, config), app, config.drain_notice_seconds)
            await server.serve(sockets=[listening])
            if not server.started:
                raise StoreError("the server could not start: see the log", retriable=False)


class _Server(uvicorn.Server):
    """Uvicorn, but readiness turns 503 for a while before it drains, and then it returns.

    The original kills the process with the signal it caught. But the store is still to be closed then, and a drain
    that went well is a success.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette, notice_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._notice_seconds = notice_seconds
        self._drain_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C stops at once."""
        self._app.state.draining = True
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to drain."""
        if not await super().on_tick(counter):
            return False
        now = asyncio.get_running_loop().time()
        self._drain_at = now + self._notice_seconds if self._drain_at is None else self._drain_at
        return self.force_exit or now >= self._drain_at

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server for as long as it runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def bound(config: Config) -> socket.socket:
    """Return the listening socket: bound here, so that a taken address is an error before the store is opened."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # The protocol must be said: on sockets that do not say TCP, asyncio leaves Nagle's delay on, 40 ms per answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
    except OSError:
        listening.close()
        raise
    return listening


def _uvicorn_config(app: Starlette, config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=config.log_level,
        server_header=False,
        timeout_graceful_shutdown=int(config.drain_seconds),
    )
