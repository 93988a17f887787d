"""What `open` returns for a file on a simulated disk: Python's own buffers and text over a raw file of ours."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from typing import IO, cast

from kelpie_sim.world.disk.descriptors import Descriptors
from kelpie_sim.world.disk.names import disk_error

Opener = Callable[[object, int], int]
_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_CREAT | os.O_TRUNC,
    "x": os.O_CREAT | os.O_EXCL,
    "a": os.O_CREAT | os.O_APPEND,
}


class RawFile(io.RawIOBase):
    """An unbuffered file over a descriptor."""

    mode: str
    name: object

    def __init__(self, descriptors: Descriptors, number: int, name: object, mode: str, closes: bool) -> None:
        super().__init__()
        self.name = name
        self.mode = mode
        self._descriptors = descriptors
        self._number = number
        self._closes = closes

    def __repr__(self) -> str:
        return f"<RawFile name={self.name!r} mode={self.mode!r}>"

    def _checked(self) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._number

    def fileno(self) -> int:
        """Return the number, which only the replaced functions of `os` know."""
        return self._checked()

    def readable(self) -> bool:
        """Return whether it may be read."""
        return self._descriptors.get(self._checked()).reads

    def writable(self) -> bool:
        """Return whether it may be written."""
        return self._descriptors.get(self._checked()).writes

    def seekable(self) -> bool:
        """Return True: a disk is."""
        self._checked()
        return True

    def isatty(self) -> bool:
        """Return False."""
        self._checked()
        return False

    def readinto(self, buffer: object) -> int:
        """Read into a buffer; return how many bytes."""
        if not self.readable():
            raise io.UnsupportedOperation("File not open for reading")
        view = memoryview(cast(bytearray, buffer)).cast("B")
        found = self._descriptors.read(self._number, len(view))
        view[: len(found)] = found
        return len(found)

    def write(self, data: object) -> int:
        """Write; return how many bytes were taken."""
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        return self._descriptors.write(self._number, bytes(cast(bytes, data)))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        return self._descriptors.seek(self._checked(), offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, to the position unless given."""
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        size = self.tell() if size is None else size
        self._descriptors.truncate(self._number, size)
        return size

    def close(self) -> None:
        """Close the descriptor too, if it is ours to close."""
        if not self.closed:
            super().close()
            if self._closes:
                self._descriptors.close(self._number)


def kind_of(mode: str) -> str:
    """Return the letter that says how a file is opened; raise ValueError, as `open` does, for a mode that is none."""
    letters = set(mode)
    if letters - set("axrwb+t") or len(mode) > len(letters):
        raise ValueError(f"invalid mode: {mode!r}")
    if {"b", "t"} <= letters:
        raise ValueError("can't have text and binary mode at once")
    kinds = letters & set("axrw")
    if len(kinds) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    return kinds.pop()


def flags_of(mode: str) -> int:
    """Return the flags of os.open for a mode of `open`."""
    kind = kind_of(mode)
    access = os.O_RDWR if "+" in mode else os.O_RDONLY if kind == "r" else os.O_WRONLY
    return _FLAGS[kind] | access | os.O_CLOEXEC


def open_stream(
    descriptors: Descriptors,
    number: int,
    name: object,
    mode: str,
    *,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closes: bool = True,
) -> IO[str] | IO[bytes]:
    """Return the file object for an open descriptor; raise as `open` does, and close the descriptor then."""
    raw = RawFile(descriptors, number, name, mode.replace("t", "").replace("b", "") + "b", closes)
    try:
        return _layers(raw, mode, buffering, encoding, errors, newline)
    except BaseException:
        raw.close()
        raise


def _layers(
    raw: RawFile, mode: str, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> IO[str] | IO[bytes]:
    descriptor = raw._descriptors.get(raw.fileno())
    if descriptor.file is None:
        raise disk_error(errno.EISDIR, descriptor.path)
    if descriptor.appends:
        raw.seek(0, os.SEEK_END)
    binary, lines = "b" in mode, buffering == 1 and "b" not in mode
    _check_options(binary, buffering, encoding, errors, newline)
    if buffering == 0:
        return cast(IO[bytes], raw)
    size = io.DEFAULT_BUFFER_SIZE if buffering < 2 else buffering
    buffer: IO[bytes] = _buffer_kind(mode)(raw, size)
    if binary:
        return buffer
    text = io.TextIOWrapper(buffer, encoding, errors, newline, lines)
    text.mode = mode  # type: ignore[misc]  # As `open` does.
    return text


def _buffer_kind(mode: str) -> Callable[[RawFile, int], IO[bytes]]:
    if "+" in mode:
        return cast("Callable[[RawFile, int], IO[bytes]]", io.BufferedRandom)
    kind = io.BufferedReader if kind_of(mode) == "r" else io.BufferedWriter
    return cast("Callable[[RawFile, int], IO[bytes]]", kind)


def _check_options(binary: bool, buffering: int, encoding: str | None, errors: str | None, newline: str | None) -> None:
    given = {"an encoding": encoding, "an errors": errors, "a newline": newline}
    for what, value in given.items():
        if binary and value is not None:
            raise ValueError(f"binary mode doesn't take {what} argument")
    if buffering == 0 and not binary:
        raise ValueError("can't have unbuffered text I/O")
