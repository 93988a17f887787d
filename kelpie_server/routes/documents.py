"""What the API is: its OpenAPI document, and a page that shows it."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kelpie_server.docs_page import HEADERS, PAGE


async def openapi(request: Request) -> Response:
    """Answer the OpenAPI document."""
    # Made when it is first asked for: most apps never are.
    if request.app.state.openapi is None:
        request.app.state.openapi = msgspec.json.encode(request.app.state.make_openapi())
    return Response(request.app.state.openapi, media_type="application/json")


async def page(request: Request) -> Response:
    """Answer the page."""
    return Response(PAGE, headers=HEADERS)
