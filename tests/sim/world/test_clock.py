"""The wall clock of a host."""

from kelpie_sim.world.clock import HostClock

SECOND_NS = 10**9


def test_clock_shows_true_time_at_first():
    """A new clock is right."""
    assert 5 == HostClock().wall_ns(5)


def test_clock_jumps_both_ways():
    """A jump moves the clock by so much, forward or back."""
    clock = HostClock()
    clock.jump(7)
    clock.jump(-10)
    assert 97 == clock.wall_ns(100)


def test_clock_drifts_from_an_instant_on():
    """A drift gains parts in a million; what was gained stays when the rate changes."""
    clock = HostClock()
    clock.drift(100, 10 * SECOND_NS)
    at_20 = clock.wall_ns(20 * SECOND_NS)
    clock.drift(-100, 20 * SECOND_NS)
    at_25 = clock.wall_ns(25 * SECOND_NS)
    assert (20 * SECOND_NS + 1_000_000, 25 * SECOND_NS + 500_000) == (at_20, at_25)
