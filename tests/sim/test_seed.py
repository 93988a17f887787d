"""Named streams of choices from one seed."""

import collections
import random

import pytest

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.seed import Streams
from kelpie_sim.tape import BOUND_MAX, Tape


def stream(seed=1, name="x", tape=None):
    """Return one stream of a new run."""
    return Streams(seed, tape).stream(name)


def draws(source):
    """Return a draw of each kind."""
    return [
        source.bits(80),
        source.below(1000),
        source.between(-5, 5),
        source.chance(0.3),
        source.pick("abcdef"),
        source.shuffled(range(6)),
    ]


def test_known_draws_stay_the_same():
    """The draws of a seed are a promise: they are the same on every machine and for ever."""
    expected = [800108530060259357676202, 274, -4, False, "c", [2, 1, 4, 3, 0, 5]]
    assert expected == draws(stream(seed=42))


def test_streams_do_not_move_each_other():
    """A draw in one stream changes nothing in another."""
    one, two = Streams(1), Streams(1)
    two.stream("other").bits(512)
    assert draws(one.stream("x")) == draws(two.stream("x"))


def test_streams_differ_by_seed_and_by_name():
    """Another seed or another name gives other draws."""
    assert 3 == len({stream(1, "x").bits(64), stream(1, "y").bits(64), stream(2, "x").bits(64)})


def test_same_name_is_the_same_stream():
    """A stream goes on where it was."""
    streams = Streams(1)
    assert streams.stream("x") is streams.stream("x")


def test_one_outcome_draws_nothing():
    """What has one outcome only leaves no trace on the tape."""
    tape = Tape()
    source = stream(tape=tape)
    outcomes = [
        source.below(1),
        source.between(3, 3),
        source.chance(0),
        source.chance(1),
        source.pick("a"),
        source.bits(0),
    ]
    assert ([0, 3, False, True, "a", 0], 0) == (outcomes, len(tape))


def test_draws_spread_evenly():
    """Each of six faces comes up about as often as the others."""
    source = stream()
    counts = collections.Counter(source.below(6) for _ in range(6000))
    assert ([0, 1, 2, 3, 4, 5], True) == (sorted(counts), all(900 < count < 1100 for count in counts.values()))


def test_chance_keeps_its_rate():
    """A chance of 0.2 comes true in about a fifth of all draws."""
    source = stream()
    assert 1850 < sum(source.chance(0.2) for _ in range(10_000)) < 2150


@pytest.mark.parametrize("bound", [0, -1, BOUND_MAX + 1])
def test_bound_without_outcome_is_refused(bound):
    """There is nothing below 0, and nothing above 64 bits."""
    with pytest.raises(ValueError, match="a bound must be from 1"):
        stream().below(bound)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_impossible_probability_is_refused(probability):
    """A probability lies between 0 and 1."""
    with pytest.raises(ValueError, match="a probability must be"):
        stream().chance(probability)


def test_negative_bits_are_refused():
    """A number of bits is not negative."""
    with pytest.raises(ValueError, match="cannot be negative"):
        stream().bits(-1)


def test_tape_replays_all_kinds_of_draws():
    """The tape gives all draws back under another seed."""
    tape = Tape()
    drawn = draws(stream(1, tape=tape))
    assert drawn == draws(stream(2, tape=Tape.replaying(tape)))


def test_zeros_are_the_plainest_outcome():
    """Past the end of a record: no bits, the lowest number, no fault, the first one, the order as it was."""
    assert [0, 0, -5, False, "a", [0, 1, 2, 3, 4, 5]] == draws(stream(tape=Tape.replaying(Tape())))


def test_chance_on_tape_is_yes_or_no():
    """Tuning a probability does not break a tape."""
    tape = Tape.of({"x": [(2, 1), (2, 0)]})
    source = stream(tape=Tape.replaying(tape))
    assert [True, False] == [source.chance(0.001), source.chance(0.999)]


def taken(source, count):
    """Return the order in which a swap-taker empties a list."""
    items = list(range(count))
    take = source.swap_taker(items)
    return [take() for _ in range(count)]


def test_swap_taker_takes_each_once():
    """All elements come out, in a drawn order, more of them than words are drawn at once."""
    order = taken(stream(), 700)
    assert (list(range(700)), False) == (sorted(order), order == sorted(order))


def test_swap_taker_is_on_tape():
    """The order is on the tape, a choice less than there are elements, and replays from it."""
    tape = Tape()
    order = taken(stream(1, tape=tape), 300)
    replay = Tape.replaying(tape)
    assert (299, order, tape) == (len(tape), taken(stream(2, tape=replay), 300), replay)


def test_swap_taker_notices_another_number():
    """A replay with another number of elements is not the recorded run."""
    tape = Tape()
    taken(stream(1, tape=tape), 5)
    with pytest.raises(NonDeterminism, match="choice 0: one of 6 is asked, one of 5 was recorded"):
        taken(stream(1, tape=Tape.replaying(tape)), 6)


def test_swap_taker_of_nothing_raises():
    """Taking from an empty list is a mistake."""
    for tape in (Tape(), Tape.replaying(Tape())):
        with pytest.raises(IndexError):
            stream(tape=tape).swap_taker([])()


def test_global_random_is_left_alone():
    """Drawing moves no state of the module random."""
    before = random.getstate()
    draws(stream())
    assert before == random.getstate()
