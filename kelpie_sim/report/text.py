"""How values of a trace are written for people: readable, on one line, and cut when long."""

from collections.abc import Iterator

from kelpie_sim.trace import Field


def shown(field: Field, kept: str = "") -> str:
    """Return a field as readable text, in full; control characters are escaped, but for those in `kept`."""
    if isinstance(field, int):
        return str(field)
    text = field.decode(errors="backslashreplace") if isinstance(field, bytes) else field
    return text if text.isprintable() else "".join(_visible(text, kept))


def _visible(text: str, kept: str) -> Iterator[str]:
    for character in text:
        yield character if character.isprintable() or character in kept else repr(character)[1:-1]


def cut(text: str, chars_max: int, end: str = "...") -> str:
    """Return a text of at most `chars_max` characters, `end` in place of what it lost."""
    return text if len(text) <= chars_max else f"{text[: max(0, chars_max - len(end))]}{end}"
