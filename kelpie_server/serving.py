"""A server from its start to its end: real far sides, the app, uvicorn.

SIGTERM and SIGINT drain: no new connection, what is at work may end within the grace period, what is not done then is
left in the store for the next process, and the store is closed last.
"""

import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn

from kelpie_core.errors import StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.ports import LanguageModel, Ports
from kelpie_server.app import create_app
from kelpie_server.config import VERSION, Config
from kelpie_server.world.clock import SystemClock
from kelpie_server.world.entropy import SystemEntropy
from kelpie_server.world.language_model import make_language_model
from kelpie_server.world.store_sqlite import SqliteStore
from kelpie_server.world.tools import RefusingToolRunner

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def opened(config: Config, model: LanguageModel | None = None) -> AsyncIterator[Kelpie]:
    """Give a Kelpie on this machine's far sides, and close its store behind it; raise StoreError."""
    store = await SqliteStore.open(str(config.data))
    try:
        yield Kelpie(
            Ports(
                clock=SystemClock(),
                entropy=SystemEntropy(),
                store=store,
                model=model or make_language_model(),
                tools=RefusingToolRunner(),
            ),
            grace_seconds=config.drain_seconds,
        )
    finally:
        await store.aclose()


async def serve(config: Config, model: LanguageModel | None = None) -> None:
    """Serve until a signal says to stop; raise StoreError, OSError if the address is not free."""
    set_up_logging(config.log_level)
    with bound(config) as listening:
        async with opened(config, model) as kelpie:
            host, port = listening.getsockname()[:2]
            _log.info("serving", url=f"http://{host}:{port}", data=str(config.data), version=VERSION)
            server = _Server(_uvicorn_config(kelpie, config))
            await server.serve(sockets=[listening])
            if not server.started:
                raise StoreError("the server could not start: see the log", retriable=False)


class _Server(uvicorn.Server):
    """Uvicorn, but when it has drained it returns, where the original kills the process with the signal it caught.

    The store is still to be closed then, and a drain that went well is a success.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server for as long as it runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def set_up_logging(level: str) -> None:
    """Log lines of key and value to standard error, from `level` on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


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


def _uvicorn_config(kelpie: Kelpie, config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(kelpie, config),
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=config.log_level,
        server_header=False,
        timeout_graceful_shutdown=int(config.drain_seconds),
    )
