"""The index of a write-ahead log: memory that the connections of one host share, and the locks on it.

SQLite keeps it in a file that it maps into memory; here it is memory from the start. It is gone with the last who uses
it, as with the power: SQLite builds it anew from the log.
"""

from __future__ import annotations

import ctypes
from typing import TypeAlias

SLOTS = 8
Region: TypeAlias = "ctypes.Array[ctypes.c_char]"


class WalIndex:
    """The index of one database's log."""

    __slots__ = ("_owners", "_readers", "_regions", "_users")

    def __init__(self) -> None:
        self._regions: list[Region] = []
        self._users: dict[object, None] = {}
        self._owners: list[object | None] = [None] * SLOTS
        self._readers: list[dict[object, None]] = [{} for _ in range(SLOTS)]

    def enter(self, user: object) -> None:
        """Take note of a user."""
        self._users[user] = None

    def leave(self, user: object) -> None:
        """Release what a user has locked, and forget everything with the last one."""
        self.unlock(user, 0, SLOTS)
        self._users.pop(user, None)
        if not self._users:
            self._regions.clear()

    def region(self, number: int, size: int, *, extend: bool) -> Region | None:
        """Return the part with this number, of zeros at first; None if it is not there and is not to be made."""
        if number >= len(self._regions) and not extend:
            return None
        while number >= len(self._regions):
            self._regions.append(ctypes.create_string_buffer(size))
        return self._regions[number]

    def lock(self, user: object, first: int, count: int, *, exclusive: bool) -> bool:
        """Lock slots, all or none; return whether they were free. Whoever shares one hinders only exclusive locks."""
        slots = range(first, first + count)
        if any(self._owners[slot] not in (None, user) for slot in slots):
            return False
        if exclusive and any(other != user for slot in slots for other in self._readers[slot]):
            return False
        for slot in slots:
            if exclusive:
                self._owners[slot] = user
            else:
                self._readers[slot][user] = None
        return True

    def unlock(self, user: object, first: int, count: int) -> None:
        """Release slots."""
        for slot in range(first, first + count):
            self._readers[slot].pop(user, None)
            if self._owners[slot] == user:
                self._owners[slot] = None
