"""Agents, and the blocks and tools attached to them."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.errors import NotFound, StoreError, Unsupported
from kelpie_core.json_types import JsonObject
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.service.drafts import Page
from kelpie_core.wire.letta_agent import agent_json
from kelpie_core.wire.letta_block import block_json
from kelpie_core.wire.letta_query import Query, one_of, page_of, refuse_filters
from kelpie_core.wire.letta_requests import agent_changes, agent_draft, block_changes
from kelpie_core.wire.letta_tool import tool_json
from kelpie_server.request import agent_id_of, answer, body_of, config_of, id_in_path, kelpie_of, query_of

_FILTERS = (
    "query_text", "project_id", "template_id", "base_template_id", "identity_id", "identifier_keys", "created_by_id",
    "last_stop_reason",
)  # fmt: skip


async def create(request: Request) -> Response:
    """Create an agent."""
    kelpie = kelpie_of(request)
    name_default = f"kelpie-{kelpie.ports.entropy.bits(30) % 1_000_000:06d}"
    draft = agent_draft(
        await body_of(request), name_default=name_default, model_default=config_of(request).model_default
    )
    agent = await kelpie.agents.create(draft)
    return await _answer_stored(kelpie, agent.id)


async def retrieve(request: Request) -> Response:
    """Return an agent."""
    return answer(await _state_json(kelpie_of(request), agent_id_of(request)))


async def update(request: Request) -> Response:
    """Change an agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    changes = agent_changes(await body_of(request), model_default=config_of(request).model_default)
    await kelpie.agents.update(agent_id, changes)
    return await _answer_stored(kelpie, agent_id)


async def list_(request: Request) -> Response:
    """Return a page of agents; what is attached to them only if `include` asks for it, as the API has it."""
    kelpie, query = kelpie_of(request), query_of(request)
    refuse_filters(query, _FILTERS, "agents.list")
    refuse_order(query, "agents.list")
    page = page_of(query, "agent", limit=50, descending=True)
    agents = await kelpie.agents.list(page, name=one_of(query, "name"), tag=_tag(query))
    if "include" in query or "include_relationships" in query:
        return answer(await states_json(kelpie, agents))
    return answer([agent_json(agent) for agent in agents])


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
    changes = block_changes(await body_of(request), "agents.blocks.update")
    label = request.path_params["block_label"]
    return answer(block_json(await kelpie_of(request).agents.update_block(agent_id_of(request), label, changes)))


async def attach_block(request: Request) -> Response:
    """Give the agent a block."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.attach_block(agent_id, id_in_path(request, "block_id", "block"))
    return await _answer_stored(kelpie, agent_id)


async def detach_block(request: Request) -> Response:
    """Take a block from the agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.detach_block(agent_id, id_in_path(request, "block_id", "block"))
    return await _answer_stored(kelpie, agent_id)


async def list_tools(request: Request) -> Response:
    """Return the agent's tools, a page of them if asked."""
    tools = await kelpie_of(request).agents.tools(agent_id_of(request))
    page = page_of(query_of(request), "tool", limit=100, descending=False)
    return answer(page_of_all([tool_json(tool) for tool in tools], page))


async def attach_tool(request: Request) -> Response:
    """Give the agent a tool."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.attach_tool(agent_id, id_in_path(request, "tool_id", "tool"))
    return await _answer_stored(kelpie, agent_id)


async def detach_tool(request: Request) -> Response:
    """Take a tool from the agent."""
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.agents.detach_tool(agent_id, id_in_path(request, "tool_id", "tool"))
    return await _answer_stored(kelpie, agent_id)


def refuse_order(query: Query, operation: str) -> None:
    """Raise Unsupported for an order that is not by creation."""
    for name in ("order_by", "sort_by"):
        if one_of(query, name) not in (None, "created_at"):
            raise Unsupported(f"{operation} with {name} {one_of(query, name)}")


async def _answer_stored(kelpie: Kelpie, agent_id: str) -> Response:
    """Answer a write with the agent as it is now; raise StoreError as `uncertain`, for the write is done by now."""
    try:
        return answer(await _state_json(kelpie, agent_id))
    except StoreError as error:
        error.uncertain = True
        raise


async def _state_json(kelpie: Kelpie, agent_id: str) -> JsonObject:
    state = await kelpie.agents.state(agent_id)
    return agent_json(state.agent, blocks=state.blocks, tools=state.tools, message_ids=state.window_ids)


async def states_json(kelpie: Kelpie, agents: Sequence[Agent]) -> list[JsonObject]:
    """Return agents with all that is attached to them."""
    states = []
    for agent in agents:
        try:
            states.append(await _state_json(kelpie, agent.id))
        except NotFound:
            states.append(agent_json(agent))  # deleted meanwhile: shown as it was when the page was read
    return states


def _tag(query: Query) -> str | None:
    tags = query.get("tags", ())
    if len(tags) > 1:
        raise Unsupported("agents.list by several tags")
    if tags and one_of(query, "name") is not None:
        raise Unsupported("agents.list by name and tags")
    return tags[0] if tags else None


def page_of_all(items: list[JsonObject], page: Page) -> list[JsonObject]:
    """Return a page of a short list that is there as a whole. A cursor that names nothing gives nothing."""
    items = items[::-1] if page.descending else items
    ids = [item["id"] for item in items]
    if page.after is not None:
        items = items[ids.index(page.after) + 1 :] if page.after in ids else []
    elif page.before is not None:
        return items[: ids.index(page.before)][-page.limit :] if page.before in ids else []
    return items[: page.limit]
