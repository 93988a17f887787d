"""Memory blocks."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.wire.letta_block import block_json
from kelpie_core.wire.letta_filters import NO_PARTS, block_filter, parts_of
from kelpie_core.wire.letta_query import page_of
from kelpie_core.wire.letta_requests import block_changes, block_draft
from kelpie_server.request import answer, body_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import refuse_order, states_json


async def create(request: Request) -> Response:
    """Create a block."""
    draft = block_draft(await body_of(request))
    return answer(block_json(await kelpie_of(request).blocks.create(draft)))


async def retrieve(request: Request) -> Response:
    """Return a block."""
    return answer(block_json(await kelpie_of(request).blocks.get(id_in_path(request, "block_id", "block"))))


async def update(request: Request) -> Response:
    """Change a block."""
    changes = block_changes(await body_of(request))
    block = await kelpie_of(request).blocks.update(id_in_path(request, "block_id", "block"), changes)
    return answer(block_json(block))


async def list_(request: Request) -> Response:
    """Return a page of blocks."""
    query = query_of(request)
    refuse_order(query, "blocks.list")
    page, which = page_of(query, "block", limit=50, descending=False), block_filter(query)
    blocks = [] if which is None else await kelpie_of(request).blocks.list(page, which)
    return answer([block_json(block) for block in blocks])


async def count(request: Request) -> Response:
    """Return how many blocks there are, of those that the filters of the list ask for."""
    which = block_filter(query_of(request))
    return answer(0 if which is None else await kelpie_of(request).blocks.count(which))


async def list_agents(request: Request) -> Response:
    """Return a page of the agents that have a block."""
    kelpie, query = kelpie_of(request), query_of(request)
    refuse_order(query, "blocks.agents.list")
    page, parts = page_of(query, "agent", limit=50, descending=True), parts_of(query, default=NO_PARTS)
    agents = await kelpie.blocks.agents_of(id_in_path(request, "block_id", "block"), page)
    return answer(await states_json(kelpie, agents, parts))


async def delete(request: Request) -> Response:
    """Delete a block."""
    block_id = id_in_path(request, "block_id", "block")
    await kelpie_of(request).blocks.delete(block_id)
    return answer({"message": f"block {block_id} was deleted"})
