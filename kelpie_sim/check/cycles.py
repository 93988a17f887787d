"""Graphs whose edges have kinds, and their shortest cycles.

Strongly connected components by R. Tarjan, "Depth-first search and linear graph algorithms", 1972, without recursion;
within one, the shortest cycle through an edge is that edge and the shortest way back. Nodes are numbers and edges keep
the order in which they were added, so equal graphs give equal cycles.
"""

from collections import deque
from collections.abc import Collection, Iterator

import attrs

# More starting points than this add seconds, and hardly ever a shorter cycle.
STARTS_MAX = 1_000


@attrs.frozen(kw_only=True)
class Edge:
    """From one node to another; `why` tells it in words."""

    source: int
    target: int
    kind: str
    why: str = ""


class Graph:
    """Edges by source, in order; of one kind between two nodes the first stays."""

    def __init__(self) -> None:
        self._edges: dict[int, dict[tuple[int, str], Edge]] = {}

    def add(self, edge: Edge) -> None:
        """Add an edge; one from a node to itself says nothing and is dropped."""
        if edge.source != edge.target:
            self._edges.setdefault(edge.source, {}).setdefault((edge.target, edge.kind), edge)

    def edges(self) -> Iterator[Edge]:
        """Yield all edges, by source in order of appearance."""
        for out in self._edges.values():
            yield from out.values()

    def of_kinds(self, kinds: Collection[str]) -> dict[int, list[Edge]]:
        """Return the edges of these kinds by source."""
        return {source: [edge for edge in out.values() if edge.kind in kinds] for source, out in self._edges.items()}


def shortest_cycle(graph: Graph, first: str, rest: Collection[str]) -> tuple[Edge, ...]:
    """Return a shortest cycle that starts with an edge of kind `first` and goes on over `rest`, () if there is none."""
    out = graph.of_kinds({first, *rest})
    component = components(out)
    starts = [edge for edges in out.values() for edge in edges if edge.kind == first and _together(edge, component)]
    best: tuple[Edge, ...] = ()
    for start in starts[:STARTS_MAX]:
        back = _way(out, start.target, start.source, rest, component)
        if back is not None and (not best or len(back) + 1 < len(best)):
            best = (start, *back)
        if len(best) == 2:
            break
    return best


def _together(edge: Edge, component: dict[int, int]) -> bool:
    return component[edge.source] == component.get(edge.target)


def _way(
    out: dict[int, list[Edge]], start: int, goal: int, kinds: Collection[str], component: dict[int, int]
) -> tuple[Edge, ...] | None:
    """Return a shortest way within a component, over edges of some kinds."""
    came: dict[int, Edge] = {}
    waiting = deque([start])
    while waiting and goal not in came:
        for edge in out.get(waiting.popleft(), ()):
            if edge.kind in kinds and _together(edge, component) and edge.target not in came:
                came[edge.target] = edge
                waiting.append(edge.target)
    if goal not in came:
        return None
    way = [came[goal]]
    while way[-1].source != start:
        way.append(came[way[-1].source])
    return tuple(reversed(way))


def components(out: dict[int, list[Edge]]) -> dict[int, int]:
    """Return for each node the number of its strongly connected component."""
    found: dict[int, int] = {}
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    open_nodes: list[int] = []
    for root in out:
        work = [(root, iter(out[root]))] if root not in order else []
        while work:
            node, edges = work[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                open_nodes.append(node)
            onward = _next_unseen(edges, order, lowest, found)
            if onward is not None:
                work.append((onward, iter(out.get(onward, ()))))
                continue
            work.pop()
            if work:
                above = work[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == order[node]:
                _close(node, open_nodes, found)
    return found


def _next_unseen(
    edges: Iterator[Edge], order: dict[int, int], lowest: dict[int, int], found: dict[int, int]
) -> int | None:
    """Return the next node that was never seen; those seen and still open lower the source's lowest number."""
    for edge in edges:
        if edge.target not in order:
            return edge.target
        if edge.target not in found:
            lowest[edge.source] = min(lowest[edge.source], order[edge.target])
    return None


def _close(root: int, open_nodes: list[int], found: dict[int, int]) -> None:
    while True:
        node = open_nodes.pop()
        found[node] = root
        if node == root:
            return
