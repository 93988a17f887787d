"""Agents, and the blocks and tools attached to them."""

from collections.abc import Sequence
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.errors import NotFound, StoreError, Unsupported
from kelpie_core.json_types import JsonObject
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.service.agent_state import WHOLE, Parts
from kelpie_core.service.drafts import Page
from kelpie_core.wire.letta_agent import agent_json
from kelpie_core.wire.letta_block import block_json
from kelpie_core.wire.letta_filters import NO_PARTS, agent_filter, parts_of
from kelpie_core.wire.letta_query import Query, one_of, page_of
from kelpie_core.wire.letta_requests import agent_changes, agent_draft, block_changes
from kelpie_core.wire.letta_tool import tool_json
from kelpie_server.request import agent_id_of, answer, body_of, config_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.models import check_model


async def create(request: Request) -> Response:
    """Create an agent."""
    kelpie = kelpie_of(request)
    name_default = f"kelpie-{kelpie.ports.entropy.bits(30) % 1_000_000:06d}"
    body = await body_of(request)
    draft = agent_draft(body, name_default=name_default, model_default=config_of(request).model_default)
    await _check_model(request, body)
    agent = await kelpie.agents.create(draft)
    return await answer_stored(kelpie, agent.id)


async def retrieve(request: Request) -> Response:
    """Return an agent, as a whole or with the parts that are asked for."""
    parts = parts_of(query_of(request), default=WHOLE)
    return answer(await _state_json(kelpie_of(request), agent_id_of(request), parts))


async def retrieve_memory(request: Request) -> Response:
    """Return the agent's memory, as older clients ask for it."""
    return answer((await _state_json(kelpie_of(request), agent_id_of(request), WHOLE))["memory"])


async def update(request: Request) -> Response:
    """Change an agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    body = await body_of(request)
    changes = agent_changes(body, model_default=config_of(request).model_default)
    await _check_model(request, body)
    await kelpie.agents.update(agent_id, changes)
    return await answer_stored(kelpie, agent_id)


async def retrieve_context(request: Request) -> NoReturn:
    """Refuse: what older clients ask for here are counts of tokens that nobody has counted."""
    raise Unsupported("agents.context")


async def list_(request: Request) -> Response:
    """Return a page of agents; what is attached to them only if `include` asks for it, as the API has it."""
    kelpie, query = kelpie_of(request), query_of(request)
    page, parts = page_of(query, "agent", limit=50, descending=True), parts_of(query, default=NO_PARTS)
    which = agent_filter(query)
    agents = [] if which is None else await kelpie.agents.list(page, which)
    return answer(await states_json(kelpie, agents, parts))


async def count(request: Request) -> Response:
    """Return how many agents there are, of those that the filters of the list ask for."""
    which = agent_filter(query_of(request))
    return answer(0 if which is None else await kelpie_of(request).agents.count(which))


async def delete(request: Request) -> Response:
    """Delete an agent."""
    agent_id = agent_id_of(request)
    await kelpie_of(request).agents.delete(agent_id)
    return answer({"message": f"agent {agent_id} was deleted"})


async def list_blocks(request: Request) -> Response:
    """Return the agent's blocks, a page of them if asked."""
    blocks = await kelpie_of(request).agents.blocks(agent_id_of(request))
    page = page_of(query_of(request), "block", limit=100, descending=False)
    return answer(page_of_all([block_json(block) for block in blocks], page))


async def retrieve_block(request: Request) -> Response:
    """Return the agent's block of a label."""
    block = await kelpie_of(request).agents.block(agent_id_of(request), request.path_params["block_label"])
    return answer(block_json(block))


async def update_block(request: Request) -> Response:
    """Change the agent's block of a label."""
    changes = block_changes(await body_of(request))
    label = request.path_params["block_label"]
    return answer(block_json(await kelpie_of(request).agents.update_block(agent_id_of(request), label, changes)))


async def attach_block(request: Request) -> Response:
    """Give the agent a block."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.attach_block(agent_id, id_in_path(request, "block_id", "block"))
    return await answer_stored(kelpie, agent_id)


async def detach_block(request: Request) -> Response:
    """Take a block from the agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.detach_block(agent_id, id_in_path(request, "block_id", "block"))
    return await answer_stored(kelpie, agent_id)


async def list_tools(request: Request) -> Response:
    """Return the agent's tools, a page of them if asked."""
    tools = await kelpie_of(request).agents.tools(agent_id_of(request))
    page = page_of(query_of(request), "tool", limit=100, descending=False)
    return answer(page_of_all([tool_json(tool) for tool in tools], page))


async def attach_tool(request: Request) -> Response:
    """Give the agent a tool."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.attach_tool(agent_id, id_in_path(request, "tool_id", "tool"))
    return await answer_stored(kelpie, agent_id)


async def detach_tool(request: Request) -> Response:
    """Take a tool from the agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.detach_tool(agent_id, id_in_path(request, "tool_id", "tool"))
    return await answer_stored(kelpie, agent_id)


def refuse_order(query: Query, operation: str) -> None:
    """Raise Unsupported for an order that is not by creation."""
    for name in ("order_by", "sort_by"):
        if one_of(query, name) not in (None, "created_at"):
            raise Unsupported(f"{operation} with {name} {one_of(query, name)}")


async def answer_stored(kelpie: Kelpie, agent_id: str) -> Response:
    """Answer a write with the agent as it is now; raise StoreError as `uncertain`, for the write is done by now."""
    try:
        return answer(await _state_json(kelpie, agent_id))
    except StoreError as error:
        error.uncertain = True
        raise


async def _check_model(request: Request, body: JsonObject) -> None:
    """Raise NotFound for a model that is named and that nobody has. An llm_config beside it says where it is."""
    if body.get("model") and not body.get("llm_config"):
        await check_model(request, body["model"])


async def _state_json(kelpie: Kelpie, agent_id: str, parts: Parts = WHOLE) -> JsonObject:
    state = await kelpie.agents.state(agent_id, parts)
    return agent_json(
        state.agent,
        blocks=state.blocks,
        tools=state.tools,
        message_ids=state.window_ids,
        pending=state.head.pending,
        last_run=state.last_run,
    )


async def states_json(kelpie: Kelpie, agents: Sequence[Agent], parts: Parts = WHOLE) -> list[JsonObject]:
    """Return agents with these parts."""
    states = []
    for agent in agents:
        try:
            states.append(await _state_json(kelpie, agent.id, parts))
        except NotFound:
            states.append(agent_json(agent))  # deleted meanwhile: shown as it was when the page was read
    return states


def page_of_all(items: list[JsonObject], page: Page) -> list[JsonObject]:
    """Return a page of a short list that is there as a whole. A cursor that names nothing gives nothing."""
    items = items[::-1] if page.descending else items
    ids = [item["id"] for item in items]
    if page.after is not None:
        items = items[ids.index(page.after) + 1 :] if page.after in ids else []
    elif page.before is not None:
        return items[: ids.index(page.before)][-page.limit :] if page.before in ids else []
    return items[: page.limit]
