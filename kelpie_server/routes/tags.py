"""The tags of agents."""

from starlette.requests import Request
from starlette.responses import Response

from kelpie_core.errors import Unsupported
from kelpie_core.service.drafts import Page
from kelpie_core.wire.letta_query import one_of, page_of
from kelpie_server.request import answer, kelpie_of, query_of

_CURSORS = ("after", "before")


async def list_(request: Request) -> Response:
    """Return a page of the tags that agents bear. Its cursors are tags."""
    query = query_of(request)
    if (order := one_of(query, "order_by")) not in (None, "name"):
        raise Unsupported(f"tags.list with order_by {order}")
    rest = {name: words for name, words in query.items() if name not in _CURSORS}
    asked = page_of(rest, "agent", limit=50, descending=False)
    after, before = (one_of(query, name) for name in _CURSORS)
    page = Page(limit=asked.limit, after=after, before=before, descending=asked.descending)
    containing = one_of(query, "name") or one_of(query, "query_text") or ""
    return answer(await kelpie_of(request).tags.list(page, containing=containing))
