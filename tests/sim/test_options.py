"""Options that the seed draws."""

import pytest

from kelpie_sim.options import RATES, Swarm
from kelpie_sim.seed import Streams


def swarm(seed: int) -> Swarm:
    return Swarm(Streams(seed).stream("options"))


def test_every_option_is_drawn_under_its_name():
    """What was drawn is kept by name, in order, to be printed with a failure."""
    options = swarm(1)
    values = {
        "latency": options.flag("latency"),
        "lost": options.rate("lost"),
        "agents": options.size("agents", 2, 9),
        "order": options.pick("order", ("fifo", "random")),
    }
    assert options.drawn == values
    assert list(options.drawn) == ["latency", "lost", "agents", "order"]


def test_equal_seeds_draw_equal_options():
    """The seed alone decides."""
    assert [swarm(7).size("n", 0, 10**6) for _ in range(2)] == [swarm(7).size("n", 0, 10**6)] * 2


def test_rates_are_sometimes_zero_and_never_one():
    """Over many seeds every rate comes up, and 0 is one of them."""
    assert {swarm(seed).rate("lost") for seed in range(200)} == set(RATES)
    assert (min(RATES), max(RATES) < 1) == (0.0, True)


def test_sizes_include_both_ends():
    """A size may be its lowest and its highest value."""
    assert {swarm(seed).size("n", 1, 3) for seed in range(50)} == {1, 2, 3}


def test_sure_flags_are_sure():
    """Probability 0 and 1 leave nothing to chance."""
    assert [swarm(1).flag("x", probability) for probability in (0, 1)] == [False, True]


@pytest.mark.parametrize("draw", [lambda s: s.flag("x"), lambda s: s.rate("x"), lambda s: s.size("x", 1, 2)])
def test_option_is_drawn_once(draw):
    """A second draw of one name is refused: one of the two would not be printed."""
    options = swarm(1)
    draw(options)
    with pytest.raises(ValueError, match="option 'x' is drawn twice"):
        draw(options)
