"""What a message says, in parts.

Text and reasoning are understood. Every other kind (images, redacted reasoning, kinds that do not exist yet) is an
`OpaquePart`: carried along unchanged, so that nothing is lost between import and export.
"""

from typing import Literal

import attrs
import msgspec

from kelpie_core.json_types import JsonObject, JsonValue


class ContentPart:
    """The kinds of part have this base; `part_of` makes the right one from JSON."""

    __slots__ = ()


@attrs.frozen(kw_only=True)
class TextPart(ContentPart):
    """Text, with the provider's signature if it gave one."""

    text: str
    signature: str | None = None
    type: Literal["text"] = "text"


@attrs.frozen(kw_only=True)
class ReasoningPart(ContentPart):
    """What the model thought aloud."""

    reasoning: str
    is_native: bool = True
    signature: str | None = None
    type: Literal["reasoning"] = "reasoning"


@attrs.frozen(kw_only=True)
class OpaquePart(ContentPart):
    """A part of another kind; `fields` is the whole JSON object, its "type" included."""

    fields: JsonObject
    type: Literal["opaque"] = "opaque"


_KINDS: dict[str, type[ContentPart]] = {"text": TextPart, "reasoning": ReasoningPart, "opaque": OpaquePart}


def part_of(value: JsonValue) -> ContentPart:
    """Return the part that a stored JSON object holds; raise msgspec.ValidationError if it is none."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise msgspec.ValidationError(f"not a content part: {kind!r}")
    return msgspec.convert(value, _KINDS[kind])


def text_of(content: tuple[ContentPart, ...]) -> str:
    """Return the text parts joined, as a reader sees them."""
    return "".join(part.text for part in content if isinstance(part, TextPart))
