"""A disk for SQLite that fails on demand: a VFS over the real one, with a switch per operation."""

import itertools
from types import TracebackType
from typing import Self

import apsw

_NUMBERS = itertools.count()


class FaultyDisk(apsw.VFS):
    """Passes all on, counts syncs, and raises the error that `failing` has for an operation: write, read or sync."""

    def __init__(self) -> None:
        self.name = f"faulty-{next(_NUMBERS)}"
        self.failing: dict[str, type[apsw.Error]] = {}
        self.syncs = 0
        super().__init__(self.name, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file of this disk."""
        return _FaultyFile(self, name, flags)

    def reach(self, operation: str) -> None:
        """Raise if that operation is to fail."""
        if operation in self.failing:
            raise self.failing[operation](f"{operation} failed on purpose")


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.reach("write")
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.reach("read")
        return super().xRead(amount, offset)

    def xSync(self, flags: int) -> None:
        self._disk.reach("sync")
        self._disk.syncs += 1
        super().xSync(flags)
