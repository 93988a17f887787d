"""Conversations: threads of an agent beside its default one. A path may name that one too, as Letta's clients do."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id
from kelpie_core.service.conversations import ConversationState
from kelpie_core.wire.letta_conversation import (
    FollowFields,
    RecompileFields,
    conversation_changes,
    conversation_draft,
    conversation_filter,
    conversation_json,
    resumption_of,
    thread_name,
)
from kelpie_core.wire.letta_fields import typed
from kelpie_core.wire.letta_query import flag_of, one_of, page_of
from kelpie_core.wire.letta_requests import turn_request
from kelpie_server.request import agent_id_of, answer, body_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.threads import Thread, list_thread, resume, run_turn, standing, tell


async def create(request: Request) -> Response:
    """Create a conversation of an agent."""
    agent_id = one_of(query_of(request), "agent_id")
    if agent_id is None:
        raise InvalidInput("is required", path="$.agent_id")
    draft = conversation_draft(await body_of(request))
    made = await kelpie_of(request).conversations.create(check_id("agent", agent_id, path="$.agent_id"), draft)
    return _answer(made)


async def retrieve(request: Request) -> Response:
    """Return a conversation with the ids of the messages in its window."""
    return _answer(await kelpie_of(request).conversations.state(_id_of(request)))


async def update(request: Request) -> Response:
    """Change a conversation."""
    kelpie = kelpie_of(request)
    changes = conversation_changes(await body_of(request), kelpie.ports.clock.now())
    return _answer(await kelpie.conversations.update(_id_of(request), changes))


async def list_(request: Request) -> Response:
    """Return a page of conversations; their windows are not read."""
    query = query_of(request)
    page, which = page_of(query, "conv", limit=50, descending=True), conversation_filter(query)
    found = await kelpie_of(request).conversations.list(page, which)
    return answer([conversation_json(conversation) for conversation in found])


async def delete(request: Request) -> Response:
    """Delete a conversation."""
    conversation_id = _id_of(request)
    await kelpie_of(request).conversations.delete(conversation_id)
    return answer({"message": f"conversation {conversation_id} was deleted"})


async def cancel(request: Request) -> Response:
    """Ask the run at work in a conversation to end; tell how it stands."""
    thread = await _thread_of(request, one_of(query_of(request), "agent_id"))
    run = await kelpie_of(request).messages.cancel(thread.agent_id, conversation_id=thread.conversation_id)
    return answer({} if run is None else {run.id: standing(run.status)})


async def fork(request: Request) -> Response:
    """Create a conversation that goes on from what another one's window holds."""
    query = query_of(request)
    message_id, hidden = one_of(query, "message_id"), flag_of(query, "hidden", default=False)
    if message_id is not None:
        check_id("message", message_id, path="$.message_id")
    thread = await _thread_of(request, one_of(query, "agent_id"))
    forked = await kelpie_of(request).conversations.fork(
        thread.agent_id, thread.conversation_id, message_id=message_id, hidden=hidden
    )
    return _answer(forked)


async def recompile(request: Request) -> Response:
    """Return the system prompt as the next model call is given it. Each call renders it anew, so nothing is stored."""
    flag_of(query_of(request), "dry_run", default=False)
    fields = typed(await body_of(request), RecompileFields)
    if fields.compaction_settings is not None:
        raise Unsupported("conversations.recompile with compaction_settings")
    thread = await _thread_of(request, fields.agent_id)
    return answer(await kelpie_of(request).conversations.compiled(thread.agent_id, thread.conversation_id))


async def recompile_agent(request: Request) -> Response:
    """Return the system prompt as the agent's next model call is given it."""
    query = query_of(request)
    flag_of(query, "dry_run", default=False)
    if flag_of(query, "update_timestamp", default=False):
        raise Unsupported("agents.recompile with update_timestamp")
    return answer(await kelpie_of(request).conversations.compiled(agent_id_of(request)))


async def create_message(request: Request) -> Response | ASGIApp:
    """Run a turn in a conversation and tell it as it goes, or answer what it gave if no stream is wanted."""
    body = await body_of(request)
    wanted = turn_request(body, "conversations.messages.create", streaming=True)
    thread = await _thread_of(request, typed(body, FollowFields).agent_id)
    return await run_turn(request, thread, wanted)


async def list_messages(request: Request) -> Response:
    """Return a page of a conversation's messages."""
    thread = await _thread_of(request, one_of(query_of(request), "agent_id"))
    return await list_thread(request, thread, "conversations.messages.list")


async def stream(request: Request) -> ASGIApp:
    """Tell a run of a conversation, the one that is named or the one at work: in the background, from any event on."""
    fields = typed(await body_of(request), FollowFields)
    kelpie, thread = kelpie_of(request), await _thread_of(request, fields.agent_id)
    pings = fields.include_pings is not False
    if fields.run_id is not None:
        run = await kelpie.runs.get(check_id("run", fields.run_id, path="$.run_id"))
    else:
        run = await kelpie.messages.find_run(thread.agent_id, conversation_id=thread.conversation_id, otid=fields.otid)
    if run.background or fields.starting_after:
        return await resume(request, run.id, resumption_of(fields), pings=pings)
    return await tell(request, kelpie.messages.follow(run.id), None, pings=pings)


async def _thread_of(request: Request, agent_id: str | None) -> Thread:
    """Return the thread that the path names; raise InvalidInput, NotFound."""
    name = thread_name(request.path_params["conversation_id"], agent_id)
    if name.agent_id is not None:
        return Thread(agent_id=name.agent_id)
    conversation = await kelpie_of(request).conversations.get(name.conversation_id or "")
    return Thread(agent_id=conversation.agent_id, conversation_id=conversation.id)


def _id_of(request: Request) -> str:
    return id_in_path(request, "conversation_id", "conv")


def _answer(state: ConversationState) -> Response:
    return answer(conversation_json(state.conversation, state.window_ids))
