"""The window as any provider takes it."""

import pytest

from kelpie_core.model.content import OpaquePart, TextPart
from kelpie_core.model.message import Role
from kelpie_server.world.language_model.window import UNANSWERED, Heard, Image, Said, entries_of, image_of
from tests.server.world.language_model.samples import call, image, message, returned, said, told, user


def text(words):
    """Return a text part in a tuple."""
    return (TextPart(text=words),)


def test_who_spoke():
    """Users, summaries and system messages are heard, the model's own words said; what is empty is left out."""
    window = (
        message(Role.SYSTEM, "note"),
        message(Role.SUMMARY, "before"),
        user("hello", name="Ada"),
        user(" \n", ""),
        said("hi", model="a/b"),
        said(""),
        user("bye", ""),
    )
    expected = (
        Heard(parts=text("note"), by_system=True),
        Heard(parts=text("before")),
        Heard(parts=text("hello"), name="Ada"),
        Said(parts=text("hi"), model="a/b"),
        Heard(parts=text("bye")),
    )
    assert expected == entries_of(window)


def test_calls_have_their_returns():
    """What calls gave stands with them in the order of the calls, however it was told."""
    calls = (call("a"), call("b"), call("c"))
    window = (
        said(calls=calls),
        told(returned("b", "2")),
        message(Role.APPROVAL, approve=True),
        told(returned("a", "1", ok=False), returned("c", None)),
        user("go on"),
    )
    expected = Said(
        parts=(), calls=calls, returns=(returned("a", "1", ok=False), returned("b", "2"), returned("c", None))
    )
    assert (expected, Heard(parts=text("go on"))) == entries_of(window)


def test_request_for_approval_is_what_the_model_said():
    """Calls that somebody had to approve are the model's calls."""
    window = (message(Role.APPROVAL, "may I?", tool_calls=(call("a"),)), told(returned("a")))
    assert (Said(parts=text("may I?"), calls=(call("a"),), returns=(returned("a"),)),) == entries_of(window)


@pytest.mark.parametrize(
    "behind",
    [(), (user("stop"), told(returned("c1"))), (said("no"), told(returned("c1"))), (told(returned("other")),)],
    ids=["nothing", "too late", "of another turn", "of another call"],
)
def test_call_without_its_return_is_answered(behind):
    """A call that nobody answered is answered with an error, and a return without its call is left out."""
    entry, *rest = entries_of((said(calls=(call(),)), *behind))
    assert isinstance(entry, Said)
    assert (returned("c1", UNANSWERED, ok=False),) == entry.returns
    assert all(not isinstance(other, Said) or not other.returns for other in rest)


def test_returns_of_old_files():
    """Where the message names the call, and its text is the return, it is understood."""
    old = message(Role.TOOL, "found", tool_call_id="a")
    newer = told(returned(None, "seen"), tool_call_id="b")
    failed = message(Role.TOOL, "broke", tool_call_id="c", is_error=True)
    (entry,) = entries_of((said(calls=(call("a"), call("b"), call("c"))), old, newer, failed))
    assert isinstance(entry, Said)
    assert (returned("a", "found"), returned("b", "seen"), returned("c", "broke", ok=False)) == entry.returns


def test_ids_are_made_unique():
    """An id that came twice is there once, and its returns go with it."""
    window = (said(calls=(call("a"),)), told(returned("a", "1")), said(calls=(call("a"),)), told(returned("a", "2")))
    found = [
        (entry.calls[0].id, entry.returns[0].tool_call_id, entry.returns[0].text)
        for entry in entries_of(window)
        if isinstance(entry, Said)
    ]
    assert [("a", "a", "1"), ("call_1", "call_1", "2")] == found


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (image(type="base64", data="AA", media_type="image/jpeg"), Image(data="AA", media_type="image/jpeg")),
        (image(type="letta", data="AA", file_id="f", detail="low"), Image(data="AA", detail="low")),
        (image(type="url", url="https://x/y.png"), Image(url="https://x/y.png")),
        (image(type="url", url="file:///etc/passwd"), None),
        (image(type="letta", file_id="f"), None),
        (OpaquePart(fields={"type": "image"}), None),
        (OpaquePart(fields={"type": "sound", "source": {"data": "AA"}}), None),
        (TextPart(text="x"), None),
    ],
)
def test_pictures(part, shown):
    """A picture is passed on with its bytes or its address on the web, and nothing else is."""
    assert shown == image_of(part)
