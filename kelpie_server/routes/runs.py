"""Runs, their messages, steps, usage, traces and streams: read only."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.wire.letta_account import run_filter, run_usage_json, trace_json
from kelpie_core.wire.letta_conversation import FollowFields, resumption_of
from kelpie_core.wire.letta_fields import typed
from kelpie_core.wire.letta_query import page_of, types_of
from kelpie_core.wire.letta_run import run_json, step_json
from kelpie_server.request import answer, body_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import page_of_all, refuse_order
from kelpie_server.routes.threads import resume, variants_of


async def retrieve(request: Request) -> Response:
    """Return a run."""
    return answer(run_json(await kelpie_of(request).runs.get(_id_of(request))))


async def list_(request: Request) -> Response:
    """Return a page of runs."""
    query = query_of(request)
    refuse_order(query, "runs.list")
    page = page_of(query, "run", limit=100, descending=True)
    return answer([run_json(run) for run in await kelpie_of(request).runs.list(page, run_filter(query))])


async def list_messages(request: Request) -> Response:
    """Return a page of the messages that a run stored."""
    kelpie, run_id, query = kelpie_of(request), _id_of(request), query_of(request)
    refuse_order(query, "runs.messages.list")
    page = page_of(query, "message", limit=100, descending=False)
    return answer(await variants_of(lambda page: kelpie.runs.messages(run_id, page), page, types_of(query)))


async def list_steps(request: Request) -> Response:
    """Return the steps of a run, a page of them if asked."""
    refuse_order(query_of(request), "runs.steps.list")
    steps = await kelpie_of(request).runs.steps(_id_of(request))
    page = page_of(query_of(request), "step", limit=100, descending=True)
    return answer(page_of_all([step_json(step) for step in steps], page))


async def retrieve_usage(request: Request) -> Response:
    """Return what a run has used so far."""
    return answer(run_usage_json(await kelpie_of(request).runs.get(_id_of(request))))


async def retrieve_trace(request: Request) -> Response:
    """Return the spans of a run."""
    kelpie, run_id = kelpie_of(request), _id_of(request)
    page = page_of(query_of(request), "run", limit=PAGE_ITEMS_MAX, descending=False)
    run, steps = await kelpie.runs.get(run_id), await kelpie.runs.steps(run_id)
    return answer(trace_json(run, steps, await kelpie.runs.all_messages(run_id), page.limit))


async def stream(request: Request) -> ASGIApp:
    """Tell a run in the background by its log, from where the client left off, and follow it to its end."""
    run_id = _id_of(request)
    fields = typed(await body_of(request), FollowFields)
    return await resume(request, run_id, resumption_of(fields), pings=fields.include_pings is not False)


def _id_of(request: Request) -> str:
    return id_in_path(request, "run_id", "run")
