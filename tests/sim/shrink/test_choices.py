"""Choices: what is not 0 on a tape, edited and made a tape again."""

from kelpie_sim.seed import Streams
from kelpie_sim.shrink.choices import Choices
from kelpie_sim.tape import Tape

TAPE = Tape.of({"schedule": [(3, 0), (3, 2), (2, 0)], "load": [(100, 7)], "plain": [(2, 0)]})


def test_only_what_is_not_0_counts():
    """Zeros are left out, and with them the streams that hold nothing else."""
    choices = Choices.on(TAPE)
    assert Choices((("load", ((0, 7),)), ("schedule", ((1, 2),)))) == choices
    assert ("load", "schedule") == choices.names
    assert 2 == len(choices)
    assert 9 == choices.total()


def test_edits():
    """Streams are replaced, kept and dropped; an empty one is as one that never was."""
    choices = Choices.on(TAPE)
    assert ((1, 2),) == choices.of("schedule")
    assert () == choices.of("plain")
    assert choices.only("load") == choices.without("schedule") == choices.replaced("schedule", [])
    assert ((0, 1), (4, 2)) == choices.replaced("zoo", [(0, 1), (4, 2)]).of("zoo")
    assert ("load", "schedule", "zoo") == choices.replaced("zoo", [(0, 1)]).names


def test_equal_choices_are_one_key():
    """Choices that make the same run are found again in a set, however they came about."""
    assert {Choices.on(TAPE)} == {Choices.on(TAPE).without("plain").replaced("load", [(0, 7)])}


def test_tape_gives_the_choices_back():
    """Replayed leniently, a stream gives its choices at their places and 0 anywhere else; what does not fit is 0."""
    tape = Tape.replaying(Choices((("load", ((1, 7), (2, 5))),)).tape(), strict=False)
    stream = Streams(1, tape).stream("load")
    assert [0, 7, 0, 0] == [stream.below(100), stream.below(100), stream.below(3), stream.below(100)]
    assert 0 == Streams(1, tape).stream("other").below(9)
