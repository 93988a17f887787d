"""Buggify points: two phases, per site, on the tape."""

import asyncio
import gc
import weakref

from kelpie_sim.buggify import Buggify, attach, buggify
from kelpie_sim.loop import SimLoop
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.simulation import simulate
from kelpie_sim.strategies import Fifo
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace


def fired(seed, site="site", times=100, tape=None):
    """Return how often a site fires in a run."""
    sites = Buggify(Streams(seed, tape), Trace())
    for _ in range(times):
        sites.fires(site)
    return sites.counts()[site]


def test_a_quarter_of_runs_has_it_and_there_a_quarter_of_times():
    """In three of four runs a site never fires; in the others it fires each fourth time."""
    counts = [fired(seed) for seed in range(800)]
    active = [count for count in counts if count]
    assert 150 < len(active) < 250
    assert 23 < sum(active) / len(active) < 27


def test_sites_are_apart():
    """What one site draws moves no other."""
    for seed in range(20):
        sites, alone = Buggify(Streams(seed), Trace()), Buggify(Streams(seed), Trace())
        together = [(sites.fires("one"), sites.fires("two"))[1] for _ in range(50)]
        assert [alone.fires("two") for _ in range(50)] == together


def test_it_is_on_the_tape_and_on_the_trace():
    """A site that fires leaves a record, and the tape alone fires it again."""
    seed = next(seed for seed in range(100) if fired(seed))
    tape, trace = Tape(), Trace()
    sites = Buggify(Streams(seed, tape), trace)
    draws = [sites.fires("site") for _ in range(20)]
    assert (("buggify/site",), sum(draws)) == (tape.names(), trace.count)
    assert sum(draws) == fired(0, times=20, tape=Tape.replaying(tape))


def test_plainest_is_never():
    """Along a tape of zeros nothing fires."""
    assert 0 == fired(1, tape=Tape.replaying(Tape()))


def test_lifted_it_is_left_in_peace():
    """After the harm is over no site fires, and nothing is drawn."""
    seed = next(seed for seed in range(100) if fired(seed))
    tape = Tape()
    sites = Buggify(Streams(seed, tape), Trace())
    sites.lift()
    assert (False, {}, 0) == (any(sites.fires("site") for _ in range(100)), sites.counts(), len(tape))


def test_outside_a_simulation_it_is_false():
    """In production the function does nothing, with a loop and without."""

    async def main():
        return any(buggify("site") for _ in range(100))

    assert (False, False) == (buggify("site"), asyncio.run(main()))


def test_attached_it_answers_on_its_loop_only():
    """The function asks the sites of the loop that runs."""
    loop, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    sites = Buggify(Streams(1), Trace())
    attach(loop, sites)

    async def main():
        buggify("site")

    for each in (loop, other):
        each.run_until_complete(main())
        each.close()
    assert ["site"] == list(sites.counts())
    assert 1 <= len(sites._streams.tape) <= 2


def test_program_in_a_world_reaches_it():
    """A program under simulation calls the function from anywhere, and the world counts."""
    worlds = []

    async def program(world):
        worlds.append(world)
        for _ in range(40):
            buggify("flush early")
        world.heal()
        assert not any(buggify("flush early") for _ in range(200))

    outcomes = [simulate(Scenario(name="buggy", run=program), seed) for seed in range(20)]
    counts = [world.buggify.counts()["flush early"] for world in worlds]
    assert ([None] * 20, True, True) == ([o.finding for o in outcomes], 0 in counts, max(counts) > 3)


def test_attached_sites_keep_no_loop_alive():
    """What is attached to a loop knows it, and goes with it all the same: a process of many runs must not grow."""
    trace = Trace()
    loop, sites = SimLoop(Fifo(), trace), Buggify(Streams(1), trace)
    attach(loop, sites)
    loop.close()
    kept = weakref.ref(loop)
    del loop, sites, trace
    gc.collect()
    assert kept() is None
