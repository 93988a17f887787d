"""Who runs next."""

import contextvars

import pytest

from kelpie_sim.seed import Streams
from kelpie_sim.strategies import SCHEDULE_STREAM, Fifo, strategy_named
from kelpie_sim.tasks import SimHandle


def order(name, streams, count=50):
    """Return the order in which a strategy hands out handles that come while others leave."""
    strategy = strategy_named(name, streams)
    handles = [SimHandle(print, (), contextvars.Context()) for _ in range(count)]
    taken: list[object] = []
    numbers: dict[object, int] = {handle: number for number, handle in enumerate(handles)}
    for number, handle in enumerate(handles):
        strategy.add(handle)
        if number % 3 == 2:
            taken.append(strategy.take())
    while strategy.ready:
        taken.append(strategy.take())
    return [numbers[handle] for handle in taken]


def test_fifo_keeps_the_order_and_draws_nothing():
    """First come, first served."""
    streams = Streams(1)
    assert (list(range(50)), 0) == (order("fifo", streams), len(streams.tape))


def test_random_order_is_the_seeds():
    """The same seed gives the same order, another one another; each handle runs once."""
    one, again, other = (order("random", Streams(seed)) for seed in (1, 1, 2))
    assert (one, True, list(range(50))) == (again, one != other, sorted(one))


def test_random_draws_go_on_the_tape():
    """Each pick among several is a choice of the stream "schedule"."""
    streams = Streams(1)
    order("random", streams, 3)
    assert ((SCHEDULE_STREAM,), [3, 2]) == (streams.tape.names(), [b for b, _ in streams.tape.choices(SCHEDULE_STREAM)])


def test_pick_among_one_draws_nothing():
    """There is no choice where only one is ready."""
    streams = Streams(1)
    order("random", streams, 1)
    assert 0 == len(streams.tape)


def test_unknown_name_is_refused():
    """A misspelt strategy names those there are."""
    with pytest.raises(ValueError, match="there are fifo and random"):
        strategy_named("lifo", Streams(1))


def test_fifo_is_named():
    """A strategy knows its name."""
    assert "fifo" == Fifo().name
