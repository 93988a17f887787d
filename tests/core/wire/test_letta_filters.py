"""Filters of lists of agents and blocks."""

from typing import Any

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.ids import uuid4_of
from kelpie_core.model.turn import StopReason
from kelpie_core.service.agent_list import AgentFilter
from kelpie_core.service.agent_state import WHOLE, Parts
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.wire.letta_filters import NO_PARTS, agent_filter, block_filter, parts_of

IDENTITY = f"identity-{uuid4_of(7)}"


def query(**words: str | list[str]) -> dict[str, list[str]]:
    """Return a query string as it is read."""
    return {name: [word] if isinstance(word, str) else word for name, word in words.items()}


def test_agents_by_everything():
    """Each filter of the API is one of ours."""
    assert AgentFilter() == agent_filter({})
    asked = query(
        name="Ada", query_text="a", tags=["x", "y", "x", ""], match_all_tags="true", created_by_id="u", project_id="p",
        template_id="t", base_template_id="b", last_stop_reason="max_steps", order_by="updated_at",
        sort_by="created_at",
    )  # fmt: skip
    expected = AgentFilter(
        name="Ada",
        name_search="a",
        tags=("x", "y"),
        all_tags=True,
        created_by_id="u",
        project_id="p",
        template_id="t",
        base_template_id="b",
        stop_reasons=frozenset((StopReason.MAX_STEPS, StopReason.MAX_TOOL_CALLS, StopReason.MAX_SECONDS)),
        order="updated_at",
    )
    assert expected == agent_filter(asked)
    assert AgentFilter(order="last_run_completion") == agent_filter(query(sort_by="last_run_completion"))
    assert AgentFilter(stop_reasons=frozenset()) == agent_filter(query(last_stop_reason="insufficient_credits"))


def test_blocks_by_everything():
    """Each filter of the API is one of ours."""
    assert BlockFilter() == block_filter({})
    asked = query(
        label="l", name="n", label_search="ls", value_search="vs", description_search="ds", tags="x",
        match_all_tags="1", templates_only="true", project_id="p", connected_to_agents_count_eq=["1", "2"],
        connected_to_agents_count_gt="3", connected_to_agents_count_lt="4",
    )  # fmt: skip
    expected = BlockFilter(
        label="l",
        name="n",
        label_search="ls",
        value_search="vs",
        description_search="ds",
        tags=("x",),
        all_tags=True,
        templates_only=True,
        project_id="p",
        agents=(1, 2),
        agents_above=3,
        agents_below=4,
    )
    assert expected == block_filter(asked)


@pytest.mark.parametrize("asked", [query(identity_id=IDENTITY), query(identifier_keys=["k"])])
def test_nothing_has_an_identity(asked):
    """What belongs to an identity is nothing at all."""
    assert (None, None) == (agent_filter(asked), block_filter(asked))


@pytest.mark.parametrize(
    ("read", "asked", "path"),
    [
        (agent_filter, query(identity_id="x"), "$.identity_id"),
        (block_filter, query(identity_id="x"), "$.identity_id"),
        (agent_filter, query(last_stop_reason="tired"), "$.last_stop_reason"),
        (agent_filter, query(match_all_tags="maybe"), "$.match_all_tags"),
        (agent_filter, query(order_by="name"), "$.order_by"),
        (agent_filter, query(sort_by="name"), "$.sort_by"),
        (block_filter, query(connected_to_agents_count_eq="one"), "$.connected_to_agents_count_eq"),
        (block_filter, query(connected_to_agents_count_gt="-1"), "$.connected_to_agents_count_gt"),
        (block_filter, query(connected_to_agents_count_lt="9999999999"), "$.connected_to_agents_count_lt"),
    ],
)
def test_bad_filters(read: Any, asked: Any, path: str):
    """A filter that makes no sense is refused by its path."""
    with pytest.raises(InvalidInput) as caught:
        read(asked)
    assert path == caught.value.path


@pytest.mark.parametrize(
    ("asked", "default", "expected"),
    [
        ({}, WHOLE, WHOLE),
        ({}, NO_PARTS, NO_PARTS),
        (query(include="agent.blocks"), NO_PARTS, Parts(blocks=True, tools=False, window=False)),
        (query(include=["agent.tools", "agent.tags"]), WHOLE, Parts(blocks=False, tools=True, window=True)),
        (query(include_relationships=["memory", "tools"]), NO_PARTS, Parts(blocks=True, tools=True, window=False)),
        (query(include_relationships=["sources", "whatever"]), WHOLE, Parts(blocks=False, tools=False, window=True)),
    ],
)
def test_parts(asked, default, expected):
    """Parts are shown that are asked for, in the newer words or the older ones; the window if it is a whole agent."""
    assert expected == parts_of(asked, default=default)


def test_parts_that_nobody_knows():
    """A part that agents do not have is refused."""
    with pytest.raises(InvalidInput, match=r"no part of an agent is called 'agent\.wings'"):
        parts_of(query(include="agent.wings"), default=WHOLE)
