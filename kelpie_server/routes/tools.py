"""Tools."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.wire.letta_query import one_of, page_of, refuse_filters
from kelpie_core.wire.letta_requests import tool_changes, tool_draft
from kelpie_core.wire.letta_tool import tool_json
from kelpie_server.request import answer, body_of, id_in_path, kelpie_of, query_of

_FILTERS = ("names", "search", "tool_ids", "tool_types", "exclude_tool_types", "return_only_letta_tools")


async def create(request: Request) -> Response:
    """Create a tool."""
    draft = tool_draft(await body_of(request), "tools.create")
    return answer(tool_json(await kelpie_of(request).tools.create(draft)))


async def upsert(request: Request) -> Response:
    """Create a tool, or replace the one that has its name."""
    draft = tool_draft(await body_of(request), "tools.upsert")
    return answer(tool_json(await kelpie_of(request).tools.upsert(draft)))


async def retrieve(request: Request) -> Response:
    """Return a tool."""
    return answer(tool_json(await kelpie_of(request).tools.get(id_in_path(request, "tool_id", "tool"))))


async def update(request: Request) -> Response:
    """Change a tool."""
    changes = tool_changes(await body_of(request))
    return answer(tool_json(await kelpie_of(request).tools.update(id_in_path(request, "tool_id", "tool"), changes)))


async def list_(request: Request) -> Response:
    """Return a page of tools."""
    query = query_of(request)
    refuse_filters(query, _FILTERS, "tools.list")
    page = page_of(query, "tool", limit=50, descending=True)
    tools = await kelpie_of(request).tools.list(page, name=one_of(query, "name"))
    return answer([tool_json(tool) for tool in tools])


async def delete(request: Request) -> Response:
    """Delete a tool."""
    tool_id = id_in_path(request, "tool_id", "tool")
    await kelpie_of(request).tools.delete(tool_id)
    return answer({"message": f"tool {tool_id} was deleted"})
