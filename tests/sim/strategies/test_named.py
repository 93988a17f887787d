"""Strategies by name, and that any of them replays from its tape alone."""

import collections

import pytest

from kelpie_sim.errors import SimulationError
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import NAMES, SCHEDULE_STREAM, check_name, strategy_named, wants_estimate
from kelpie_sim.strategies.named import PARTS, SHARES, STRATEGY_STREAM, drawn_name
from kelpie_sim.tape import Tape
from tests.sim.handles import order
from tests.sim.programs import World, completions, gathering, waits
from tests.zoo.ordering import starvation

REAL_NAMES = ("random", "pct:1", "pct:3", "pos", "urw", "urw:guess", "delay:2", "portfolio")


@pytest.mark.parametrize("name", REAL_NAMES)
def test_each_takes_all_and_records_each_pick(name):
    """Every handle runs once, each pick among several is on the tape, and a pick among one is not."""
    streams = Streams(1)
    numbers = order(strategy_named(name, streams))
    bounds = [bound for bound, _ in streams.tape.choices(SCHEDULE_STREAM)]
    assert (list(range(50)), 49, 2) == (sorted(numbers), len(bounds), min(bounds))


@pytest.mark.parametrize("name", REAL_NAMES)
def test_each_is_the_seeds(name):
    """The same seed gives the same order."""
    assert order(strategy_named(name, Streams(5))) == order(strategy_named(name, Streams(5)))


@pytest.mark.parametrize("name", ["fifo", *REAL_NAMES])
@pytest.mark.parametrize("program", [waits, completions, gathering])
def test_tape_replays_without_the_strategy(name, program):
    """A run replays along its tape byte for byte, under its own name and under another, with another seed."""
    world = World(7, strategy=name)
    result = world.run(program())
    for other in (name, "random") if name not in ("fifo", "portfolio") else (name,):
        again = World(8, strategy=other, tape=Tape.replaying(world.streams.tape))
        assert (result, world.trace.digest()) == (again.run(program()), again.trace.digest())


@pytest.mark.parametrize("name", REAL_NAMES)
def test_prefix_is_followed_and_then_the_strategy(name):
    """Along a tape that continues, the first picks are the recorded ones, and later ones are of the new seed."""
    streams = Streams(1)
    first = order(strategy_named(name, streams))
    prefix = streams.tape.prefix({STRATEGY_STREAM: 1, SCHEDULE_STREAM: 30})
    again = Streams(2, Tape.continuing(prefix))
    second = order(strategy_named(name, again))
    recorded = streams.tape.choices(SCHEDULE_STREAM)
    assert (first[:30], recorded[:30]) == (second[:30], again.tape.choices(SCHEDULE_STREAM)[:30])
    assert (list(range(50)), 49) == (sorted(second), len(again.tape.choices(SCHEDULE_STREAM)))


def test_fifo_with_a_record_follows_it():
    """An edited tape that holds picks is followed by a scenario that goes first come first served too."""
    tape = Tape.replaying(Tape.of({SCHEDULE_STREAM: [(2, 1)]}), strict=False)
    assert [1, 0, 2] == order(strategy_named("fifo", Streams(1, tape)), 3)


def test_unknown_names_are_refused():
    """A misspelt strategy names those there are."""
    for name in ("lifo", "pct", "pct:0", "pct:x", "delay:", "urw:2", ""):
        with pytest.raises(ValueError, match="there are fifo, random, pct:DEPTH, pos, urw, urw:guess, delay:DELAYS"):
            check_name(name)
        with pytest.raises(ValueError, match=f"no strategy is named '{name}'"):
            strategy_named(name, Streams(1))


def test_each_listed_name_is_known():
    """The list that a refusal shows holds no name that is refused."""
    for name in NAMES:
        check_name(name.replace("DEPTH", "3").replace("DELAYS", "2"))


def test_portfolio_draws_by_shares():
    """Over many seeds each strategy gets about its share of them."""
    counts = collections.Counter(drawn_name(Streams(seed)) for seed in range(PARTS * 200))
    for name, share in SHARES:
        assert 150 * share < counts[name] < 250 * share, name


def test_portfolio_is_on_the_tape():
    """Which strategy a seed got is one choice of a stream of its own, and choice 0 is the plainest."""
    streams = Streams(1)
    strategy_named("portfolio", streams)
    assert ((STRATEGY_STREAM,), SHARES[0][0]) == (streams.tape.names(), drawn_name(Streams(1, Tape.replaying(Tape()))))


def test_estimates_are_wanted_by_those_that_plan():
    """Who spreads changes over a run wants its length, unless a tape says who runs."""
    planning = {name for name in ("fifo", *REAL_NAMES) if wants_estimate(name, Tape())}
    assert ({"pct:1", "pct:3", "urw", "delay:2", "portfolio"}, False, True) == (
        planning,
        wants_estimate("pct:3", Tape.replaying(Tape())),
        wants_estimate("pct:3", Tape.continuing(Tape())),
    )


def test_portfolio_finds_what_a_random_walk_does_not():
    """One step after all twenty of another task: a random walk would need a million runs."""

    def first_failure(name: str, seeds: int) -> int | None:
        for seed in range(seeds):
            try:
                World(seed, strategy=name).run(starvation())
            except (AssertionError, SimulationError):
                return seed
        return None

    assert (None, True) == (first_failure("random", 300), first_failure("portfolio", 300) is not None)
