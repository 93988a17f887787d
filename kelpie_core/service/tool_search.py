"""Finding tools: by filters, page by page, and by words, best first.

An organization has hundreds of tools, not millions. So what no index answers (a part of a name, several kinds) is found
by walking its tools in bounded pieces (matching.py), and a search by words looks at all of them.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import attrs

from kelpie_core.keys import Key
from kelpie_core.limits import PAGE_ITEMS_MAX, TOOL_FILTER_ITEMS_MAX, TOOL_SEARCH_ITEMS_MAX
from kelpie_core.model.actor import Actor
from kelpie_core.model.tool import Tool, ToolType
from kelpie_core.ports import Ports, Transaction
from kelpie_core.records import TOOLS
from kelpie_core.service.departures import place_by_creation
from kelpie_core.service.drafts import Page
from kelpie_core.service.inputs import check_count, check_limit
from kelpie_core.service.matching import Selection, count_matching, read_matching

# Reciprocal rank fusion: the usual constant, so that scores compare with those of a search that fuses more rankings.
_FUSION = 60
_WEIGHTS = {"name": 4, "tags": 2, "description": 1, "arguments": 1}
_LETTA = "letta_"


@attrs.frozen(kw_only=True)
class ToolFilter:
    """Which tools are wanted; what is None does not matter."""

    names: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    search: str | None = None
    types: tuple[ToolType, ...] | None = None
    excluded_types: tuple[ToolType, ...] = ()
    letta: bool | None = None
    tags: tuple[str, ...] | None = None

    def matches(self, tool: Tool) -> bool:
        """Return whether a tool is wanted."""
        return (
            (self.names is None or tool.name in self.names)
            and (self.ids is None or tool.id in self.ids)
            and (self.search is None or self.search.lower() in tool.name.lower())
            and (self.types is None or tool.tool_type in self.types)
            and tool.tool_type not in self.excluded_types
            and self.letta in (None, tool.tool_type.startswith(_LETTA))
            and (self.tags is None or any(tag in self.tags for tag in tool.tags))
        )


EVERY_TOOL = ToolFilter()


@attrs.frozen(kw_only=True)
class FoundTool:
    """A tool that a search found, with its place among them (from 1) and its score."""

    tool: Tool
    rank: int
    score: float


async def read_tools(ports: Ports, actor: Actor, page: Page, wanted: ToolFilter) -> list[Tool]:
    """Return a page of the wanted tools, by creation; raise InvalidInput, LimitExceeded, StoreError."""
    check_count((*(wanted.names or ()), *(wanted.ids or ())), "$.names", count_max=TOOL_FILTER_ITEMS_MAX)

    async def position(tx: Transaction, key: str) -> Key:
        return await place_by_creation(tx, actor, TOOLS, key)

    return await read_matching(ports, _selection(actor, wanted), page, position)


async def count_tools(ports: Ports, actor: Actor, wanted: ToolFilter) -> int:
    """Return how many tools are wanted; raise LimitExceeded, StoreError."""
    return await count_matching(ports, _selection(actor, wanted))


def _selection(actor: Actor, wanted: ToolFilter) -> Selection[Tool]:
    async def keep(tx: Transaction, tool: Tool) -> bool:
        return wanted.matches(tool)

    return Selection(table=TOOLS, sources=(("by_organization", (actor.organization_id,)),), keep=keep)


async def search_tools(
    tx: Transaction, actor: Actor, query: str | None, wanted: ToolFilter, limit: int
) -> tuple[FoundTool, ...]:
    """Return the wanted tools that have words of the query, best first; without one, the newest.

    Raises InvalidInput.
    """
    check_limit(limit, "$.limit", TOOL_SEARCH_ITEMS_MAX)
    tools = [tool async for tool in _walk(tx, actor) if wanted.matches(tool)]
    words = tuple(dict.fromkeys(_words(query or "")))
    if query is not None and query.strip():
        scores = {tool.id: _score(tool, words) for tool in tools}
        tools = sorted((tool for tool in tools if scores[tool.id]), key=lambda tool: -scores[tool.id])
    return tuple(
        FoundTool(tool=tool, rank=rank, score=1 / (_FUSION + rank)) for rank, tool in enumerate(tools[:limit], start=1)
    )


async def _walk(tx: Transaction, actor: Actor) -> AsyncIterator[Tool]:
    """Yield all tools, the newest first."""
    after: Key | None = None
    while True:
        chunk = await tx.scan(
            TOOLS, "by_organization", (actor.organization_id,), after=after, limit=PAGE_ITEMS_MAX, descending=True
        )
        for tool in chunk:
            yield tool
        if len(chunk) < PAGE_ITEMS_MAX:
            return
        after = (chunk[-1].created_at, chunk[-1].id)


def _score(tool: Tool, words: tuple[str, ...]) -> float:
    """Return how well a tool fits: each word once per place where it stands, and all of them before many of one."""
    parameters = (tool.json_schema or {}).get("parameters") or {}
    places = {
        "name": _words(tool.name),
        "tags": _words(" ".join(tool.tags)),
        "description": _words(tool.description or ""),
        "arguments": _words(" ".join(map(str, parameters.get("properties") or ()))),
    }
    counts = {place: Counter(found) for place, found in places.items()}
    found = [sum(_WEIGHTS[place] * (one[word] > 0) for place, one in counts.items()) for word in words]
    return sum(found) + 10 * sum(1 for weight in found if weight)


def _words(text: str) -> "Iterable[str]":
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W_]+", spaced.lower())
