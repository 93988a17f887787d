"""Laws of links: latencies, bandwidth, and what they refuse."""

import pytest

from kelpie_sim.seed import Streams
from kelpie_sim.tape import Tape
from kelpie_sim.world.network.laws import LOOPBACK, MS, US, Exponential, Fixed, Law, Uniform


def draws(latency, count=4_000, tape=None):
    """Return drawn latencies."""
    drawer = latency.drawer(Streams(1, tape).stream("x"))
    return [drawer() for _ in range(count)]


def test_fixed_draws_nothing():
    """A fixed latency is always the same, and leaves nothing on the tape."""
    tape = Tape()
    assert [5 * MS] * 3 == draws(Fixed(5 * MS), 3, tape)
    assert 0 == len(tape.channel("x"))


def test_uniform():
    """A uniform latency stays within its bounds, reaches both, and goes in steps of a microsecond."""
    seen = draws(Uniform(10 * US, 20 * US))
    assert {microseconds * US for microseconds in range(10, 21)} == set(seen)


def test_exponential():
    """An exponential latency has its mean, mostly lies below it, and seldom goes far beyond."""
    seen = [drawn - 1 * MS for drawn in draws(Exponential(1 * MS, 10 * MS))]
    below = sum(drawn < 10 * MS for drawn in seen) / len(seen)
    assert (1.0, 0.6, 48) == (
        round(sum(seen) / len(seen) / (10 * MS), 1),
        round(below, 1),
        max(seen) // MS,
    )


def test_choice_0_is_the_quickest():
    """A tape of zeros gives the lowest latency."""
    for latency, low in ((Uniform(3 * MS, 9 * MS), 3 * MS), (Exponential(3 * MS, 1_024 * US), 3 * MS + 8 * US)):
        drawer = latency.drawer(Streams(1, Tape.replaying(b'{"version": 1, "streams": {}}', strict=False)).stream("x"))
        assert low == drawer()


def test_what_is_refused():
    """Negative times, a range upside down, and probabilities beyond 1 are refused."""
    for make in (
        lambda: Fixed(-1),
        lambda: Uniform(2, 1),
        lambda: Exponential(0, -1),
        lambda: Law(loss=1.5),
        lambda: Law(bytes_per_second=0),
    ):
        with pytest.raises(ValueError, match=r"must be|low before high"):
            make()


def test_loopback_is_quick():
    """A host reaches itself in microseconds."""
    assert Fixed(20 * US) == LOOPBACK.latency
