"""Databases of a guarded run: `sqlite3.connect` in code of a host opens a file of that host's disk.

A database in memory stays what it is, and so does a temporary one, which SQLite would otherwise spill to this machine.
Code on no host gets the real function, and so the refusal that it always got; `sqlite3.Connection(path)` always does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kelpie_sim.errors import Unsupported
from kelpie_sim.guards.active import current
from kelpie_sim.guards.patches import Patch
from kelpie_sim.guards.refusals import SimulatedName
from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.world.disk.disk import Disk

_POSITIONS = (
    "timeout", "detect_types", "isolation_level", "check_same_thread", "factory", "cached_statements", "uri",
)  # fmt: skip
_IN_MEMORY = ("", ":memory:")


def database_patches(own_disk: Callable[[], Disk | None]) -> list[Patch]:
    """Return the patch of `sqlite3`, where this Python has it. Imported here: most processes never connect."""
    try:
        from sqlite3 import dbapi2
    except ImportError:
        return []
    return [Patch(owner=dbapi2, name="connect", replacement=_connecting(dbapi2.connect, own_disk))]


def _connecting(real: Callable[..., Any], own_disk: Callable[[], Disk | None]) -> Callable[..., Any]:
    def connect(database: Any, *args: Any, **options: Any) -> Any:
        guard = current()
        if guard is None or INCARNATION.get() is None or isinstance(database, SimulatedName):
            return real(database, *args, **options)
        path = os.fsdecode(database)
        if path in _IN_MEMORY:
            return real(":memory:", *args, **options)
        disk = own_disk()
        if disk is None:
            return real(database, *args, **options)
        # Imported late, with ctypes: only those need it who come here.
        from kelpie_sim.world.disk import sqlite3_connections

        given = dict(zip(_POSITIONS, args, strict=False)) | options
        try:
            return sqlite3_connections.connect(disk, path, real=real, **given)
        except Unsupported as error:
            guard.loop.refuse(error.call, error.instead)

    return connect
