"""Names and ids as providers take them."""

import pytest

from kelpie_server.world.language_model.names import CallIds, Names, fit_name


@pytest.mark.parametrize(
    ("name", "fit"), [("look_up", "look_up"), ("look up/now.é", "look_up_now__"), ("", "_"), ("x" * 70, "x" * 64)]
)
def test_names_are_made_fit(name, fit):
    """What providers do not take is replaced, and what is too long is cut."""
    assert fit == fit_name(name)


def test_names_read_back():
    """Names that become equal are told apart, and each leads back to its own; a name of nobody's stays what it is."""
    names = Names(("a b", "a.b", "a_b"))
    theirs = [names.theirs(name) for name in ("a b", "a.b", "a_b", "later one")]
    assert ["a_b", "a_b_2", "a_b_3", "later_one"] == theirs
    assert ["a b", "a.b", "a_b", "later one"] == [names.ours(name) for name in theirs]
    assert "unheard of" == names.ours("unheard of")


def test_long_names_stay_apart():
    """Two long names with the same beginning are still two, and no longer than providers take."""
    names = Names(("x" * 80, "x" * 90))
    assert ["x" * 64, "x" * 56 + "_2"] == [names.theirs("x" * 80), names.theirs("x" * 90)]


def test_ids_are_fit_and_there_once():
    """An id that fits and is new stays; one that is taken, too long or has odd characters is numbered."""
    ids = CallIds()
    assert ["call-1", "call_1", "call_2", "call_3", "call_5"] == [
        ids.take(key) for key in ("call-1", "call-1", "x" * 41, "a b", "call_5")
    ]
    assert "call_6" == ids.take("call_5")
