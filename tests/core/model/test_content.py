"""Parts of content: read by their type, told as text."""

import msgspec
import pytest

from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart, part_of, text_of

PARTS = [
    TextPart(text="hello"),
    TextPart(text="", signature="s"),
    ReasoningPart(reasoning="hm", is_native=False, signature="s"),
    OpaquePart(fields={"type": "image", "source": {"data": "AAAA"}}),
]


@pytest.mark.parametrize("part", PARTS)
def test_part_comes_back_from_json(part: ContentPart) -> None:
    """What is encoded is read back as an equal part of the same kind."""
    assert part == part_of(msgspec.json.decode(msgspec.json.encode(part)))


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"type": "image"}, {"type": 3}, {"type": ["text"]}])
def test_what_is_no_part_is_refused(value: object) -> None:
    """JSON of another shape or an unknown type is no stored part."""
    with pytest.raises(msgspec.ValidationError, match="not a content part"):
        part_of(value)


def test_part_without_its_field_is_refused() -> None:
    """A text part needs its text."""
    with pytest.raises(msgspec.ValidationError, match="text"):
        part_of({"type": "text"})


def test_text_is_joined_in_order() -> None:
    """A reader sees the text parts, one after the other, and nothing else."""
    assert "hello world" == text_of((TextPart(text="hello"), *PARTS[1:], TextPart(text=" world")))
    assert "" == text_of(())
