"""Disks, one per host: pristine bytes with faults as overlays, and power losses that take what was not synced.

In reading order:

image.py         the bytes of a file, and the damage over them
changes.py       files, directories, and what was done to them that may still be lost
names.py         the names that readers see, and those that are safe
crash.py         what of the pending changes survives a power loss
setup.py         the make of a disk: sectors, room, speed
times.py         how long it takes
faults.py        what can go wrong, and at which operations
atlas.py         how much may go wrong at once, so that replicas can still be repaired
harm.py          what each fault does to an operation
open_file.py     reads and writes
disk.py          a disk
disks.py         the disks of a world
descriptors.py   what the functions of `os` do with numbers
file_objects.py  what `open` returns
entries.py       what os.stat and os.scandir return
locks.py         locks on files, as SQLite takes them
wal_index.py     the memory that connections to a write-ahead log share
sqlite_files.py  the files of databases, as SQLite's VFS for unix treats them
sqlite_vfs.py    SQLite on a simulated disk; not imported unless wanted, since it needs apsw

The standard library's sqlite3, imported when code of a host first connects:

sqlite_library.py       its SQLite, as ctypes sees it
sqlite3_vfs.py          the same VFS for it
sqlite3_connections.py  its connections, on a simulated disk
"""

from kelpie_sim.world.disk.atlas import Atlas
from kelpie_sim.world.disk.crash import CrashKeeps
from kelpie_sim.world.disk.disk import Disk, DiskStat, Surroundings
from kelpie_sim.world.disk.disks import Disks
from kelpie_sim.world.disk.faults import OPERATIONS, PORT
from kelpie_sim.world.disk.open_file import OpenFile
from kelpie_sim.world.disk.setup import DiskSetup

__all__ = [
    "OPERATIONS", "PORT", "Atlas", "CrashKeeps", "Disk", "DiskSetup", "DiskStat", "Disks", "OpenFile", "Surroundings",
]  # fmt: skip
