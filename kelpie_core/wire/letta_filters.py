"""Filters of lists of agents and blocks, in the shapes of Letta's API, and which parts of an agent to show.

No agent here has an identity (to give it one is not offered), so a filter by identity has an answer: nothing.
"""

from collections.abc import Mapping
from typing import cast, get_args

from kelpie_core.errors import InvalidInput
from kelpie_core.ids import check_id
from kelpie_core.service.agent_list import AgentFilter, Order
from kelpie_core.service.agent_state import WHOLE, Parts
from kelpie_core.service.block_list import BlockFilter
from kelpie_core.wire.letta_account import stop_reasons_of
from kelpie_core.wire.letta_query import Query, flag_of, one_of

NO_PARTS = Parts(blocks=False, tools=False, window=False)
RELATIONS = (
    "agent.blocks", "agent.identities", "agent.managed_group", "agent.pending_approval", "agent.secrets",
    "agent.sources", "agent.tags", "agent.tools",
)  # fmt: skip
# Older clients name the parts otherwise, and what they name that nobody knows is passed over.
_OLDER = {"memory": "agent.blocks", "tools": "agent.tools"}
_ORDERS: Mapping[str, Order] = {word: word for word in cast("tuple[Order, ...]", get_args(Order))}


def agent_filter(query: Query) -> AgentFilter | None:
    """Return which agents a query asks for and in which order, None for none; raise InvalidInput."""
    if _names_identity(query):
        return None
    reason = one_of(query, "last_stop_reason")
    return AgentFilter(
        name=one_of(query, "name"),
        name_search=one_of(query, "query_text") or "",
        tags=_texts(query, "tags"),
        all_tags=flag_of(query, "match_all_tags", default=False),
        created_by_id=one_of(query, "created_by_id"),
        project_id=one_of(query, "project_id"),
        template_id=one_of(query, "template_id"),
        base_template_id=one_of(query, "base_template_id"),
        stop_reasons=None if reason is None else stop_reasons_of(reason, path="$.last_stop_reason"),
        order=_order(query),
    )


def parts_of(query: Query, *, default: Parts) -> Parts:
    """Return which parts of an agent a query asks to be shown; raise InvalidInput."""
    if "include" not in query and "include_relationships" not in query:
        return default
    words = {*_texts(query, "include"), *(_OLDER.get(word, "") for word in _texts(query, "include_relationships"))}
    for word in words - {"", *RELATIONS}:
        raise InvalidInput(f"no part of an agent is called {word[:80]!r}", path="$.include")
    return Parts(blocks="agent.blocks" in words, tools="agent.tools" in words, window=default is WHOLE)


def block_filter(query: Query) -> BlockFilter | None:
    """Return which blocks a query asks for, None for none; raise InvalidInput."""
    if _names_identity(query):
        return None
    counted = "connected_to_agents_count_eq"
    counts = tuple(_number(word, counted) for word in _texts(query, counted))
    return BlockFilter(
        label=one_of(query, "label"),
        name=one_of(query, "name"),
        label_search=one_of(query, "label_search") or "",
        value_search=one_of(query, "value_search") or "",
        description_search=one_of(query, "description_search") or "",
        tags=_texts(query, "tags"),
        all_tags=flag_of(query, "match_all_tags", default=False),
        templates_only=flag_of(query, "templates_only", default=False),
        project_id=one_of(query, "project_id"),
        agents=counts or None,
        agents_above=_bound(query, "connected_to_agents_count_gt"),
        agents_below=_bound(query, "connected_to_agents_count_lt"),
    )


def _names_identity(query: Query) -> bool:
    """Return whether a query asks for what belongs to some identity; raise InvalidInput for a malformed one."""
    identity_id = one_of(query, "identity_id")
    if identity_id is not None:
        check_id("identity", identity_id, path="$.identity_id")
    return identity_id is not None or bool(_texts(query, "identifier_keys"))


def _order(query: Query) -> Order:
    """Return the order that is asked for: by `order_by`, or by `sort_by` as older clients say it."""
    name = "order_by" if one_of(query, "order_by") is not None else "sort_by"
    word = one_of(query, name) or "created_at"
    if word not in _ORDERS:
        raise InvalidInput(f"agents have no order by {word[:80]!r}", path=f"$.{name}")
    return _ORDERS[word]


def _texts(query: Query, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in query.get(name, ()) if word))


def _bound(query: Query, name: str) -> int | None:
    word = one_of(query, name)
    return None if word is None else _number(word, name)


def _number(word: str, name: str) -> int:
    if not word.isdecimal() or len(word) > 9:
        raise InvalidInput(f"expected a count, got {word[:80]!r}", path=f"$.{name}")
    return int(word)
