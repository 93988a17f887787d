"""Text that others gave us, made fit to be stored.

A model or a tool may give half of a surrogate pair, and a stream may cut a pair in two; neither JSON nor SQL can hold
halves. What a caller sends like that is refused at the edge; what the world gave in the middle of a turn is mended,
since nobody is there to send it again.
"""

from collections.abc import Iterator

import attrs

LOST = "\ufffd"


def encodable(text: str) -> str:
    """Return the text with halves that belong together joined, and each lone one replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut(text: str, chars_max: int) -> str:
    """Return the text, or its first `chars_max` characters with a note of how long it was."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}... [cut: {len(text)} characters, {chars_max} are allowed]"


@attrs.define(eq=False)
class Mender:
    """Makes the pieces of several texts encodable one by one: the first half of a pair waits for the second."""

    _waiting: dict[tuple[str, int], str] = attrs.field(factory=dict, init=False)

    def mend(self, key: tuple[str, int], piece: str) -> str:
        """Return what can be told of the text `key` so far and was not told yet."""
        text = self._waiting.pop(key, "") + piece
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[key] = text[-1]
            text = text[:-1]
        return encodable(text)

    def left(self) -> Iterator[tuple[tuple[str, int], str]]:
        """Yield what no second half came for, as it is to be told."""
        for key in self._waiting:
            yield key, LOST
