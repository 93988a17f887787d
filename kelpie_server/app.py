"""The app: routes, middleware and errors as lists on one page. The same app serves on a real and a simulated loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from types import MappingProxyType
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
from kelpie_server.auth import METRICS_PATH, OPEN_PATHS, Access
from kelpie_server.config import Config
from kelpie_server.errors import answer_of, stopping_answer
from kelpie_server.idempotency import IDEMPOTENT, Handler, idempotent
from kelpie_server.middleware import RequestLog, TrailingSlash
from kelpie_server.observed import Telemetry
from kelpie_server.openapi import document
from kelpie_server.operations import Operation, operations_by_path
from kelpie_server.request import UNMATCHED, notes_of
from kelpie_server.routes import (
    agents,
    blocks,
    conversations,
    documents,
    health,
    messages,
    models,
    runs,
    steps,
    tags,
    tools,
    transfer,
)
from kelpie_server.sse import is_cancelled
from kelpie_server.tokens import read_token

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
    "agents.recompile": conversations.recompile_agent,
    "agents.messages.create": messages.create,
    "agents.messages.create_async": messages.create_async,
    "agents.messages.stream": messages.stream,
    "agents.messages.list": messages.list_,
    "agents.messages.cancel": messages.cancel,
    "agents.messages.reset": messages.reset,
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
    "blocks.agents.list": blocks.list_agents,
    "tools.create": tools.create,
    "tools.upsert": tools.upsert,
    "tools.retrieve": tools.retrieve,
    "tools.update": tools.update,
    "tools.list": tools.list_,
    "tools.delete": tools.delete,
    "tools.search": tools.search,
    "agents.tools.run": tools.run,
    "agents.tools.update_approval": tools.update_approval,
    "models.list": models.list_,
    "models.embeddings.list": models.list_embedders,
    "tags.list": tags.list_,
    "runs.retrieve": runs.retrieve,
    "runs.list": runs.list_,
    "runs.messages.list": runs.list_messages,
    "runs.messages.stream": runs.stream,
    "runs.usage.retrieve": runs.retrieve_usage,
    "runs.steps.list": runs.list_steps,
    "runs.trace.retrieve": runs.retrieve_trace,
    "steps.retrieve": steps.retrieve,
    "steps.list": steps.list_,
    "steps.metrics.retrieve": steps.retrieve_metrics,
    "steps.trace.retrieve": steps.retrieve_trace,
    "steps.feedback.create": steps.give_feedback,
    "steps.messages.list": steps.list_messages,
    "messages.retrieve": messages.retrieve,
    "messages.list": messages.list_all,
    "messages.search": messages.search,
    "conversations.create": conversations.create,
    "conversations.retrieve": conversations.retrieve,
    "conversations.update": conversations.update,
    "conversations.list": conversations.list_,
    "conversations.delete": conversations.delete,
    "conversations.cancel": conversations.cancel,
    "conversations.fork": conversations.fork,
    "conversations.recompile": conversations.recompile,
    "conversations.messages.create": conversations.create_message,
    "conversations.messages.list": conversations.list_messages,
    "conversations.messages.stream": conversations.stream,
}
# What no client's operation asks for, but who runs a server does.
OWN_ROUTES: dict[str, dict[str, Handler]] = {
    "/v1/ready": {"GET": health.ready},
    METRICS_PATH: {"GET": health.metrics},
    "/openapi.json": {"GET": documents.openapi},
    "/v1/openapi.json": {"GET": documents.openapi},
    "/docs": {"GET": documents.page},
    # What older clients of Letta's ask for.
    "/v1/agents/count": {"GET": agents.count},
    "/v1/agents/{agent_id}/context": {"GET": agents.retrieve_context},
    "/v1/agents/{agent_id}/core-memory": {"GET": agents.retrieve_memory},
    "/v1/blocks/count": {"GET": blocks.count},
    "/v1/tools/add-base-tools": {"POST": tools.add_base_tools},
    "/v1/tools/count": {"GET": tools.count},
    "/v1/tools/run": {"POST": tools.run_source},
}
NO_OPERATIONS: Mapping[str, str] = MappingProxyType({})

_log = structlog.get_logger(__name__)


def create_app(kelpie: Kelpie, config: Config, telemetry: Telemetry | None = None) -> Starlette:
    """Return the app over a Kelpie. Its lifespan takes up unfinished runs, at start and then again and again."""
    told = telemetry or Telemetry()
    open_paths = OPEN_PATHS | {METRICS_PATH} if config.metrics_open else OPEN_PATHS
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(RequestLog, clock=kelpie.ports.clock, entropy=kelpie.ports.entropy, telemetry=told),
            Middleware(TrailingSlash),
            Middleware(
                Access, tokens=tuple(map(read_token, config.tokens)), default=kelpie.actor, open_paths=open_paths
            ),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lambda app: _alive(kelpie, config),
    )
    app.state.kelpie = kelpie
    app.state.config = config
    app.state.telemetry = told
    app.state.draining = False
    app.state.openapi, app.state.make_openapi = None, partial(document, HANDLERS)
    app.router.redirect_slashes = False
    return app


def routes() -> list[Route]:
    """Return a route for each path of the table of operations, and for our own."""
    asked = [Route(path, Methods(handlers, path)) for path, handlers in OWN_ROUTES.items()]
    for path, operations in operations_by_path().items():
        methods = Methods(
            {one.method: _handler_of(one) for one in operations}, path, {one.method: one.name for one in operations}
        )
        # A label may hold slashes; nothing else that stands in a path may.
        asked.append(Route(path.replace("{block_label}", "{block_label:path}"), methods))
    return asked


def _handler_of(operation: Operation) -> Handler:
    handler = HANDLERS.get(operation.name) or _unsupported(operation)
    return idempotent(handler) if operation.name in IDEMPOTENT else handler


class Methods:
    """The handlers of one path, a template, by method, with their operations' names. Here errors become answers."""

    def __init__(
        self, handlers: Mapping[str, Handler], route: str = UNMATCHED, operations: Mapping[str, str] = NO_OPERATIONS
    ) -> None:
        self._handlers = {**({"HEAD": handlers["GET"]} if "GET" in handlers else {}), **handlers}
        self._route = route
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        notes = notes_of(scope)
        notes.route, notes.operation = self._route, self._operations.get(scope["method"])
        try:
            response = await self._answer(Request(scope, receive))
        except asyncio.CancelledError:
            # Only a server that stops cancels a request, or its turn.
            response = stopping_answer(repeatable=notes.entropy is not None)
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
            return answer_of(error, repeatable=notes_of(request.scope).entropy is not None)


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
