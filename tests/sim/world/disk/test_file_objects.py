"""What `open` returns for a file on a simulated disk."""

import io
import os
import re
from typing import Any

import pytest

from kelpie_sim.world.disk.descriptors import Descriptors
from kelpie_sim.world.disk.file_objects import flags_of, kind_of, open_stream
from tests.sim.world.disk.benches import Bench


class Shelf:
    """A disk with descriptors, and an `open` for it."""

    def __init__(self):
        self.disk = Bench().disk
        self.table = Descriptors()

    def open(self, path, mode="r", **options):
        """Open a path as the builtin does."""
        return open_stream(self.table, self.table.open(self.disk, path, flags_of(mode)), path, mode, **options)


def refusal(act, *arguments, **options):
    """Return what a call says as it refuses its arguments."""
    try:
        with act(*arguments, **options):
            return "nothing"
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("mode", ["", "q", "rw", "rr", "bt", "rbt", "w+a", "+"])
def test_modes_that_are_none(mode):
    """What `open` refuses as a mode is refused, with a ValueError as well."""
    assert (True, True) == (refusal(open, os.devnull, mode) != "nothing", refusal(kind_of, mode) != "nothing")


def test_flags_are_those_of_the_real_open():
    """Each mode asks for the flags that io.open gives its opener."""
    seen: dict[Any, Any] = {}

    def opener(path, flags):
        seen[mode] = flags
        return os.open(os.devnull, os.O_RDWR)

    for mode in ("r", "r+", "w", "w+", "a", "a+", "x", "x+"):
        open(os.devnull, mode + "b", buffering=0, opener=opener).close()
    assert seen == {mode: flags_of(mode) for mode in seen}


def test_layers_are_pythons_own():
    """Text, buffers and raw files come in the classes that `open` gives."""
    shelf = Shelf()
    shelf.open("/a", "w").close()
    kinds = [type(shelf.open("/a", mode)) for mode in ("r", "rb", "wb", "r+b")]
    raw = shelf.open("/a", "rb", buffering=0)
    assert [io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom] == kinds
    assert (True, "<RawFile name='/a' mode='rb'>") == (isinstance(raw, io.RawIOBase), repr(raw))


def test_text_round_trip():
    """Text is encoded, lines are read, and the file knows its mode and name."""
    shelf = Shelf()
    with shelf.open("/a", "w", encoding="utf-8", newline="\r\n") as file:
        file.write("é\nx")
    with shelf.open("/a", encoding="utf-8") as file:
        assert (["é\n", "x"], "r", "/a") == (file.readlines(), file.mode, file.name)
    assert b"\xc3\xa9\r\nx" == shelf.disk.pristine("/a")


def test_buffers_hold_back_until_flushed():
    """Nothing is on the disk before a flush, or a line's end in line buffering."""
    shelf = Shelf()
    held, lines = shelf.open("/a", "w"), shelf.open("/b", "w", buffering=1)
    held.write("abc\n")
    lines.write("abc\n")
    before = (shelf.disk.pristine("/a"), shelf.disk.pristine("/b"))
    held.flush()
    assert ((b"", b"abc\n"), b"abc\n") == (before, shelf.disk.pristine("/a"))


def test_both_ways_at_one_position():
    """A file opened for both is read where it was written, and cut where it stands."""
    with Shelf().open("/a", "w+b") as file:
        file.write(b"0123456789")
        file.seek(4)
        file.write(b"xx")
        rest = file.read()
        file.seek(5)
        file.truncate()
        file.seek(0)
        assert (b"6789", b"0123x") == (rest, file.read())


def test_append_starts_at_the_end():
    """A file that is appended to tells its end, and keeps what it holds."""
    shelf = Shelf()
    shelf.open("/a", "wb").write(b"abc")
    with shelf.open("/a", "ab") as file:
        place = file.tell()
        file.write(b"d")
    assert (3, b"abcd") == (place, shelf.disk.pristine("/a"))


def test_wrong_use():
    """Reading what is written to, and writing what is read, is refused, and so is all use of a closed file."""
    shelf = Shelf()
    writer, reader = shelf.open("/a", "wb", buffering=0), shelf.open("/a", "rb", buffering=0)
    with pytest.raises(io.UnsupportedOperation):
        writer.read(1)
    with pytest.raises(io.UnsupportedOperation):
        reader.write(b"x")
    with pytest.raises(io.UnsupportedOperation):
        reader.truncate()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("rb", {"encoding": "utf-8"}),
        ("rb", {"errors": "strict"}),
        ("rb", {"newline": ""}),
        ("r", {"buffering": 0}),
    ],
)
def test_options_that_do_not_go_together(mode, options):
    """What `open` refuses is refused in the same words, and the descriptor is closed then."""
    shelf = Shelf()
    shelf.open("/a", "w").close()
    with pytest.raises(ValueError, match=re.escape(refusal(open, os.devnull, mode, **options))) as caught:
        shelf.open("/a", mode, **options)
    # While the error, and so the file that it is about, is still there.
    assert ({}, None) == (shelf.table._open, caught.value.__cause__)


def test_directory_is_no_file():
    """Opening a directory raises IsADirectoryError."""
    with pytest.raises(IsADirectoryError):
        Shelf().open("/tmp")


def test_borrowed_descriptor_stays_open():
    """A file over somebody else's descriptor leaves it open."""
    shelf = Shelf()
    number = shelf.table.open(shelf.disk, "/a", os.O_RDWR | os.O_CREAT)
    open_stream(shelf.table, number, number, "wb", closes=False).close()
    assert 0 == shelf.table.stat(number).size
