"""Locks on a file as SQLite takes them: many readers, one who means to write, and who writes is alone.

They are those of the unix file system's VFS: between processes and connections of one host, gone with its power.
"""

from __future__ import annotations

NONE, SHARED, RESERVED, PENDING, EXCLUSIVE = range(5)


class FileLocks:
    """Who holds which lock on one file."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[object, int] = {}

    def lock(self, holder: object, level: int) -> bool:
        """Raise the holder's lock to a level; return whether it was granted. Towards EXCLUSIVE, PENDING is kept."""
        others = max((held for other, held in self._held.items() if other != holder), default=NONE)
        if self._held.get(holder, NONE) >= level:
            return True
        if others >= (PENDING if level == SHARED else RESERVED):
            return False
        if level == EXCLUSIVE and others >= SHARED:
            self._held[holder] = PENDING
            return False
        self._held[holder] = level
        return True

    def unlock(self, holder: object, level: int) -> None:
        """Lower the holder's lock to a level."""
        if level == NONE:
            self._held.pop(holder, None)
        else:
            self._held[holder] = level

    def reserved(self) -> bool:
        """Return whether anybody means to write."""
        return any(held >= RESERVED for held in self._held.values())
