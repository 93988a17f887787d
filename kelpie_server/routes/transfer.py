"""Import and export of agent files."""

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from kelpie_core.errors import InvalidInput
from kelpie_core.wire.letta_conversation import conversation_of
from kelpie_core.wire.letta_query import import_options, one_of, refuse_filters
from kelpie_server.multipart import read_form
from kelpie_server.request import agent_id_of, answer, config_of, kelpie_of, query_of, read_body
from kelpie_server.sse import Document, begun

# The boundaries and options of a form, over and above the file in it.
FORM_BYTES_MAX = 1024 * 1024


async def export_file(request: Request) -> ASGIApp:
    """Send an agent with its whole history as one document."""
    query, agent_id = query_of(request), agent_id_of(request)
    refuse_filters(query, ("scrub_messages", "use_legacy_format"), "agents.export_file")
    conversation_id = conversation_of(one_of(query, "conversation_id"), agent_id)
    first, rest = await begun(kelpie_of(request).transfer.export_file(agent_id, conversation_id=conversation_id))
    return Document(first, rest, {"content-type": "application/json"})


async def import_file(request: Request) -> Response:
    """Store the agents of a file."""
    kelpie, bytes_max = kelpie_of(request), config_of(request).import_bytes_max
    body = await read_body(request, bytes_max + FORM_BYTES_MAX)
    form = read_form(request.headers.get("content-type", ""), body)
    if "file" not in form.files:
        raise InvalidInput("is required", path="$.file")
    options = attrs.evolve(import_options({**query_of(request), **form.fields}), bytes_max=bytes_max)
    return answer({"agent_ids": list(await kelpie.transfer.import_file(form.files["file"], options))})
