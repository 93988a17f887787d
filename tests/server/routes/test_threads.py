"""What is asked of a thread, whichever route asks: a turn, its history."""

import pytest

from tests.server.far_sides import World, in_world


def test_one_history_by_each_route():
    """A thread's history is one list, whichever route and name asks for it."""

    async def test(world: World) -> None:
        agent_id = await world.make_agent()
        made = (await world.http.post(f"/v1/conversations/?agent_id={agent_id}")).json()["id"]
        await world.http.post(f"/v1/conversations/{made}/messages", json={"input": "hi", "streaming": False})
        paths = (
            f"/v1/conversations/{made}/messages",
            f"/v1/agents/{agent_id}/messages?conversation_id={made}",
            f"/v1/messages?conversation_id={made}",
        )
        shown = [(await world.http.get(path)).json() for path in paths]
        assert ["echo: hi", "hi"] == [one["content"] for one in shown[0]][:2]
        assert [shown[0]] * 3 == shown

    in_world(test)


def test_messages_of_a_group():
    """A list of a group's messages holds those that were sent in it."""

    async def test(world: World) -> list[str]:
        agent_id = await world.make_agent()
        sent = [{"role": "user", "content": "in", "group_id": "g"}, {"role": "user", "content": "out"}]
        await world.http.post(f"/v1/agents/{agent_id}/messages", json={"messages": sent})
        shown = (await world.http.get(f"/v1/agents/{agent_id}/messages?group_id=g")).json()
        return [one["content"] for one in shown]

    assert ["in"] == in_world(test)


@pytest.mark.parametrize(
    "query",
    [
        "order_by=x",
        "use_assistant_message=false",
        "assistant_message_tool_name=say",
        "assistant_message_tool_kwarg=text",
    ],
)
def test_histories_that_do_not_exist(query):
    """A way of showing a history that does not exist is said, not ignored."""

    async def test(world: World) -> int:
        return (await world.http.get(f"/v1/agents/{await world.make_agent()}/messages?{query}")).status_code

    assert 501 == in_world(test)
