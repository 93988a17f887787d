"""Branching: to go on from where a run reached something rare, with another seed from there.

A bug behind two doors that each open once in a thousand runs takes a million seeds. But a run that came through the
first door can be run again up to there, along its tape, and continued in a thousand ways: the costs of the doors add up
instead of multiplying. The doors are the scenario's sometimes points (check/sometimes.py).

A timeline is told by its recipe, and a recipe replays:

    151@locked -> 80@queue full -> 1293847

is the run of seed 80 from where seed 151 was first at "locked", and from where *that* was first at "queue full", the
run of seed 1293847. Every stream follows the choices made by then, and draws from the new seed past them. Prefixes are
run anew, which is cheaper than a process's fork as long as they are short (a thousand steps or so).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping

import attrs

from kelpie_sim import guards
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate, strategy_of
from kelpie_sim.strategies import Strategy
from kelpie_sim.tape import Tape

TIMELINES_MAX = 3_000
# So many ways of having come to a point are kept: the first ones, since later ones are most often their like.
WAYS_MAX = 8
# A point gets so many timelines for each one that starts from nothing.
POINT_SHARE = 3
_ARROW = " -> "
_TURN = re.compile(r"(\d+)@(.+)")


class NotReached(ValueError):
    """A timeline never came to the point from which to go on. The message names it."""


@attrs.frozen(kw_only=True)
class Recipe:
    """How to come to a timeline: seeds, each up to a point, and the seed of its end."""

    turns: tuple[tuple[int, str], ...] = ()
    seed: int

    def __str__(self) -> str:
        return _ARROW.join((*(f"{seed}@{point}" for seed, point in self.turns), str(self.seed)))

    def then(self, point: str, seed: int) -> Recipe:
        """Return the recipe that leaves this timeline at a point, and goes on with another seed."""
        return Recipe(turns=(*self.turns, (self.seed, point)), seed=seed)

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Return the recipe of a text as it is printed. Raise ValueError for anything else."""
        *turns, last = text.split(_ARROW)
        matches = [_TURN.fullmatch(turn) for turn in turns]
        if not last.isdecimal() or None in matches:
            raise ValueError(f"{text!r} is no recipe: it reads like `151@point -> 80@other point -> 1293`")
        return cls(turns=tuple((int(match[1]), match[2]) for match in matches if match), seed=int(last))


@attrs.frozen(kw_only=True)
class Timeline:
    """A run with what it takes to leave it at a point."""

    recipe: Recipe
    outcome: Outcome
    tape: Tape = attrs.field(eq=False)
    points: Mapping[str, Mapping[str, int]]
    """Per sometimes point that it came to, in that order: the choices made by then, per stream."""

    def prefix(self, point: str) -> Tape:
        """Return the choices up to a point. Raise NotReached."""
        if point not in self.points:
            reached = ", ".join(self.points) or "none"
            raise NotReached(f"{self.recipe} never came to {point!r}; of all points it came to {reached}")
        return self.tape.prefix(self.points[point])


def follow(scenario: Scenario, recipe: Recipe | str) -> Timeline:
    """Run a recipe. Raise NotReached if one of its points is not on the way, ValueError for a text that is none."""
    recipe = Recipe.parse(recipe) if isinstance(recipe, str) else recipe
    tape = Tape()
    passed: tuple[tuple[int, str], ...] = ()
    with guards.batch():
        for seed, point in recipe.turns:
            tape = Tape.continuing(_run(scenario, Recipe(turns=passed, seed=seed), tape).prefix(point))
            passed = (*passed, (seed, point))
        return _run(scenario, recipe, tape)


def branch(scenario: Scenario, start: Recipe | str | Outcome, *, at: str, branches: int) -> Iterator[Timeline]:
    """Go on from a point of a timeline in so many ways, with the seeds 0, 1, 2, ... Raise as `follow` does.

    `start` is a recipe, or the outcome of a run by its seed alone.
    """
    timeline = follow(scenario, Recipe(seed=start.seed) if isinstance(start, Outcome) else start)
    prefix = timeline.prefix(at)
    recipes = (timeline.recipe.then(at, number) for number in range(branches))
    return _batched(_run(scenario, recipe, Tape.continuing(prefix)) for recipe in recipes)


def _batched(timelines: Iterator[Timeline]) -> Iterator[Timeline]:
    """Yield each, with the guards in place from one to the next."""
    with guards.batch():
        yield from timelines


def search(scenario: Scenario, *, timelines_max: int = TIMELINES_MAX, first_seed: int = 0) -> Iterator[Timeline]:
    """Run so many timelines, and yield each.

    Each next one starts where the fewest timelines have been: at the point that is rarest so far, or from nothing once
    every point had its share. So a new point is tried as often as it took to find it, and longer, before others have
    their turn again.
    """
    return _batched(_searched(scenario, timelines_max, first_seed))


def _searched(scenario: Scenario, timelines_max: int, first_seed: int) -> Iterator[Timeline]:
    been: dict[str, int] = {}
    ways: dict[str, deque[Timeline]] = {}
    fresh = 0
    for seed in range(first_seed, first_seed + timelines_max):
        point = min(been, key=been.__getitem__, default=None)
        if point is None or POINT_SHARE * fresh <= been[point]:
            fresh += 1
            timeline = _run(scenario, Recipe(seed=seed), Tape())
        else:
            way = ways[point][0]
            ways[point].rotate(-1)
            timeline = _run(scenario, way.recipe.then(point, seed), Tape.continuing(way.prefix(point)))
        yield timeline
        known = {name for _, name in timeline.recipe.turns}
        for reached in timeline.points:
            been[reached] = been.get(reached, 0) + 1
            there = ways.setdefault(reached, deque())
            if reached not in known and len(there) < WAYS_MAX:
                there.append(timeline)


def _run(scenario: Scenario, recipe: Recipe, tape: Tape) -> Timeline:
    worlds: list[World] = []

    def strategy(world: World) -> Strategy:
        worlds.append(world)
        return make(world)

    make = strategy_of(scenario, tape)
    outcome = simulate(scenario, recipe.seed, tape=tape, strategy=strategy)
    return Timeline(recipe=recipe, outcome=outcome, tape=tape, points=worlds[0].sometimes.first)
