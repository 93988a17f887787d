"""The tape of choices."""

import pytest

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.tape import BOUND_MAX, Tape

PAIRS = {"a": [(2, 1), (BOUND_MAX, BOUND_MAX - 1)], "b": [(6, 0)]}


def test_json_gives_the_tape_back():
    """A tape survives being written and read."""
    tape = Tape.of(PAIRS)
    assert tape == Tape.from_json(tape.to_json())


def test_tape_tells_what_it_holds():
    """Names come sorted, choices in order, and untouched streams do not count."""
    tape = Tape.of(PAIRS)
    tape.channel("untouched")
    assert (("a", "b"), PAIRS["a"], [], 3) == (tape.names(), tape.choices("a"), tape.choices("c"), len(tape))


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b"nonsense", b'{"version":2,"streams":{}}', b'{"version":1,"streams":[]}']
)
def test_what_is_no_tape_is_refused(data):
    """Anything else than a tape's own JSON is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Tape.from_json(data)


@pytest.mark.parametrize("pair", [(2, 2), (2, -1), (0, 0), (BOUND_MAX + 1, 0)])
def test_choice_outside_its_bound_is_refused(pair):
    """A choice is at least 0 and below its bound."""
    with pytest.raises(ValueError, match="not within its bound"):
        Tape.of({"a": [pair]})


def test_replay_gives_choices_in_order_then_zeros():
    """Past the end of a record each choice is 0, and a stream without a record is all zeros."""
    tape = Tape.replaying(Tape.of({"a": [(4, 3), (4, 2)]}))
    assert [3, 2, 0, 0] == [tape.channel("a").scripted(4) for _ in range(3)] + [tape.channel("b").scripted(9)]


def test_replay_reads_json():
    """A tape replays from what to_json wrote."""
    tape = Tape.replaying(Tape.of({"a": [(4, 3)]}).to_json())
    assert (True, 3) == (tape.replays, tape.channel("a").scripted(4))


def test_strict_replay_names_what_differs():
    """Another bound than the recorded one names stream and index."""
    channel = Tape.replaying(Tape.of({"a": [(4, 3), (4, 2)]})).channel("a")
    channel.scripted(4)
    with pytest.raises(NonDeterminism, match="stream 'a', choice 1: one of 5 is asked, one of 4 was recorded"):
        channel.scripted(5)


def test_lenient_replay_takes_what_fits():
    """An edited tape is followed as far as its choices fit."""
    channel = Tape.replaying(Tape.of({"a": [(4, 3), (4, 3)]}), strict=False).channel("a")
    assert [3, 0] == [channel.scripted(9), channel.scripted(2)]


def test_replay_records_what_was_drawn():
    """After a lenient replay the tape is what really happened."""
    tape = Tape.replaying(Tape.of({"a": [(4, 3), (4, 1)]}), strict=False)
    for bound in (3, 4, 5):
        tape.channel("a").scripted(bound)
    assert [(3, 0), (4, 1), (5, 0)] == tape.choices("a")


def test_fingerprint_covers_names_bounds_and_choices():
    """Tapes that differ anywhere have different fingerprints."""
    tapes = [{"a": [(2, 1)]}, {"b": [(2, 1)]}, {"a": [(3, 1)]}, {"a": [(2, 0)]}, {"a": [(2, 1), (2, 1)]}, {}]
    assert 6 == len({Tape.of(pairs).fingerprint() for pairs in tapes})


def test_long_record_stays_in_order():
    """Choices keep their order across the batches in which they are stored."""
    tape, pairs = Tape(), [(3000, number) for number in range(3000)]
    for bound, choice in pairs:
        tape.channel("a").record(bound, choice)
    assert (pairs, 3000) == (tape.choices("a"), len(tape.channel("a")))


def test_tape_is_equal_to_tapes_only():
    """A tape differs from what is no tape."""
    assert Tape() != "tape"


def test_lengths_and_prefix_cut_a_tape_at_a_place():
    """The choices of each stream by then, and none of streams that came later."""
    tape = Tape.of({"a": [(2, 1), (3, 2)], "b": [(6, 5)]})
    place = tape.lengths()
    tape.channel("a").record(9, 8)
    tape.channel("c").record(2, 1)
    assert ({"a": 2, "b": 1}, Tape.of({"a": [(2, 1), (3, 2)], "b": [(6, 5)]})) == (place, tape.prefix(place))


def test_continuing_tape_follows_each_stream_to_its_end():
    """A stream follows its part of the prefix and then no more; one without a part follows nothing."""
    tape = Tape.continuing(Tape.of({"a": [(4, 3)]}))
    channel = tape.channel("a")
    before = channel.follows()
    choice = channel.scripted(4)
    assert (True, 3, False, False) == (before, choice, channel.follows(), tape.channel("b").follows())


def test_continuing_tape_is_strict():
    """A prefix is no edit: another bound than the recorded one means that it is not this program's."""
    with pytest.raises(NonDeterminism, match="one of 5 is asked, one of 4 was recorded"):
        Tape.continuing(Tape.of({"a": [(4, 3)]})).channel("a").scripted(5)


def test_replaying_tape_follows_for_ever():
    """Past its record a replay gives zeros, and lets nobody draw."""
    tape = Tape.replaying(Tape())
    assert (True, False, True) == (tape.channel("a").follows(), tape.continues, tape.replays)


def test_scripts_tells_what_there_is_to_follow():
    """Only a stream with recorded choices has a script; a tape that records has none."""
    tape = Tape.replaying(Tape.of({"a": [(4, 3)]}))
    assert (True, False, False) == (tape.scripts("a"), tape.scripts("b"), Tape().scripts("a"))
