"""Links: arrival times, obstacles, and how they end."""

from kelpie_sim.seed import Streams
from kelpie_sim.world.network.laws import Fixed, Law
from kelpie_sim.world.network.links import Link, Obstacle


def link(law=None):
    """Return a link with a latency of 100 ns."""
    return Link("a", "b", law or Law(latency=Fixed(100)), Streams(1).stream("x"), False)


def test_arrival():
    """A packet arrives after the latency, and later on a slow link."""
    way = link()
    assert 1_100 == way.arrival_ns(1_000, 50)
    way.slow(2_000, 500)
    assert [1_600, 2_100] == [way.arrival_ns(at, 50) for at in (1_000, 2_000)]


def test_bandwidth():
    """Packets queue up for the bandwidth: each starts when the one before is through."""
    way = link(Law(latency=Fixed(100), bytes_per_second=1_000_000_000))
    assert [1_150, 1_200, 5_110] == [way.arrival_ns(1_000, 50), way.arrival_ns(1_000, 50), way.arrival_ns(5_000, 10)]


def test_obstacles():
    """A cut loses packets, a clog and a hold make them wait; a cut goes before."""
    way = link()
    assert (None, False) == (way.obstacle(0), way.troubled)
    way.clog(10)
    assert ([Obstacle.WAIT, None], True) == ([way.obstacle(at) for at in (9, 10)], way.troubled)
    way.held = True
    assert Obstacle.WAIT is way.obstacle(10)
    way.cut_for(20)
    assert [Obstacle.CUT, Obstacle.WAIT] == [way.obstacle(at) for at in (19, 20)]
    way.cut = True
    assert Obstacle.CUT is way.obstacle(20)


def test_shorter_trouble_does_not_end_a_longer_one():
    """A second cut or clog may only prolong the first."""
    way = link()
    way.cut_for(20)
    way.cut_for(10)
    way.clog(50)
    way.clog(40)
    assert [Obstacle.CUT, Obstacle.WAIT] == [way.obstacle(at) for at in (15, 45)]


def test_end_of_troubles():
    """What was parked goes on at a release, at the end of a clog, and when all is healed."""
    way, seen = link(), []
    for word, end in (("release", way.release), ("unclog", way.unclog), ("heal", way.heal)):
        way.held = way.troubled = True
        way.clog(100)
        way.park(lambda word=word: seen.append(word))
        end()
    assert (["release", "unclog", "heal"], None, False) == (seen, way.obstacle(0), way.troubled)


def test_law_that_draws_for_each_packet():
    """`eventful` tells whether each packet has to be looked at."""
    laws = (Law(), Law(loss=0.1), Law(splitting=0.1))
    risky = Link("a", "b", Law(), Streams(1).stream("x"), True)
    assert [False, True, True, True] == [*(link(law).eventful for law in laws), risky.eventful]
