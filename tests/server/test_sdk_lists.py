"""Lists, filters, counts and searches, asked by the real SDK over a real socket, paged both ways by its own pager."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from letta_client import APIStatusError, ConflictError, Letta, NotFoundError, UnprocessableEntityError

from kelpie_core.ids import uuid4_of
from tests.server.far_sides import unknown
from tests.server.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that all tests here share."""
    process = ServerProcess(tmp_path_factory.mktemp("server"))
    yield process
    assert 0 == process.stop(), process.log


@pytest.fixture
def letta(server: ServerProcess) -> Iterator[Letta]:
    """Return the SDK for the server, in an organization of its own test's."""
    with Letta(base_url=server.url, api_key="any", max_retries=0) as client:
        yield client


def names(agents: Iterable[Any]) -> list[str]:
    """Return the names of agents."""
    return [agent.name for agent in agents]


def labels(blocks: Iterable[Any]) -> list[str]:
    """Return the labels of blocks."""
    return [block.label for block in blocks]


def count(letta: Letta, path: str, **query: object) -> int:
    """Return what a path without an operation of the SDK counts."""
    return int(letta.get(path, cast_to=httpx.Response, options={"params": query}).text)


def test_pages_of_agents_both_ways(letta):
    """The pager walks all agents of a tag in either order, forwards and backwards, each once."""
    ids = [letta.agents.create(name=f"page {number}", tags=["paged"]).id for number in range(5)]
    up = letta.agents.list(tags=["paged"], limit=2, order="asc")
    assert ids == [agent.id for agent in up]
    assert ids[::-1] == [agent.id for agent in letta.agents.list(tags=["paged"], limit=2)]
    back = list(letta.agents.list(tags=["paged"], limit=2, order="asc", before=ids[-1]))
    assert ids[:4] == sorted((agent.id for agent in back), key=ids.index)
    assert 4 == len(back)
    assert ids[1:3] == [one.id for one in letta.agents.list(tags=["paged"], order="asc", after=ids[0], before=ids[3])]
    assert 5 == count(letta, "/v1/agents/count", tags="paged")


def test_agents_are_deleted_as_they_are_listed(letta):
    """Who deletes each agent that the pager brings comes to the end: a cursor of what is gone still leads on."""
    for number in range(5):
        letta.agents.create(name=f"doomed {number}", tags=["doomed"])
    seen = []
    for agent in letta.agents.list(tags=["doomed"], limit=2, order="asc"):
        seen.append(agent.name)
        letta.agents.delete(agent.id)
    assert ([f"doomed {number}" for number in range(5)], []) == (seen, list(letta.agents.list(tags=["doomed"])))


def test_filters_of_agents(letta):
    """Every filter of the SDK narrows the list, alone and together."""
    ada = letta.agents.create(name="Ada of filters", tags=["f", "g"], extra_body={"project_id": "p1"})
    bo = letta.agents.create(name="Bo of filters", tags=["f"], extra_body={"template_id": "t1"})
    letta.agents.messages.create(ada.id, input="hello")
    of = {"tags": ["f"]}
    asked: dict[str, dict[str, Any]] = {
        "Ada of filters": {"name": "Ada of filters"},
        "Bo of filters": {"template_id": "t1"},
    }
    assert {name: [name] for name in asked} == {
        name: names(letta.agents.list(**words)) for name, words in asked.items()
    }
    assert ["Ada of filters"] == names(letta.agents.list(query_text="ADA OF"))
    assert ["Ada of filters"] == names(letta.agents.list(tags=["f", "g"], match_all_tags=True))
    assert 2 == len(names(letta.agents.list(tags=["f", "g"])))
    assert ["Ada of filters"] == names(letta.agents.list(project_id="p1"))
    assert ["Ada of filters"] == names(letta.agents.list(last_stop_reason="end_turn", **of))
    assert [] == names(letta.agents.list(last_stop_reason="cancelled", **of))
    assert 2 == len(names(letta.agents.list(created_by_id=ada.created_by_id, **of)))
    assert [] == names(letta.agents.list(base_template_id="none", **of))
    assert [] == names(letta.agents.list(identity_id=f"identity-{uuid4_of(3)}"))
    assert [] == names(letta.agents.list(identifier_keys=["k"]))
    assert names([ada, bo]) == names(letta.agents.list(order_by="last_run_completion", **of))
    letta.agents.update(bo.id, description="changed")
    assert names([bo, ada]) == names(letta.agents.list(order_by="updated_at", **of))
    assert names([ada, bo]) == names(letta.agents.list(order_by="updated_at", order="asc", limit=1, **of))
    with pytest.raises(UnprocessableEntityError, match=r"\$\.sort_by"):
        letta.agents.list(sort_by="name")


def test_parts_of_agents(letta):
    """A list shows the parts that are asked for, retrieving shows all of them or those."""
    agent = letta.agents.create(name="parts", memory_blocks=[{"label": "human", "value": "Bo"}], tags=["parts"])
    (bare,) = letta.agents.list(name="parts")
    (blocks,) = letta.agents.list(name="parts", include=["agent.blocks"])
    (older,) = letta.agents.list(name="parts", include_relationships=["tools"])
    assert ([], ["human"], []) == (labels(bare.blocks), labels(blocks.blocks), labels(older.blocks))
    assert (0, 0, 3) == (len(bare.tools), len(blocks.tools), len(older.tools))
    only = letta.agents.retrieve(agent.id, include=["agent.blocks"])
    whole = letta.agents.retrieve(agent.id)
    assert (["human"], 0, 3) == (labels(only.blocks), len(only.tools), len(whole.tools))
    memory = letta.get(f"/v1/agents/{agent.id}/core-memory", cast_to=httpx.Response).json()
    assert ["Bo"] == [block["value"] for block in memory["blocks"]]


def test_last_run(letta):
    """An agent tells when its last run ended, how long it took and why it stopped, in lists too."""
    agent = letta.agents.create(name="runner")
    assert (None, None, None) == (agent.last_run_completion, agent.last_run_duration_ms, agent.last_stop_reason)
    talk = letta.conversations.create(agent_id=agent.id)
    list(letta.conversations.messages.create(talk.id, input="hello", streaming=False))
    (run,) = letta.runs.list(agent_id=agent.id)
    shown = letta.agents.retrieve(agent.id)
    (listed,) = letta.agents.list(name="runner")
    assert (run.completed_at, "end_turn") == (shown.last_run_completion, shown.last_stop_reason)
    assert (run.completed_at, shown.last_run_duration_ms) == (listed.last_run_completion, listed.last_run_duration_ms)
    assert run.completed_at is not None
    assert (run.completed_at - run.created_at).total_seconds() * 1_000 // 1 == shown.last_run_duration_ms


def test_update_of_every_field(letta):
    """Whatever an update changes is answered and read back, and what it does not name stays."""
    agent = letta.agents.create(model_settings={"provider_type": "openai", "temperature": 0.25}, max_files_open=7)
    assert 0.25 == agent.api_model_settings.temperature
    letta.agents.update(agent.id, max_tokens=77, parallel_tool_calls=False)
    changed = letta.agents.update(
        agent.id,
        context_window_limit=9_000,
        compaction_settings={"model": "letta/auto", "mode": "all"},
        response_format={"type": "json_object"},
        project_id="p",
        template_id="t",
        base_template_id="b",
        timezone="Europe/Berlin",
        hidden=True,
        per_file_view_window_char_limit=5,
    )
    shown = letta.agents.retrieve(agent.id)
    assert changed == shown
    settings = shown.api_model_settings
    assert (0.25, 77, False) == (settings.temperature, settings.max_output_tokens, settings.parallel_tool_calls)
    assert (9_000, 77) == (shown.llm_config.context_window, shown.llm_config.max_tokens)
    assert (7, 5, "p", "t", "b") == (
        shown.max_files_open, shown.per_file_view_window_char_limit, shown.project_id, shown.template_id,
        shown.base_template_id,
    )  # fmt: skip
    assert ("all", "json_object") == (shown.compaction_settings.mode, shown.response_format.type)
    with pytest.raises(APIStatusError, match=r"agents\.update with last_stop_reason") as caught:
        letta.agents.update(agent.id, last_stop_reason="error")
    assert 501 == caught.value.status_code


def test_models_of_agents(letta):
    """An agent cannot get a model that nobody has; letta/auto is kept, and an llm_config says where its model is."""
    for handle in ("openai/gpt-4o-mini", "nobody/knows"):
        with pytest.raises(NotFoundError, match="was not found"):
            letta.agents.create(model=handle)
    agent = letta.agents.create(model="letta/auto")
    assert "letta/auto" == agent.model
    assert "echo: hi" == letta.agents.messages.create(agent.id, input="hi").messages[-1].content
    with pytest.raises(NotFoundError):
        letta.agents.update(agent.id, model="nobody/knows")
    config: Any = {"model": "m", "model_endpoint_type": "openai", "context_window": 5_000}
    assert "openai/m" == letta.agents.create(llm_config=config).model


def test_pages_of_blocks_both_ways(letta):
    """The pager walks all blocks of a tag, forwards and backwards, each once."""
    ids = [letta.blocks.create(label=f"l{number}", value="v", tags=["paged"]).id for number in range(5)]
    assert ids == [block.id for block in letta.blocks.list(tags=["paged"], limit=2)]
    assert ids[::-1] == [block.id for block in letta.blocks.list(tags=["paged"], limit=2, order="desc")]
    back = [block.id for block in letta.blocks.list(tags=["paged"], limit=2, before=ids[-1])]
    assert (ids[:4], 4) == (sorted(back, key=ids.index), len(back))
    assert 5 == count(letta, "/v1/blocks/count", tags="paged")


def test_filters_of_blocks(letta):
    """Every filter of the SDK narrows the list."""
    one = letta.blocks.create(
        label="b/one", value="Likes TEA", description="Who it is", tags=["x", "y"], project_id="p"
    )
    two = letta.blocks.create(label="b/two", value="none", tags=["x"], is_template=True, template_name="tmpl")
    letta.agents.create(name="holder", block_ids=[one.id])
    of = {"label_search": "B/"}
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["b/one", "b/two"]),
        ({"label": "b/two"}, ["b/two"]),
        ({"value_search": "tea"}, ["b/one"]),
        ({"description_search": "WHO"}, ["b/one"]),
        ({"tags": ["x", "y"]}, ["b/one", "b/two"]),
        ({"tags": ["x", "y"], "match_all_tags": True}, ["b/one"]),
        ({"templates_only": True}, ["b/two"]),
        ({"name": "tmpl"}, ["b/two"]),
        ({"project_id": "p"}, ["b/one"]),
        ({"connected_to_agents_count_eq": [1]}, ["b/one"]),
        ({"connected_to_agents_count_gt": 0}, ["b/one"]),
        ({"connected_to_agents_count_lt": 1}, ["b/two"]),
        ({"identity_id": f"identity-{uuid4_of(3)}"}, []),
    ]
    for words, expected in filters:
        assert expected == labels(letta.blocks.list(**{**of, **words})), words
    changed = letta.blocks.update(two.id, project_id="q", value="some")
    assert ("q", "tmpl", "some") == (changed.project_id, changed.template_name, changed.value)


def test_agents_of_a_block(letta):
    """The pager walks the agents that have a block, newest first, and shows what is asked for."""
    block = letta.blocks.create(label="shared", value="v")
    ids = [letta.agents.create(block_ids=[block.id]).id for _ in range(3)]
    listed = list(letta.blocks.agents.list(block.id, limit=2))
    assert (ids[::-1], [0, 0, 0]) == ([one.id for one in listed], [len(one.blocks) for one in listed])
    up = list(letta.blocks.agents.list(block.id, limit=1, order="asc", include=["agent.blocks"]))
    assert (ids, [1, 1, 1]) == ([one.id for one in up], [len(one.blocks) for one in up])
    with pytest.raises(NotFoundError):
        letta.blocks.agents.list(unknown("block"))


def test_attaching_again(letta):
    """A block that an agent has may be attached again; another one with its label may not. Limits hold at once."""
    agent = letta.agents.create(memory_blocks=[{"label": "human", "value": "Bo"}])
    (block,) = agent.blocks
    again = letta.agents.blocks.attach(block.id, agent_id=agent.id)
    assert [block.id] == [one.id for one in again.blocks]
    other = letta.blocks.create(label="human", value="Cy")
    with pytest.raises(ConflictError, match="'human' exists already"):
        letta.agents.blocks.attach(other.id, agent_id=agent.id)
    with pytest.raises(UnprocessableEntityError, match=r"\$\.value"):
        letta.blocks.create(label="x", value="long", limit=3)


def test_tags(letta):
    """Tags are listed once each, in order, from a cursor on, and by a part of them."""
    for tags in (["tag-b", "tag-a"], ["tag-c", "tag-a"]):
        letta.agents.create(tags=tags)
    assert ["tag-a", "tag-b", "tag-c"] == letta.tags.list(name="tag-")
    assert ["tag-c", "tag-b"] == letta.tags.list(name="tag-", order="desc", limit=2)
    assert ["tag-b"] == letta.tags.list(query_text="tag-", after="tag-a", before="tag-c")


def test_message_search(letta):
    """Messages are found by their words, of one agent, of one conversation or of all, in a span of time."""
    ada, bo = letta.agents.create(name="Ada"), letta.agents.create(name="Bo")
    letta.agents.messages.create(ada.id, input="green tea please")
    letta.agents.messages.create(bo.id, input="tea")
    talk = letta.conversations.create(agent_id=ada.id)
    list(letta.conversations.messages.create(talk.id, input="black tea please", streaming=False))

    def found(**words: Any) -> list[Any]:
        return [one.content for one in letta.messages.search(query="tea please", **words)]

    assert ["echo: black tea please", "black tea please", "echo: green tea please", "green tea please"] == found(
        agent_id=ada.id
    )
    assert 6 == len(found())
    assert ["echo: black tea please", "black tea please"] == found(conversation_id=talk.id, search_mode="fts")
    assert ["echo: black tea please"] == found(agent_id=ada.id, limit=1)
    assert [] == found(agent_id=ada.id, end_date="2020-01-01T00:00:00Z")
    assert 4 == len(found(agent_id=ada.id, start_date="2020-01-01T00:00:00Z"))
    (first, *_) = letta.messages.search(query="green", agent_id=ada.id, limit=2)
    assert ("assistant_message", ada.id) == (first.message_type, first.agent_id)
    with pytest.raises(APIStatusError, match="search_mode vector") as caught:
        letta.messages.search(query="tea", search_mode="vector")
    assert 501 == caught.value.status_code


def test_conversation_search_by_hand(letta):
    """The base tool of an agent finds what was said with it."""
    agent = letta.agents.create(name="rememberer")
    assert "conversation_search" in [tool.name for tool in letta.agents.retrieve(agent.id).tools]
    letta.agents.messages.create(agent.id, input="my cat is called Minka")
    result = letta.agents.tools.run(
        "conversation_search", agent_id=agent.id, args={"query": "minka", "roles": ["user"]}
    )
    assert ["my cat is called Minka"] == [one["content"] for one in json.loads(str(result.func_return))["results"]]
