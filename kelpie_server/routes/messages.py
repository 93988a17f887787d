"""Turns on an agent's default thread, plain, streamed and in the background; histories; cancelling; resetting."""

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.ids import check_id
from kelpie_core.service.runs import UNFINISHED, RunFilter
from kelpie_core.wire.letta_conversation import conversation_of, reset_fields
from kelpie_core.wire.letta_message import message_json
from kelpie_core.wire.letta_query import one_of, page_of, types_of
from kelpie_core.wire.letta_requests import run_ids, turn_request
from kelpie_core.wire.letta_run import run_json
from kelpie_core.wire.letta_search import READ_BACK_TO, found_json, message_search
from kelpie_server.request import agent_id_of, answer, body_of, config_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import states_json
from kelpie_server.routes.threads import Thread, list_thread, options_of, run_turn, standing, stream_turn, variants_of


async def create(request: Request) -> Response | ASGIApp:
    """Run a turn and answer what it gave; as a stream if the body asks for one."""
    wanted = turn_request(await body_of(request), "agents.messages.create")
    return await run_turn(request, Thread(agent_id=agent_id_of(request)), wanted)


async def stream(request: Request) -> ASGIApp:
    """Run a turn and tell it as it goes."""
    wanted = turn_request(await body_of(request), "agents.messages.stream")
    return await stream_turn(request, Thread(agent_id=agent_id_of(request)), wanted)


async def create_async(request: Request) -> Response:
    """Begin a turn and answer its run at once."""
    wanted = turn_request(await body_of(request), "agents.messages.create_async")
    options = attrs.evolve(options_of(request, wanted), background=True)
    return answer(run_json(await kelpie_of(request).messages.begin(agent_id_of(request), wanted.drafts, options)))


async def list_(request: Request) -> Response:
    """Return a page of the agent's messages: of its default thread, or of the conversation that is named."""
    agent_id = agent_id_of(request)
    conversation_id = conversation_of(one_of(query_of(request), "conversation_id"), agent_id)
    thread = Thread(agent_id=agent_id, conversation_id=conversation_id)
    return await list_thread(request, thread, "agents.messages.list")


async def cancel(request: Request) -> Response:
    """Ask runs of the agent to end, all that are at work if none is named; tell how each stands."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    named = run_ids(await body_of(request))
    if named is None:
        which = RunFilter(agent_ids=(agent_id,), statuses=UNFINISHED)
        named = tuple(run.id for run in await kelpie.runs.list(which=which))
    asked = [await kelpie.messages.cancel(agent_id, run_id) for run_id in named or (None,)]
    return answer({run.id: standing(run.status) for run in asked if run is not None})


async def reset(request: Request) -> Response:
    """Take the agent's messages away; its default initial message, the system message, is there afterwards."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    reset_fields(await body_of(request))
    await kelpie.messages.reset(agent_id, wait_seconds=config_of(request).busy_wait_seconds)
    (state,) = await states_json(kelpie, (await kelpie.agents.get(agent_id),))
    return answer(state)


async def retrieve(request: Request) -> Response:
    """Return the variants of a message."""
    message = await kelpie_of(request).messages.get(id_in_path(request, "message_id", "message"))
    return answer(message_json(message))


async def search(request: Request) -> Response:
    """Return the messages that fit some words, best first."""
    asked = message_search(await body_of(request))
    found = await kelpie_of(request).messages.search(asked.query, asked.limit)
    back_to = found.read_back_to
    return answer(found_json(found), headers={} if back_to is None else {READ_BACK_TO: back_to.isoformat()})


async def list_all(request: Request) -> Response:
    """Return a page of the messages of all agents, or of one conversation."""
    kelpie, query = kelpie_of(request), query_of(request)
    word = one_of(query, "conversation_id")
    if word is not None:
        conversation = await kelpie.conversations.get(check_id("conv", word, path="$.conversation_id"))
        thread = Thread(agent_id=conversation.agent_id, conversation_id=conversation.id)
        return await list_thread(request, thread, "messages.list")
    page = page_of(query, "message", limit=100, descending=True)
    return answer(await variants_of(kelpie.messages.list_all, page, types_of(query)))
