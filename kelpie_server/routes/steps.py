"""Steps: read, and feedback on them."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.wire.letta_account import metrics_json, step_feedback, step_filter
from kelpie_core.wire.letta_query import page_of, types_of
from kelpie_core.wire.letta_run import step_json
from kelpie_server.request import answer, body_of, id_in_path, kelpie_of, query_of
from kelpie_server.routes.agents import refuse_order
from kelpie_server.routes.threads import variants_of


async def retrieve(request: Request) -> Response:
    """Return a step."""
    return answer(step_json(await kelpie_of(request).runs.step(_id_of(request))))


async def list_(request: Request) -> Response:
    """Return a page of steps."""
    query = query_of(request)
    refuse_order(query, "steps.list")
    page, which = page_of(query, "step", limit=50, descending=True), step_filter(query)
    steps = [] if which is None else await kelpie_of(request).runs.list_steps(page, which)
    return answer([step_json(step) for step in steps])


async def retrieve_metrics(request: Request) -> Response:
    """Return how long a step took."""
    kelpie, step_id = kelpie_of(request), _id_of(request)
    return answer(metrics_json(await kelpie.runs.step(step_id), await kelpie.runs.step_times(step_id)))


async def retrieve_trace(request: Request) -> Response:
    """Return null: what was sent to the provider is not kept."""
    await kelpie_of(request).runs.step(_id_of(request))
    return answer(None)


async def give_feedback(request: Request) -> Response:
    """Say what somebody thinks of a step."""
    given = step_feedback(await body_of(request))
    return answer(step_json(await kelpie_of(request).runs.give_feedback(_id_of(request), given.feedback, given.tags)))


async def list_messages(request: Request) -> Response:
    """Return a page of the messages that a step stored."""
    kelpie, step_id, query = kelpie_of(request), _id_of(request), query_of(request)
    refuse_order(query, "steps.messages.list")
    page = page_of(query, "message", limit=100, descending=False)
    return answer(await variants_of(lambda page: kelpie.runs.step_messages(step_id, page), page, types_of(query)))


def _id_of(request: Request) -> str:
    return id_in_path(request, "step_id", "step")
