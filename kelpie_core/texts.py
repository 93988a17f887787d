"""Text that others gave us, made fit to be stored.

A model or a tool may give half of a surrogate pair; JSON and SQL cannot hold it. What a caller sends like that is
refused at the edge; what the world gave in the middle of a turn is mended, since nobody is there to send it again.
"""


def encodable(text: str) -> str:
    """Return the text with each lone surrogate replaced by a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(text: str, chars_max: int) -> str:
    """Return the text, or its first `chars_max` characters with a note of how long it was."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}... [cut: {len(text)} characters, {chars_max} are allowed]"
