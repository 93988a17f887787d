"""The tags of agents, over HTTP."""

import pytest

from tests.server.far_sides import World, in_world


@pytest.mark.parametrize(
    ("query", "status", "tags"),
    [
        ("", 200, ["a", "ab", "b", "c"]),
        ("?order=desc&limit=2", 200, ["c", "b"]),
        ("?after=a&before=c", 200, ["ab", "b"]),
        ("?name=b", 200, ["ab", "b"]),
        ("?query_text=b&order_by=name&order=desc", 200, ["b", "ab"]),
        ("?limit=0", 422, None),
        ("?order_by=created_at", 501, None),
    ],
)
def test_tags(query, status, tags):
    """Tags are listed once each, in pages whose cursors are tags, all or those that contain a text."""

    async def test(world: World) -> tuple[int, object]:
        for words in (["b", "a"], ["a", "c"], ["ab"]):
            await world.make_agent(tags=words)
        answer = await world.http.get(f"/v1/tags{query}")
        return answer.status_code, answer.json()

    found, told = in_world(test)
    assert (status, tags) == (found, told if found == 200 else None)
