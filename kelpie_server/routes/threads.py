"""What is asked of a thread, be it an agent's default one or a conversation: a turn, its history, its end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.errors import InvariantBroken, Unsupported
from kelpie_core.json_types import JsonObject
from kelpie_core.model.message import Message
from kelpie_core.model.run import RunStatus
from kelpie_core.service.drafts import Page, TurnOptions
from kelpie_core.service.streams import Resumption
from kelpie_core.service.turn_events import RunStarted, TurnEvent
from kelpie_core.turn.conduct import SEND_MESSAGE
from kelpie_core.wire.letta_log import LogTeller
from kelpie_core.wire.letta_message import MessageTypes, messages_json
from kelpie_core.wire.letta_query import Query, flag_of, one_of, page_of, types_of
from kelpie_core.wire.letta_requests import TurnRequest
from kelpie_core.wire.letta_run import stop_reason_json, usage_json
from kelpie_core.wire.letta_stream import LettaStream
from kelpie_server.request import answer, config_of, kelpie_of, query_of
from kelpie_server.routes.agents import refuse_order
from kelpie_server.sse import EventStream, begun

ReadPage = Callable[[Page], Awaitable[Sequence[Message]]]


@attrs.frozen(kw_only=True)
class Thread:
    """A thread: an agent's default one, or one of its conversations."""

    agent_id: str
    conversation_id: str | None = None


async def run_turn(request: Request, thread: Thread, wanted: TurnRequest) -> Response | ASGIApp:
    """Run a turn and answer what it gave; as a stream if that is wanted."""
    kelpie, options = kelpie_of(request), options_of(request, wanted)
    if wanted.streaming:
        return await stream_turn(request, thread, wanted)
    result = await kelpie.messages.send(thread.agent_id, wanted.drafts, options, conversation_id=thread.conversation_id)
    return answer(
        {
            "messages": messages_json(result.messages, wanted.types),
            "stop_reason": stop_reason_json(result.run),
            "usage": usage_json(result.run),
            "logprobs": None,
            "turns": None,
        }
    )


async def stream_turn(request: Request, thread: Thread, wanted: TurnRequest) -> ASGIApp:
    """Run a turn and tell it as it goes; if it runs in the background, by its log."""
    kelpie, options = kelpie_of(request), options_of(request, wanted)
    drafts, where = wanted.drafts, thread.conversation_id
    if not options.background:
        events = kelpie.messages.stream(thread.agent_id, drafts, options, conversation_id=where)
        return await tell(request, events, wanted.types, pings=wanted.pings)
    run = await kelpie.messages.begin(thread.agent_id, drafts, options, conversation_id=where)
    if not run.background:  # this input came before, and its run was not to be kept
        return await tell(request, kelpie.messages.follow(run.id), wanted.types, pings=wanted.pings)
    return await resume(request, run.id, Resumption(), pings=wanted.pings)


async def resume(request: Request, run_id: str, resumption: Resumption, *, pings: bool) -> ASGIApp:
    """Answer a background run's stream from where the client left off; raise NotFound, InvalidInput."""
    kelpie, config = kelpie_of(request), config_of(request)
    run, events = await kelpie.streams.resume(run_id, resumption)
    teller = LogTeller(run=run, entropy=kelpie.ports.entropy, seq_last=resumption.after, pings=pings)
    return EventStream(teller, events, kelpie.ports.clock, config.ping_seconds)


async def tell(request: Request, turn: AsyncIterator[TurnEvent], types: MessageTypes, *, pings: bool) -> ASGIApp:
    """Answer a turn's events as a stream; what fails before its run is known is raised."""
    kelpie, config = kelpie_of(request), config_of(request)
    first, events = await begun(turn)
    if not isinstance(first, RunStarted):
        raise InvariantBroken("a turn begins with RunStarted")
    letta = LettaStream(run=first.run, entropy=kelpie.ports.entropy, types=types, pings=pings)
    return EventStream(letta, events, kelpie.ports.clock, config.ping_seconds)


async def list_thread(request: Request, thread: Thread, operation: str) -> Response:
    """Return a page of a thread's messages."""
    kelpie, query = kelpie_of(request), query_of(request)
    refuse_order(query, operation)
    _refuse_other_words(query, operation)
    group_id = one_of(query, "group_id")

    async def read(page: Page) -> Sequence[Message]:
        return await kelpie.messages.list(
            thread.agent_id, page, conversation_id=thread.conversation_id, group_id=group_id
        )

    page = page_of(query, "message", limit=100, descending=True)
    return answer(await variants_of(read, page, types_of(query)))


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


def options_of(request: Request, wanted: TurnRequest) -> TurnOptions:
    """Return how to run a turn: a busy thread is waited for as long as the server's settings say."""
    return attrs.evolve(wanted.options, wait_seconds=config_of(request).busy_wait_seconds)


def standing(status: RunStatus) -> str:
    """Return how a run stands after the wish to end it: one that is still at work is about to end."""
    return "cancelled" if status is RunStatus.RUNNING else status.value


def _refuse_other_words(query: Query, operation: str) -> None:
    """Raise Unsupported for a wish to see what MemGPT agents say in another way than as their own messages."""
    if not flag_of(query, "use_assistant_message", default=True):
        raise Unsupported(f"{operation} with use_assistant_message")
    if one_of(query, "assistant_message_tool_name") not in (None, SEND_MESSAGE):
        raise Unsupported(f"{operation} with assistant_message_tool_name")
    if one_of(query, "assistant_message_tool_kwarg") not in (None, "message"):
        raise Unsupported(f"{operation} with assistant_message_tool_kwarg")
