"""What the API is, over HTTP."""

from kelpie_server.app import HANDLERS
from kelpie_server.docs_page import PAGE
from kelpie_server.openapi import document
from tests.server.far_sides import World, in_world


def test_the_document_is_answered():
    """The document is at both of its places, and the same each time."""

    async def test(world: World) -> list[object]:
        paths = ("/openapi.json", "/v1/openapi.json", "/openapi.json/")
        return [(await world.http.get(path)).json() for path in paths]

    assert [document(HANDLERS)] * 3 == in_world(test)


def test_the_page_is_answered():
    """The page is HTML that may load nothing."""

    async def test(world: World) -> tuple[str, str, bool]:
        answer = await world.http.get("/docs")
        return answer.text, answer.headers["content-type"], "content-security-policy" in answer.headers

    assert (PAGE, "text/html; charset=utf-8", True) == in_world(test)
