"""Going on from a sometimes point with another seed."""

import asyncio
import time
from itertools import islice

import attrs
import pytest

from kelpie_sim.branching import WAYS_MAX, NotReached, Recipe, branch, follow, search
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate


async def rooms(world):
    """Come through doors that open once in fifty; behind the second one something breaks once in fifty."""
    stream = world.streams.stream("doors")
    for room in ("hall", "cellar"):
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
        if stream.below(50):
            return
        world.sometimes.hit(room)
    await asyncio.sleep(1)
    world.check(stream.below(50), "cellar: nothing breaks")


ROOMS = Scenario(name="rooms", run=rooms, sometimes=("hall", "cellar"))


def seed_in_the_hall():
    """Return the first seed that comes into the hall."""
    return next(seed for seed in range(1_000) if simulate(ROOMS, seed).sometimes["hall"])


def test_recipe_reads_as_it_prints():
    """A recipe's text gives the recipe back, blanks in names and all."""
    for recipe in (Recipe(seed=7), Recipe(seed=151).then("locked", 80).then("queue full", 1293847)):
        assert recipe == Recipe.parse(str(recipe))
    assert "151@locked -> 80@queue full -> 9" == str(Recipe(seed=151).then("locked", 80).then("queue full", 9))


@pytest.mark.parametrize("text", ["", "x", "1@a", "1 -> 2", "a@1 -> 2", "1@ -> 2", "-1"])
def test_other_texts_are_no_recipes(text):
    """What is not a chain of seeds and points is refused, with an example."""
    with pytest.raises(ValueError, match="reads like `151@point"):
        Recipe.parse(text)


def test_branches_share_what_came_before_and_differ_after():
    """Each branch makes the choices of its start up to the point, and its own from there."""
    seed = seed_in_the_hall()
    start = follow(ROOMS, Recipe(seed=seed))
    prefix = start.prefix("hall")
    branches = list(branch(ROOMS, simulate(ROOMS, seed), at="hall", branches=60))
    for each in branches:
        assert (prefix, 1) == (each.tape.prefix(prefix.lengths()), each.outcome.sometimes["hall"])
    second = {each.tape.choices("doors")[1] for each in branches}
    assert ((0, "hall"), True) == ((branches[0].recipe.seed, branches[0].recipe.turns[0][1]), len(second) > 20)


def test_recipe_replays_the_timeline():
    """Following a branch's recipe, as text too, gives the very run."""
    start = Recipe(seed=seed_in_the_hall())
    for each in islice(branch(ROOMS, start, at="hall", branches=3), 3):
        assert each.outcome == follow(ROOMS, str(each.recipe)).outcome


@pytest.mark.parametrize("strategy", ["fifo", "pct:2", "pos", "urw", "portfolio"])
def test_each_strategy_branches(strategy):
    """A branch follows the order of its start too, whatever strategy made it, and replays."""
    scenario = attrs.evolve(ROOMS, strategy=strategy)
    timeline = next(each for each in search(scenario, timelines_max=2_000) if each.recipe.turns)
    again = follow(scenario, timeline.recipe)
    assert (timeline.outcome, timeline.tape) == (again.outcome, again.tape)


def test_point_not_reached_is_refused():
    """A point that is not on the way is named, with those that are."""
    outside = next(seed for seed in range(100) if not simulate(ROOMS, seed).sometimes["hall"])
    with pytest.raises(NotReached, match=f"{outside} never came to 'cellar'; of all points it came to none"):
        branch(ROOMS, Recipe(seed=outside), at="cellar", branches=1)
    with pytest.raises(NotReached, match="of all points it came to hall"):
        follow(ROOMS, Recipe(seed=seed_in_the_hall()).then("cellar", 1))


def test_search_adds_the_odds_up():
    """Behind three doors of one in fifty: hundreds of timelines, where seeds alone would take 125,000."""
    needed = []
    for start in range(0, 5_000_000, 1_000_000):
        timelines = enumerate(search(ROOMS, timelines_max=5_000, first_seed=start), 1)
        needed.append(next(count for count, each in timelines if each.outcome.finding))
    assert sum(needed) / len(needed) < 500


def test_search_finds_what_its_recipe_replays():
    """The failing timeline came through both doors by two turns, and its recipe fails the same."""
    found = next(each for each in search(ROOMS) if each.outcome.finding)
    again = follow(ROOMS, str(found.recipe))
    assert ((found.outcome.digest, found.outcome.finding), ["hall", "cellar"]) == (
        (again.outcome.digest, again.outcome.finding),
        list(found.points),
    )


def test_search_keeps_to_its_budget():
    """So many timelines and no more."""
    assert 25 == len(list(search(ROOMS, timelines_max=25)))


def test_search_of_a_program_without_points_runs_seeds():
    """Where nothing is rare, each timeline starts anew."""

    async def plain(world):
        await asyncio.sleep(world.streams.stream("x").below(9))

    found = list(search(Scenario(name="plain", run=plain), timelines_max=4, first_seed=3))
    assert [Recipe(seed=seed) for seed in (3, 4, 5, 6)] == [each.recipe for each in found]


def test_search_goes_by_several_ways():
    """From a point that many runs come to, it goes on by the first few of them in turn."""

    async def easy(world):
        world.streams.stream("x").bits(8)
        world.sometimes.hit("always")

    starts = [
        each.recipe.turns[0]
        for each in search(Scenario(name="easy", run=easy, sometimes=("always",)), timelines_max=200)
        if each.recipe.turns
    ]
    assert WAYS_MAX == len(set(starts))


def test_guards_stay_in_place_from_timeline_to_timeline():
    """They are in place while timelines are asked for, and gone after the last one."""
    real = time.monotonic
    start = Recipe(seed=seed_in_the_hall())
    for timelines in (search(ROOMS, timelines_max=3), branch(ROOMS, start, at="hall", branches=3)):
        assert [False] * 3 == [time.monotonic is real for _ in timelines]
        assert time.monotonic is real
