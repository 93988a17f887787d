"""Turns, plain and streamed; an agent's history; cancelling."""

from collections.abc import Awaitable, Callable, Sequence

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.errors import InvariantBroken, Unsupported
from kelpie_core.json_types import JsonObject
from kelpie_core.model.message import Message
from kelpie_core.model.run import RunStatus
from kelpie_core.service.drafts import Page, TurnOptions
from kelpie_core.service.turn_events import RunStarted
from kelpie_core.wire.letta_message import MessageTypes, messages_json
from kelpie_core.wire.letta_query import one_of, page_of, refuse_filters, types_of
from kelpie_core.wire.letta_requests import TurnRequest, run_ids, turn_request
from kelpie_core.wire.letta_run import stop_reason_json, usage_json
from kelpie_core.wire.letta_stream import LettaStream
from kelpie_server.request import agent_id_of, answer, body_of, config_of, kelpie_of, query_of
from kelpie_server.routes.agents import refuse_order
from kelpie_server.sse import EventStream, begun

ReadPage = Callable[[Page], Awaitable[Sequence[Message]]]


async def create(request: Request) -> Response | ASGIApp:
    """Run a turn and answer what it gave; as a stream if the body asks for one."""
    wanted = turn_request(await body_of(request), "agents.messages.create")
    if wanted.streaming:
        return await _stream(request, wanted)
    result = await kelpie_of(request).messages.send(agent_id_of(request), wanted.drafts, _options(request, wanted))
    return answer(
        {
            "messages": messages_json(result.messages, wanted.types),
            "stop_reason": stop_reason_json(result.run),
            "usage": usage_json(result.run),
            "logprobs": None,
            "turns": None,
        }
    )


async def stream(request: Request) -> ASGIApp:
    """Run a turn and tell it as it goes."""
    return await _stream(request, turn_request(await body_of(request), "agents.messages.stream"))


async def list_(request: Request) -> Response:
    """Return a page of the agent's messages."""
    kelpie, agent_id, query = kelpie_of(request), agent_id_of(request), query_of(request)
    refuse_filters(query, ("group_id",), "agents.messages.list")
    refuse_order(query, "agents.messages.list")
    if one_of(query, "conversation_id") not in (None, "default", agent_id):
        raise Unsupported("agents.messages.list by conversation_id")
    page = page_of(query, "message", limit=100, descending=True)
    return answer(await variants_of(lambda page: kelpie.messages.list(agent_id, page), page, types_of(query)))


async def cancel(request: Request) -> Response:
    """Ask runs of the agent to end, the one at work if none is named; tell how each stands."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    asked = [await kelpie.messages.cancel(agent_id, run_id) for run_id in run_ids(await body_of(request)) or (None,)]
    return answer({run.id: _cancelled(run.status) for run in asked if run is not None})


async def variants_of(read: ReadPage, page: Page, types: MessageTypes) -> list[JsonObject]:
    """Return the variants of a page's messages. An empty list says "no more", so pages without any are read over."""
    while messages := await read(page):
        variants = messages_json(messages, types, descending=page.descending)
        if variants or len(messages) < page.limit:
            return variants
        backwards = page.before is not None and page.after is None
        cursor = {"before": messages[0].id} if backwards else {"after": messages[-1].id}
        page = attrs.evolve(page, **cursor)  # type: ignore[arg-type]
    return []


async def _stream(request: Request, wanted: TurnRequest) -> ASGIApp:
    kelpie, config = kelpie_of(request), config_of(request)
    turn = kelpie.messages.stream(agent_id_of(request), wanted.drafts, _options(request, wanted))
    first, events = await begun(turn)
    if not isinstance(first, RunStarted):
        raise InvariantBroken("a turn begins with RunStarted")
    letta = LettaStream(run=first.run, entropy=kelpie.ports.entropy, types=wanted.types, pings=wanted.pings)
    return EventStream(letta, events, kelpie.ports.clock, config.ping_seconds)


def _options(request: Request, wanted: TurnRequest) -> TurnOptions:
    return attrs.evolve(wanted.options, wait_seconds=config_of(request).busy_wait_seconds)


def _cancelled(status: RunStatus) -> str:
    """Return how a run stands after the wish: one that is still at work is about to end."""
    return "cancelled" if status is RunStatus.RUNNING else status.value
