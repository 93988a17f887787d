"""What of the pending changes survives a power loss: all, none, the first ones with the last one torn, or any sectors.

Names are kept by a journal, so theirs survive in order whatever becomes of the content. A size is a matter of names as
well: a file may be as long as it was and hold zeros where its bytes were lost. Bytes next to those of a write are never
touched by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from kelpie_sim.seed import Stream
from kelpie_sim.world.disk.changes import Change, FileNode, NameChange, Numbered, Truncate, Write


class CrashKeeps(StrEnum):
    """Which pending changes a crash keeps. The first is the plainest."""

    ALL = "all"
    PREFIX = "prefix"
    SECTORS = "sectors"
    NONE = "none"


def survive(pending: Sequence[Numbered], keeps: CrashKeeps, stream: Stream) -> None:
    """Make durable what a crash keeps of the pending changes, given in the order in which they were made."""
    changes = [change for _, change in pending]
    match keeps:
        case CrashKeeps.ALL:
            _apply(changes)
        case CrashKeeps.PREFIX:
            _keep_prefix(changes, stream)
        case CrashKeeps.SECTORS:
            _keep_sectors(changes, stream)
        case CrashKeeps.NONE:
            pass


def tearable(pending: Sequence[Numbered]) -> list[int]:
    """Return where among the changes there are writes of more than one sector."""
    return [
        at for at, (_, change) in enumerate(pending) if isinstance(change, Write) and sum(1 for _ in change.parts()) > 1
    ]


def tear(pending: Sequence[Numbered], stream: Stream) -> None:
    """Keep the changes up to some write of several sectors, and only the first sectors of that one."""
    at = stream.pick(tearable(pending)[::-1])
    changes = [change for _, change in pending]
    torn = changes[at]
    assert isinstance(torn, Write), "only writes are torn"
    parts = list(torn.parts())
    _apply([*changes[:at], *parts[: len(parts) - 1 - stream.below(len(parts) - 1)]])


def _apply(changes: Sequence[Change]) -> None:
    for change in changes:
        change.apply()


def _keep_prefix(changes: Sequence[Change], stream: Stream) -> None:
    count = len(changes) - stream.below(len(changes) + 1)
    _apply(changes[:count])
    if count < len(changes) and isinstance(last := changes[count], Write):
        parts = list(last.parts())
        _apply(parts[: len(parts) - 1 - stream.below(len(parts))])


def _keep_sectors(changes: Sequence[Change], stream: Stream) -> None:
    names = [change for change in changes if isinstance(change, NameChange)]
    _apply(names[: len(names) - stream.below(len(names) + 1)])
    parts = [part for change in changes for part in _parts(change)]
    lost = stream.bits(len(parts))
    for part in parts:
        if not lost & 1:
            part.apply()
        lost >>= 1
    _keep_sizes([change.node for change in changes if isinstance(change, Write)], stream)


def _parts(change: Change) -> Sequence[Change]:
    if isinstance(change, NameChange):
        return ()
    return list(change.parts()) if isinstance(change, Write) else (change,)


def _keep_sizes(nodes: Sequence[FileNode], stream: Stream) -> None:
    """Let files keep their size, by the seed, whose last bytes did not."""
    for node in dict.fromkeys(nodes):
        size = len(node.live)
        if len(node.durable) < size and stream.chance(0.5):
            Truncate(node, size).apply()
