"""Work folders: one per call, in a folder of the server's that is locked for as long as it lives.

A folder whose lock is free belonged to a server that died: its leavings are removed when the next one starts.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kelpie_core.errors import ToolError

_PREFIX, _LOCK = "kelpie-tools-", "lock"
_ENTRIES_MAX = 10_000
_BLOCK_BYTES = 512


class Folders:
    """The work folders of one server, below `parent` (else the system's folder for temporary files)."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = Path(parent or tempfile.gettempdir())
        self._own: Path | None = None
        self._lock = -1

    def open(self) -> Path:
        """Return the folder of this server, made and locked the first time; raise ToolError.

        It also removes the leavings of others then, which may take a while.
        """
        try:
            return self._open()
        except OSError as error:
            raise ToolError(f"no work folder could be made: {error}") from error

    def make(self, user: int | None) -> Path:
        """Return a new work folder that belongs to the user; raise ToolError."""
        try:
            folder = Path(tempfile.mkdtemp(dir=self._open()))
            if user is not None:
                os.chown(folder, user, user)
            return folder
        except OSError as error:
            raise ToolError(f"no work folder could be made: {error}") from error

    def close(self) -> None:
        """Remove what is left."""
        if self._own is not None:
            remove(self._own)
            os.close(self._lock)
            self._own = None

    def _open(self) -> Path:
        if self._own is None:
            sweep(self._parent)
            own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            own.chmod(0o711)  # another user must pass through, and see nothing
            self._lock = os.open(own / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._own = own
        return self._own


def sweep(parent: Path) -> None:
    """Remove the folders of servers that died."""
    for own in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # gone meanwhile, somebody else's, or its server lives
            lock = os.open(own / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(own)
            finally:
                os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder, whatever rights a tool has taken from what is in it."""
    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=_once_more)
    else:
        shutil.rmtree(folder, onerror=_once_more)


def used_bytes(folder: Path) -> int:
    """Return how much the files below a folder take; after many entries each further one counts as a whole block."""
    total, seen, waiting = 0, 0, [folder]
    while waiting and seen < _ENTRIES_MAX:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                with contextlib.suppress(OSError):
                    total += max(entry.stat(follow_symlinks=False).st_blocks, 1) * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    return total


def _once_more(function: Callable[..., object], path: str, _: object) -> None:
    with contextlib.suppress(OSError):
        parent = os.path.dirname(path)
        os.chmod(parent, stat.S_IRWXU)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
