"""First come first served, but for a few moments."""

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM
from kelpie_sim.strategies.delay import Delay
from tests.sim.handles import order


def deviations(seed, delays, picks):
    """Return how many picks did not take the first."""
    streams = Streams(seed)
    order(Delay(streams.stream(SCHEDULE_STREAM), delays, picks))
    return sum(choice > 0 for _, choice in streams.tape.choices(SCHEDULE_STREAM))


def test_no_more_deviations_than_allowed():
    """A run deviates at most as often as it may, and mostly just so often; two may fall on one moment."""
    counts = [deviations(seed, 3, 40) for seed in range(100)]
    assert (3, True) == (max(counts), counts.count(3) > 70)


def test_moments_lie_within_the_horizon():
    """No pick after the horizon deviates."""
    for seed in range(50):
        streams = Streams(seed)
        order(Delay(streams.stream(SCHEDULE_STREAM), 4, 10))
        assert all(choice == 0 for _, choice in streams.tape.choices(SCHEDULE_STREAM)[10:])


def test_horizon_is_guessed_without_an_estimate():
    """Some seeds guess a horizon far beyond a short run, and change nothing in it."""
    counts = [deviations(seed, 1, 0) for seed in range(100)]
    assert ({0, 1}, True) == (set(counts), 20 < sum(counts) < 90)
