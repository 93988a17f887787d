"""Tools, and running them."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.wire.letta_query import one_of, page_of
from kelpie_core.wire.letta_tool import executed_json, found_json, return_message_json, tool_json
from kelpie_core.wire.letta_tool_requests import (
    approval_asked,
    run_arguments,
    source_run,
    tool_changes,
    tool_draft,
    tool_filter,
    tool_search,
)
from kelpie_server.request import agent_id_of, answer, body_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import answer_stored, refuse_order


async def create(request: Request) -> Response:
    """Create a tool."""
    draft = tool_draft(await body_of(request))
    return answer(tool_json(await kelpie_of(request).tools.create(draft)))


async def upsert(request: Request) -> Response:
    """Create a tool, or replace the one that has its name."""
    draft = tool_draft(await body_of(request))
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
    refuse_order(query, "tools.list")
    page = page_of(query, "tool", limit=50, descending=True)
    tools = await kelpie_of(request).tools.list(page, name=one_of(query, "name"), wanted=tool_filter(query))
    return answer([tool_json(tool) for tool in tools])


async def count(request: Request) -> Response:
    """Return how many tools there are, of those that the filters of the list ask for."""
    query, tools = query_of(request), kelpie_of(request).tools
    name, wanted = one_of(query, "name"), tool_filter(query)
    return answer(await tools.count(wanted) if name is None else len(await tools.list(name=name, wanted=wanted)))


async def search(request: Request) -> Response:
    """Return the tools that fit some words, best first."""
    asked = tool_search(await body_of(request))
    found = await kelpie_of(request).tools.search(asked.query, wanted=asked.wanted, limit=asked.limit)
    return answer([found_json(one, ranked=bool(asked.query)) for one in found])


async def delete(request: Request) -> Response:
    """Delete a tool."""
    tool_id = id_in_path(request, "tool_id", "tool")
    await kelpie_of(request).tools.delete(tool_id)
    return answer({"message": f"tool {tool_id} was deleted"})


async def add_base_tools(request: Request) -> Response:
    """Make the builtin tools that are not there yet, and return all of them."""
    return answer([tool_json(tool) for tool in await kelpie_of(request).tools.add_builtin()])


async def run(request: Request) -> Response:
    """Run a tool of an agent."""
    arguments = run_arguments(await body_of(request))
    name = request.path_params["tool_name"]
    returned = await kelpie_of(request).tool_runs.run(agent_id_of(request), name, arguments)
    return answer(executed_json(returned))


async def run_source(request: Request) -> Response:
    """Run source that is not stored."""
    asked, kelpie = source_run(await body_of(request)), kelpie_of(request)
    _, returned = await kelpie.tool_runs.run_source(asked.draft, asked.arguments, asked.environment)
    return answer(return_message_json(returned, asked.draft.name, kelpie.ports.entropy, kelpie.ports.clock.now()))


async def update_approval(request: Request) -> Response:
    """Set whether calls of an agent's tool wait for approval."""
    required = approval_asked(await body_of(request), query_of(request))
    kelpie, agent_id = kelpie_of(request), agent_id_of(request)
    await kelpie.tool_runs.require_approval(agent_id, request.path_params["tool_name"], required)
    return await answer_stored(kelpie, agent_id)
