"""The builtin tool by which an agent looks up what was said."""

import json
from typing import Any

import pytest

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import SEARCH_MESSAGES_MAX, SEARCH_PIECE_MESSAGES
from kelpie_core.model.agent import Agent
from kelpie_core.model.tool import ToolReturn, ToolStatus, ToolType
from kelpie_core.service.builtin_tools import builtin_tool
from kelpie_core.service.conversation_search import (
    RESULT_CHARS_MAX,
    is_conversation_search,
    run_conversation_search,
)
from tests.core.service.test_message_search import told
from tests.house import OTHERS, House, call, house, said
from tests.twins import NOON, Reply, virtual


async def asked(home: House, agent: Agent, **arguments: Any) -> ToolReturn:
    """Return what the tool gave."""
    return await run_conversation_search(home.ports(), agent, call("conversation_search"), arguments)


async def found(home: House, agent: Agent, **arguments: Any) -> list[str]:
    """Return the contents that the tool found."""
    returned = await asked(home, agent, **arguments)
    assert ToolStatus.SUCCESS is returned.status
    return [one["content"] for one in json.loads(returned.text or "")["results"]]


@virtual
async def test_an_agent_finds_what_was_said() -> None:
    """The best come first, each with its date and who said it, five of them unless more are asked for."""
    home = house()
    agent = await told(home, "tea", "red tea", *["tea"] * 5)
    text = (await asked(home, agent, query="red tea", limit=1)).text or ""
    expected: JsonObject = {"results": [{"date": "2026-03-01T12:00:02+00:00", "role": "user", "content": "red tea"}]}
    assert expected == json.loads(text)
    assert (5, 7) == (len(await found(home, agent, query="tea")), len(await found(home, agent, limit=10)))


@virtual
async def test_an_agent_narrows_its_search() -> None:
    """Dates and roles bound what is searched; a day that ends it counts as a whole."""
    home = house()
    agent = await told(home, "one", "two", "three")
    assert ["three", "two"] == await found(home, agent, start_date="2026-03-01T12:00:01")
    assert ["one"] == await found(home, agent, end_date="2026-03-01T13:00:01+01:00")
    assert ["three", "two", "one"] == await found(home, agent, end_date="2026-03-01", query=None, roles=[])
    assert [] == await found(home, agent, end_date="2026-02-28")
    assert [] == await found(home, agent, roles=["assistant", "tool"])


@virtual
async def test_an_agent_hears_how_far_its_search_came() -> None:
    """What gave up says where, and how to go on; long messages are cut."""
    home = house()
    agent = await told(home, "t" * (RESULT_CHARS_MAX + 1), *["x"] * (SEARCH_MESSAGES_MAX + SEARCH_PIECE_MESSAGES))
    text = json.loads((await asked(home, agent, query="tea")).text or "")
    assert ([], "2026-03-01T12:03:22+00:00") == (text["results"], text["searched_back_to"])
    assert "end_date" in text["note"]
    (long,) = await found(home, agent, query="t", end_date=text["searched_back_to"])
    assert long.startswith("t" * RESULT_CHARS_MAX + "... [cut")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": 5}, "argument 'query' must be a text"),
        ({"query": "x" * 3_000}, "$.query: has 3000 characters, 2000 are allowed"),
        ({"roles": ["god"]}, "argument 'roles' must be a list of: user, assistant, tool"),
        ({"roles": "user"}, "argument 'roles' must be a list of: user, assistant, tool"),
        ({"limit": 0}, "argument 'limit' must be a whole number from 1 to 100"),
        ({"limit": True}, "argument 'limit' must be a whole number from 1 to 100"),
        ({"limit": "5"}, "argument 'limit' must be a whole number from 1 to 100"),
        ({"start_date": "yesterday"}, "argument 'start_date' must be an ISO date or time, as 2026-01-31T12:00"),
        (
            {"end_date": "9999-12-31T23:59:59-14:00"},
            "argument 'end_date' must be an ISO date or time, as 2026-01-31T12:00",
        ),
    ],
)
@virtual
async def test_what_the_model_did_wrong_is_told_to_it(arguments: dict[str, object], words: str) -> None:
    """Arguments that make no sense are an error return with a reason."""
    home = house()
    returned = await asked(home, await home.agent(), **arguments)
    assert (ToolStatus.ERROR, words) == (returned.status, returned.text)


@virtual
async def test_only_the_builtin_tool_searches() -> None:
    """A tool of somebody's own with that name is run like any other."""
    tool = builtin_tool("conversation_search", "t", OTHERS, NOON)
    assert tool is not None
    assert ToolType.CORE is tool.tool_type
    roles = (tool.json_schema or {})["parameters"]["properties"]["roles"]
    assert {"type": "string", "enum": ["assistant", "user", "tool"]} == roles["items"]
    other = builtin_tool("send_message", "t", OTHERS, NOON)
    assert other is not None
    assert (True, False) == (is_conversation_search(tool), is_conversation_search(other))


@virtual
async def test_a_turn_that_searches() -> None:
    """The model calls it as any tool, and reads what it found."""
    ask = call("conversation_search", '{"query": "secret", "roles": ["user"]}')
    home = house(Reply(text="", calls=(ask,)), Reply(text="done"))
    agent = await home.agent(tool_names=("conversation_search",))
    result = await home.main.messages.send(agent.id, [said("the secret is tea")])
    (returned,) = result.messages[1].tool_returns
    assert ToolStatus.SUCCESS is returned.status
    assert ["the secret is tea"] == [one["content"] for one in json.loads(returned.text or "")["results"]]
