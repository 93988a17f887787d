"""A log of records on disk, by ordinary files: an append is acknowledged when its record is safe.

A record fills a slot of two sectors, and its checksum covers the slot's number too: so a record that is torn, rotten or
in the wrong place is noticed. An append is named by its sender, and repeating it gives the place that it has. At each
start the log is copied into a new file: after a sync that failed nobody knows what of the old one is safe.

Wrong ways: "hasty" acknowledges before it syncs; "trusting" does not look at checksums; "greedy" takes a short write
for a whole one; "stubborn" goes on after a sync that failed, as if the next one made up for it.
"""

import asyncio
import contextlib
import errno
import os
import struct
from zlib import crc32

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs.wire import Document, serve

SLOT_BYTES = 1_024
PATH, FRESH = "/log", "/log.new"
HEAD = struct.Struct(">II")
READ_TRIES = 12


class Damaged(Exception):
    """What is in a slot is not what was written there."""


def packed(place: int, payload: bytes) -> bytes:
    """Return the slot of a record."""
    return (HEAD.pack(_checksum(place, payload), len(payload)) + payload).ljust(SLOT_BYTES, b"\0")


def _checksum(place: int, payload: bytes) -> int:
    return crc32(place.to_bytes(8, "big") + payload)


class Log:
    """The records, and where each is by the name of its append."""

    def __init__(self, way: str) -> None:
        """Open the log. Raise OSError."""
        self.way = way
        self.places: dict[str, int] = {}
        self.count = 0
        self._number = self._copied()

    def _copied(self) -> int:
        """Copy what is good into a new file, put it in place of the old one, and return its descriptor."""
        old, new = os.open(PATH, os.O_RDWR | os.O_CREAT), os.open(FRESH, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        slots = -(-os.fstat(old).st_size // SLOT_BYTES)
        payloads = [self._loaded(old, place) for place in range(slots)]
        while payloads and payloads[-1] is None:
            sometimes("an unfinished record was cut off")
            payloads.pop()
        for place, payload in enumerate(payloads):
            if payload is not None:
                self._put(new, place, packed(place, payload))
                self.places[_name_in(payload)] = place
        self.count = len(payloads)
        os.fsync(new)
        os.close(old)
        os.replace(FRESH, PATH)
        root = os.open("/", os.O_RDONLY)
        os.fsync(root)
        os.close(root)
        return new

    def _loaded(self, number: int, place: int) -> bytes | None:
        try:
            return self._load(number, place)
        except Damaged:
            return None

    def _load(self, number: int, place: int) -> bytes:
        """Return a record: what fails, or is damaged on the way, may be better at another try. Raise Damaged."""
        for attempt in range(READ_TRIES):
            with contextlib.suppress(OSError, Damaged):
                payload = self._unpacked(place, self._read(number, place))
                sometimes("a record was right at another try", attempt > 0)
                return payload
        raise Damaged(place)

    def _read(self, number: int, place: int) -> bytes:
        found = b""
        while piece := os.pread(number, SLOT_BYTES - len(found), place * SLOT_BYTES + len(found)):
            found += piece
        return found.ljust(SLOT_BYTES, b"\0")

    def _unpacked(self, place: int, slot: bytes) -> bytes:
        checksum, length = HEAD.unpack_from(slot)
        payload = slot[HEAD.size : HEAD.size + length]
        right = self.way == "trusting" or checksum == _checksum(place, payload)
        if not length or not right:
            raise Damaged(place)
        return payload

    def _put(self, number: int, place: int, slot: bytes) -> None:
        done = 0
        while done < len(slot):
            done += os.pwrite(number, slot[done:], place * SLOT_BYTES + done)
            sometimes("a write took a part", done < len(slot))
            if self.way == "greedy":
                return

    def append(self, name: str, text: str) -> int:
        """Return the place of a record when it is safe. Raise OSError; SystemExit when nobody knows what is safe."""
        if name in self.places:
            sometimes("an append was repeated")
            return self.places[name]
        payload = f"{name}={text}".encode()
        self._put(self._number, self.count, packed(self.count, payload))
        if self.way != "hasty":
            self._sync()
        self.places[name], self.count = self.count, self.count + 1
        return self.places[name]

    def _sync(self) -> None:
        try:
            os.fsync(self._number)
        except OSError:
            sometimes("a sync failed")
            if self.way != "stubborn":
                raise SystemExit(1) from None

    def read(self, place: int) -> str:
        """Return the record at a place. Raise Damaged."""
        return self._load(self._number, place).decode(errors="replace")


def _name_in(payload: bytes) -> str:
    return payload.partition(b"=")[0].decode(errors="replace")


async def main(way: str) -> None:
    """Serve the log; exit when the disk does not let it open."""
    try:
        log = await asyncio.to_thread(Log, way)
    except OSError:
        raise SystemExit(1) from None
    one_at_a_time = asyncio.Lock()

    async def answer(document: Document) -> Document:
        async with one_at_a_time:
            try:
                if document["do"] == "append":
                    return {"place": await asyncio.to_thread(log.append, document["name"], document["text"])}
                if document["do"] == "count":
                    return {"count": log.count}
                return {"record": await asyncio.to_thread(log.read, document["place"])}
            except Damaged:
                sometimes("damage was noticed")
                return {"error": "damaged"}
            except OSError as error:
                sometimes("there was no room", error.errno == errno.ENOSPC)
                return {"error": str(error)}

    await serve(answer)
