"""Memory blocks."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.wire.letta_block import block_json
from kelpie_core.wire.letta_query import one_of, page_of, refuse_filters
from kelpie_core.wire.letta_requests import block_changes, block_draft
from kelpie_server.request import answer, body_of, id_in_path, kelpie_of, query_of

_FILTERS = (
    "name", "label_search", "value_search", "description_search", "tags", "project_id", "identity_id",
    "identifier_keys", "templates_only", "connected_to_agents_count_eq", "connected_to_agents_count_gt",
    "connected_to_agents_count_lt",
)  # fmt: skip


async def create(request: Request) -> Response:
    """Create a block."""
    draft = block_draft(await body_of(request))
    return answer(block_json(await kelpie_of(request).blocks.create(draft)))


async def retrieve(request: Request) -> Response:
    """Return a block."""
    return answer(block_json(await kelpie_of(request).blocks.get(id_in_path(request, "block_id", "block"))))


async def update(request: Request) -> Response:
    """Change a block."""
    changes = block_changes(await body_of(request), "blocks.update")
    block = await kelpie_of(request).blocks.update(id_in_path(request, "block_id", "block"), changes)
    return answer(block_json(block))


async def list_(request: Request) -> Response:
    """Return a page of blocks."""
    query = query_of(request)
    refuse_filters(query, _FILTERS, "blocks.list")
    page = page_of(query, "block", limit=50, descending=False)
    blocks = await kelpie_of(request).blocks.list(page, label=one_of(query, "label"))
    return answer([block_json(block) for block in blocks])


async def delete(request: Request) -> Response:
    """Delete a block."""
    block_id = id_in_path(request, "block_id", "block")
    await kelpie_of(request).blocks.delete(block_id)
    return answer({"message": f"block {block_id} was deleted"})
