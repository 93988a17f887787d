"""Server-sent events out of bytes that come in any pieces: what stands behind "data:", a line each or several."""

from collections.abc import Iterator

import attrs

LINE_BYTES_MAX = 8 * 1024 * 1024


class LineTooLong(Exception):
    """A line without an end: no stream of events."""


@attrs.define(eq=False)
class EventLines:
    """Takes bytes and gives the data of each event that has ended."""

    _rest: bytes = b""
    _data: list[bytes] = attrs.field(factory=list)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that end with this piece; raise LineTooLong."""
        # The end of a line may be cut in two: what may be its first half waits for the second.
        text = self._rest + piece
        tail = b"\r" if text.endswith(b"\r") else b""
        lines = text[: len(text) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + tail
        if len(self._rest) > LINE_BYTES_MAX:
            raise LineTooLong
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[bytes]:
        """Yield the data of an event that nothing but the end of the stream ended."""
        yield from self._line(self._rest.removesuffix(b"\r"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            yield data
