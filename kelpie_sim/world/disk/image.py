"""The bytes of a file: what was written, and on top of that what the medium holds in its stead.

The pristine bytes are never harmed. Damage lies over them, a sector at a time, and goes when the sector is written
again. So harm can be counted, bounded and taken away, and a check can ask what should have been there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

UNREADABLE: Final = None
Sector = bytes | None


class Image:
    """One state of a file. `pristine` holds what was written; `damage` what there is instead, by number of sector."""

    __slots__ = ("damage", "pristine", "sector_bytes")

    def __init__(
        self, sector_bytes: int, pristine: bytes | bytearray = b"", damage: dict[int, Sector] | None = None
    ) -> None:
        self.sector_bytes = sector_bytes
        self.pristine = bytearray(pristine)
        self.damage: dict[int, Sector] = damage or {}

    def copy(self) -> Image:
        """Return an image of its own with the same content."""
        return Image(self.sector_bytes, self.pristine, dict(self.damage))

    def __len__(self) -> int:
        return len(self.pristine)

    def sectors(self, offset: int, size: int) -> range:
        """Return the numbers of the sectors that a range of bytes touches."""
        return range(offset // self.sector_bytes, -(-(offset + size) // self.sector_bytes) if size else 0)

    def readable(self, offset: int, size: int) -> bool:
        """Return whether all sectors of a range can be read."""
        return not self.damage or all(self.damage.get(n, b"") is not UNREADABLE for n in self.sectors(offset, size))

    def read(self, offset: int, size: int) -> bytes:
        """Return what the medium gives; fewer bytes at the end of the file. The range must be readable."""
        found = bytes(memoryview(self.pristine)[offset : offset + size])
        return self._overlaid(offset, found) if self.damage else found

    def _overlaid(self, offset: int, found: bytes) -> bytes:
        seen = bytearray(found)
        for number in self.sectors(offset, len(found)):
            damaged = self.damage.get(number)
            if damaged is not None:
                low, high = self._overlap(number, offset, len(found))
                start = number * self.sector_bytes
                seen[low - offset : high - offset] = damaged[low - start : high - start]
        return bytes(seen)

    def _overlap(self, number: int, offset: int, size: int) -> tuple[int, int]:
        """Return where a sector and a range of bytes meet."""
        start = number * self.sector_bytes
        return max(start, offset), min(start + self.sector_bytes, offset + size)

    def physical(self, number: int) -> bytes:
        """Return what the medium holds in a sector, filled up with zeros."""
        damaged = self.damage.get(number)
        if damaged is not None:
            return damaged
        start = number * self.sector_bytes
        return bytes(self.pristine[start : start + self.sector_bytes]).ljust(self.sector_bytes, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Write; a gap before it is filled with zeros, and damage in its place is gone."""
        pristine, end = self.pristine, offset + len(data)
        if self.damage:
            self._mend(offset, data)
        if offset > len(pristine):
            pristine.extend(bytes(offset - len(pristine)))
        pristine[offset:end] = data

    def _mend(self, offset: int, data: bytes) -> None:
        """Take damage away where whole sectors are written; a part of a sector changes just that part."""
        for number in self.sectors(offset, len(data)):
            damaged = self.damage.get(number)
            if damaged is None or self._width(number, offset, len(data)) == self.sector_bytes:
                self.damage.pop(number, None)
            else:
                self.damage[number] = self._patched(damaged, number, offset, data)

    def _width(self, number: int, offset: int, size: int) -> int:
        low, high = self._overlap(number, offset, size)
        return high - low

    def _patched(self, sector: bytes, number: int, offset: int, data: bytes) -> bytes:
        low, high = self._overlap(number, offset, len(data))
        start = number * self.sector_bytes
        return sector[: low - start] + data[low - offset : high - offset] + sector[high - start :]

    def write_lost(self, offset: int, data: bytes) -> None:
        """Write what the medium never gets: the file is as long as it should be, its sectors hold what they held."""
        held = {number: self.physical(number) for number in self.sectors(offset, len(data))}
        self.write(offset, data)
        for number, sector in held.items():
            self.hurt(number, sector)

    def write_misdirected(self, offset: int, data: bytes, wrong_offset: int) -> None:
        """Write to the wrong place, inside the file: there it is damage, and its own place stays as it was."""
        self.write_lost(offset, data)
        wrong = data[: max(0, len(self) - wrong_offset)]
        for number in self.sectors(wrong_offset, len(wrong)):
            self.hurt(number, self._patched(self.physical(number), number, wrong_offset, wrong))

    def hurt(self, number: int, sector: Sector) -> None:
        """Let the medium hold something else in a sector, or nothing that can be read."""
        self.damage.pop(number, None)
        if sector is UNREADABLE or sector != self.physical(number):
            self.damage[number] = sector

    def flip(self, bit: int) -> None:
        """Turn one bit of the medium over."""
        number, inner = divmod(bit // 8, self.sector_bytes)
        sector = bytearray(self.physical(number))
        sector[inner] ^= 1 << bit % 8
        self.hurt(number, bytes(sector))

    def truncate(self, size: int) -> None:
        """Cut the file, or make it longer with zeros."""
        if size >= len(self.pristine):
            self.pristine.extend(bytes(size - len(self.pristine)))
            return
        del self.pristine[size:]
        self._forget(number for number in list(self.damage) if number * self.sector_bytes >= size)

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            del self.damage[number]
