"""Runs, their messages and steps: read only."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.ids import check_id
from kelpie_core.wire.letta_query import one_of, page_of, refuse_filters, types_of
from kelpie_core.wire.letta_run import run_json, step_json
from kelpie_server.request import answer, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import page_of_all, refuse_order
from kelpie_server.routes.messages import variants_of

_FILTERS = ("agent_ids", "statuses", "active", "background", "stop_reason", "conversation_id")


async def retrieve(request: Request) -> Response:
    """Return a run."""
    return answer(run_json(await kelpie_of(request).runs.get(id_in_path(request, "run_id", "run"))))


async def list_(request: Request) -> Response:
    """Return a page of runs."""
    query = query_of(request)
    refuse_filters(query, _FILTERS, "runs.list")
    refuse_order(query, "runs.list")
    agent_id = one_of(query, "agent_id")
    if agent_id is not None:
        check_id("agent", agent_id, path="$.agent_id")
    page = page_of(query, "run", limit=100, descending=True)
    return answer([run_json(run) for run in await kelpie_of(request).runs.list(page, agent_id=agent_id)])


async def list_messages(request: Request) -> Response:
    """Return a page of the messages that a run stored."""
    kelpie, run_id, query = kelpie_of(request), id_in_path(request, "run_id", "run"), query_of(request)
    page = page_of(query, "message", limit=100, descending=False)
    return answer(await variants_of(lambda page: kelpie.runs.messages(run_id, page), page, types_of(query)))


async def list_steps(request: Request) -> Response:
    """Return the steps of a run, a page of them if asked."""
    steps = await kelpie_of(request).runs.steps(id_in_path(request, "run_id", "run"))
    page = page_of(query_of(request), "step", limit=100, descending=True)
    return answer(page_of_all([step_json(step) for step in steps], page))
