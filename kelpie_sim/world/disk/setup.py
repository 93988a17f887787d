"""What kind of disk it is: sectors, room, speed, how names become durable, what a crash may do."""

from __future__ import annotations

from typing import Literal

import attrs

from kelpie_sim.world.disk.crash import CrashKeeps


@attrs.frozen(kw_only=True)
class DiskSetup:
    """The make of a disk. The plain one takes no time and has no end."""

    sector_bytes: Literal[512, 4096] = 512
    """What is written whole or not at all."""
    capacity_bytes: int | None = None
    """Room for the content of all files that have a name; none: no end of it."""
    latency_us: int = 0
    """What each operation takes."""
    sync_latency_us: int = 0
    """What a sync takes on top."""
    bytes_per_second: int | None = None
    names: Literal["journaled", "strict"] = "journaled"
    """How names become durable: with any sync, as on ext4 and its like, or only when their directory is synced."""
    crash_keeps: tuple[CrashKeeps, ...] = tuple(CrashKeeps)
    """What a crash may do to what was not synced; the seed picks."""
