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
    expected = [870904766677174626038985, 163, 0, False, "a", [5, 1, 2, 0, 3, 4]]
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
    """Return the order in which a line-taker empties a line."""
    take = source.line_taker(collections.deque(range(count)))
    return [take() for _ in range(count)]


def test_line_taker_takes_each_once():
    """All elements come out, in a drawn order, more of them than words are drawn at once."""
    order = taken(stream(), 700)
    assert (list(range(700)), False) == (sorted(order), order == sorted(order))


def test_line_taker_is_on_tape():
    """The order is on the tape, a choice less than there are elements, and replays from it."""
    tape = Tape()
    order = taken(stream(1, tape=tape), 300)
    replay = Tape.replaying(tape)
    assert (299, order, tape) == (len(tape), taken(stream(2, tape=replay), 300), replay)


def test_line_taker_notices_another_number():
    """A replay with another number of elements is not the recorded run."""
    tape = Tape()
    taken(stream(1, tape=tape), 5)
    with pytest.raises(NonDeterminism, match="choice 0: one of 6 is asked, one of 5 was recorded"):
        taken(stream(1, tape=Tape.replaying(tape)), 6)


def test_line_taker_of_nothing_raises():
    """Taking from an empty line is a mistake."""
    for tape in (Tape(), Tape.replaying(Tape())):
        with pytest.raises(IndexError):
            stream(tape=tape).line_taker(collections.deque())()


def test_line_taker_of_zeros_keeps_the_order():
    """Where each choice is 0, first come is first served."""
    assert [0, 1, 2, 3, 4] == taken(stream(tape=Tape.replaying(Tape())), 5)


def test_overtaken_takes_the_place_of_who_overtook():
    """One choice above 0 moves two elements, and the rest keep their order."""
    tape = Tape.of({"x": [(5, 3)]})
    assert [3, 1, 2, 0, 4] == taken(stream(tape=Tape.replaying(tape, strict=False)), 5)


def test_line_taker_continues():
    """The prefix of an order is followed, and the rest is drawn anew, all of it on the tape."""
    tape = Tape()
    whole = taken(stream(1, tape=tape), 50)
    again = Tape.continuing(tape.prefix({"x": 20}))
    order = taken(stream(2, tape=again), 50)
    assert (whole[:20], False, tape.choices("x")[:20]) == (order[:20], whole == order, again.choices("x")[:20])
    assert (list(range(50)), 49) == (sorted(order), len(again))


def test_continuing_draws_are_the_new_seeds():
    """Past the prefix a stream draws what it would draw at the start under the new seed."""
    tape = Tape()
    draws(stream(1, tape=tape))
    source = stream(2, tape=Tape.continuing(tape))
    draws(source)
    assert draws(stream(2)) == draws(source)


def test_chance_continues():
    """A yes or no of the prefix is followed too."""
    source = stream(2, tape=Tape.continuing(Tape.of({"x": [(2, 1), (2, 0)]})))
    assert [True, False] == [source.chance(0.000001), source.chance(0.999999)]


def test_unrecorded_words_leave_no_trace():
    """Words for priorities and the like are the seed's, of 30 bits, and not on the tape."""
    tape = Tape()
    words, again = stream(1, tape=tape).unrecorded(), stream(1).unrecorded()
    drawn = [words() for _ in range(1_000)]
    assert (drawn, 0, True) == ([again() for _ in range(1_000)], len(tape), 2**29 < max(drawn) < 2**30)


def test_own_choices_are_recorded():
    """A caller who makes the choice itself puts it on the tape, one by one or in bulk."""
    tape = Tape()
    source = stream(tape=tape)
    source.record(5, 4)
    bounds, choices, settle = source.recorder()
    bounds.append(7)
    choices.append(6)
    settle()
    source.record(3, 0)
    assert [(5, 4), (7, 6), (3, 0)] == tape.choices("x")


def test_follow_gives_the_prefix_and_then_none():
    """A caller with choices of its own asks first whether the tape has one."""
    source = stream(tape=Tape.continuing(Tape.of({"x": [(5, 4)]})))
    assert ([4, None, True], [None, False]) == (
        [source.follow(5), source.follow(5), source.continues],
        [stream().follow(5), stream().continues],
    )


def test_global_random_is_left_alone():
    """Drawing moves no state of the module random."""
    before = random.getstate()
    draws(stream())
    assert before == random.getstate()


def test_blocks_of_words_do_not_repeat():
    """A stream goes on with new words where a block ends."""
    word = stream().unrecorded()
    words = [word() for _ in range(2_000)]
    assert (2_000, True) == (len(set(words)), max(words) < 1 << 30)


def test_bounds_of_any_size_are_drawn_evenly():
    """The halves of a bound that is no power of two come up alike, for short bounds and for those above a word."""
    for bound in (3 << 28, 3 << 62):
        source = stream(name=str(bound))
        upper = sum(source.below(bound) >= bound // 2 for _ in range(4_000))
        assert abs(upper - 2_000) < 200
