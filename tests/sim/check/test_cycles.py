"""Graphs with kinds of edges, and their shortest cycles."""

import random

from kelpie_sim.check.cycles import Edge, Graph, components, shortest_cycle


def graph(*edges: str) -> Graph:
    """Return a graph of edges such as "1-ww-2"."""
    made = Graph()
    for edge in edges:
        source, kind, target = edge.split("-")
        made.add(Edge(source=int(source), target=int(target), kind=kind))
    return made


def told(cycle: tuple[Edge, ...]) -> list[str]:
    return [f"{edge.source}-{edge.kind}-{edge.target}" for edge in cycle]


def test_shortest_cycle_is_found():
    """Of two cycles through a kind of edge the shorter is returned, starting with that edge."""
    made = graph("1-ww-2", "2-ww-3", "3-ww-1", "3-ww-4", "4-ww-3")
    assert ["3-ww-4", "4-ww-3"] == told(shortest_cycle(made, "ww", ("ww",)))
    assert ["1-rw-2", "2-ww-3", "3-ww-1"] == told(shortest_cycle(graph("1-rw-2", "2-ww-3", "3-ww-1"), "rw", ("ww",)))


def test_kinds_that_are_not_asked_for_do_not_close_a_cycle():
    """The way back uses the given kinds only."""
    made = graph("1-ww-2", "2-rw-1")
    assert () == shortest_cycle(made, "ww", ("ww", "wr"))
    assert ["1-ww-2", "2-rw-1"] == told(shortest_cycle(made, "ww", ("rw",)))
    assert () == shortest_cycle(made, "wr", ("ww", "rw"))


def test_edge_to_itself_and_second_edge_say_nothing():
    """A node does not precede itself, and the first reason for an edge stays."""
    made = graph("1-ww-1")
    made.add(Edge(source=1, target=2, kind="ww", why="first"))
    made.add(Edge(source=1, target=2, kind="ww", why="second"))
    assert ["first"] == [edge.why for edge in made.edges()]


def test_components_are_those_of_mutual_reach():
    """Two nodes are in one component if and only if each is reached from the other."""
    for seed in range(50):
        draw = random.Random(seed)
        made = Graph()
        for _ in range(draw.randint(1, 16)):
            made.add(Edge(source=draw.randrange(8), target=draw.randrange(8), kind="ww"))
        out = made.of_kinds({"ww"})
        found = components(out)
        reach = {node: _reached(node, out) for node in found}
        for one in found:
            for other in found:
                mutual = one == other or (other in reach[one] and one in reach[other])
                assert mutual == (found[one] == found[other]), f"seed {seed}: {one}, {other}"


def _reached(node: int, out: dict[int, list[Edge]]) -> set[int]:
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        for edge in out.get(waiting.pop(), ()):
            if edge.target not in seen:
                seen.add(edge.target)
                waiting.append(edge.target)
    return seen


def test_long_chains_need_no_recursion():
    """A path of 20,000 nodes is no trouble."""
    edges = [f"{node}-ww-{node + 1}" for node in range(20_000)]
    assert 20_001 == len(set(components(graph(*edges).of_kinds({"ww"})).values()))
    assert 20_001 == len(shortest_cycle(graph(*edges, "20000-rw-0"), "rw", ("ww",)))
