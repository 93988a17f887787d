"""JSON to and from providers."""

import msgspec
import pytest

from kelpie_server.world.language_model.json_body import TOOL_ARGUMENTS, arguments_of, decoded, encoded, mended


def test_bodies_are_json():
    """A body is encoded as it is."""
    assert b'{"a":["\xc3\xa9",1]}' == encoded({"a": ["é", 1]})


def test_half_characters_do_not_stop_a_body():
    """Half a surrogate pair, wherever it stands, is replaced; both halves are joined."""
    body = {"a\ud800": ["\ud83d\ude00", ("\ude00", 1, None)]}
    assert {"a\ufffd": ["\U0001f600", ["\ufffd", 1, None]]} == msgspec.json.decode(encoded(body)) == mended(body)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ('{"a":', {TOOL_ARGUMENTS: '{"a":'}),
        ("[1]", {TOOL_ARGUMENTS: "[1]"}),
        ("\ud800", {TOOL_ARGUMENTS: "\ud800"}),
        ("[" * 100_000, {TOOL_ARGUMENTS: "[" * 100_000}),
    ],
)
def test_arguments_are_always_an_object(text, arguments):
    """Whatever the model wrote goes back to it in an object."""
    assert arguments == arguments_of(text)


def test_json_that_is_too_deep_is_bad_json():
    """Nesting that no decoder follows is told like any other bad JSON."""
    with pytest.raises(msgspec.DecodeError, match="too deep"):
        decoded(b"[" * 100_000)
