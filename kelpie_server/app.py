"""The app: routes, middleware and errors as lists on one page. The same app serves on a real and a simulated loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NoReturn

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kelpie_core.errors import StoreError, Unsupported
from kelpie_core.kelpie import Kelpie
from kelpie_server.config import Config
from kelpie_server.errors import answer_of, stopping_answer
from kelpie_server.middleware import RequestLog, TrailingSlash
from kelpie_server.operations import Operation, operations_by_path
from kelpie_server.routes import agents, blocks, health, messages, runs, tools, transfer
from kelpie_server.sse import is_cancelled

Handler = Callable[[Request], Awaitable[Response | ASGIApp]]

# What is implemented, by the operation's name in operations.py. All else answers 501 with its name.
HANDLERS: dict[str, Handler] = {
    "health": health.health,
    "agents.create": agents.create,
    "agents.retrieve": agents.retrieve,
    "agents.update": agents.update,
    "agents.list": agents.list_,
    "agents.delete": agents.delete,
    "agents.export_file": transfer.export_file,
    "agents.import_file": transfer.import_file,
    "agents.messages.create": messages.create,
    "agents.messages.stream": messages.stream,
    "agents.messages.list": messages.list_,
    "agents.messages.cancel": messages.cancel,
    "agents.blocks.retrieve": agents.retrieve_block,
    "agents.blocks.update": agents.update_block,
    "agents.blocks.list": agents.list_blocks,
    "agents.blocks.attach": agents.attach_block,
    "agents.blocks.detach": agents.detach_block,
    "agents.tools.list": agents.list_tools,
    "agents.tools.attach": agents.attach_tool,
    "agents.tools.detach": agents.detach_tool,
    "blocks.create": blocks.create,
    "blocks.retrieve": blocks.retrieve,
    "blocks.update": blocks.update,
    "blocks.list": blocks.list_,
    "blocks.delete": blocks.delete,
    "tools.create": tools.create,
    "tools.upsert": tools.upsert,
    "tools.retrieve": tools.retrieve,
    "tools.update": tools.update,
    "tools.list": tools.list_,
    "tools.delete": tools.delete,
    "runs.retrieve": runs.retrieve,
    "runs.list": runs.list_,
    "runs.messages.list": runs.list_messages,
    "runs.steps.list": runs.list_steps,
}
# What no client's operation asks for, but who runs a server does.
OWN_ROUTES: dict[str, dict[str, Handler]] = {"/v1/ready": {"GET": health.ready}}

_log = structlog.get_logger(__name__)


def create_app(kelpie: Kelpie, config: Config) -> Starlette:
    """Return the app over a Kelpie. Its lifespan takes up unfinished runs, at start and then again and again."""
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(RequestLog, clock=kelpie.ports.clock, entropy=kelpie.ports.entropy),
            Middleware(TrailingSlash),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lambda app: _alive(kelpie, config),
    )
    app.state.kelpie = kelpie
    app.state.config = config
    app.router.redirect_slashes = False
    return app


def routes() -> list[Route]:
    """Return a route for each path of the table of operations, and for our own."""
    asked = [Route(path, Methods(handlers)) for path, handlers in OWN_ROUTES.items()]
    for path, operations in operations_by_path().items():
        handlers = {one.method: HANDLERS.get(one.name) or _unsupported(one) for one in operations}
        # A label may hold slashes; nothing else that stands in a path may.
        asked.append(Route(path.replace("{block_label}", "{block_label:path}"), Methods(handlers)))
    return asked


class Methods:
    """The handlers of one path by method. Here every error becomes an answer."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = {**({"HEAD": handlers["GET"]} if "GET" in handlers else {}), **handlers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            response = await self._answer(Request(scope, receive))
        except asyncio.CancelledError:
            # Only a server that stops cancels a request, or its turn.
            response = stopping_answer()
            if is_cancelled():
                await response(scope, receive, send)
                raise
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response | ASGIApp:
        try:
            handler = self._handlers.get(request.method)
            if handler is None:
                raise HTTPException(405, "Method Not Allowed", {"allow": ", ".join(self._handlers)})
            return await handler(request)
        except Exception as error:
            return answer_of(error)


def _unsupported(operation: Operation) -> Handler:
    async def refuse(request: Request) -> NoReturn:
        raise Unsupported(operation.name)

    return refuse


async def _http_error(request: Request, error: Exception) -> Response:
    return answer_of(error)


@contextlib.asynccontextmanager
async def _alive(kelpie: Kelpie, config: Config) -> AsyncIterator[None]:
    """Keep Kelpie at work while the server is up; on the way out let its turns end."""
    await kelpie.recover(takeover=config.takeover)
    recovering = asyncio.ensure_future(_recover_for_ever(kelpie, config.recover_seconds))
    try:
        yield
    finally:
        recovering.cancel()
        await asyncio.gather(recovering, return_exceptions=True)
        await kelpie.aclose()


async def _recover_for_ever(kelpie: Kelpie, every_seconds: float) -> None:
    while True:
        await kelpie.ports.clock.sleep(every_seconds)
        try:
            taken = await kelpie.recover()
        except StoreError as error:
            _log.error("recovery_failed", error=str(error))
        except Exception as error:
            # Ours, but no reason to leave all other unfinished runs alone until the next start.
            _log.error("recovery_broke", exc_info=error)
        else:
            if taken:
                _log.warning("runs_taken_up", count=taken)
