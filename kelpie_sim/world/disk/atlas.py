"""How much harm may last at once, so that a group of replicas can still be repaired from the copies that are well.

A harmed sector of a file counts for each group that its disk belongs to, until it is written again. The atlas lets a
fault strike only where fewer than `copies_hurt_max` other disks of the group have the same sector of the same path
hurt.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen(kw_only=True)
class Atlas:
    """Groups of hosts that keep copies of the same files, and how many copies of a sector may be hurt at once."""

    groups: tuple[tuple[str, ...], ...]
    copies_hurt_max: int = attrs.field(validator=attrs.validators.ge(0))


class HurtSectors:
    """What is hurt on which disk, held against an atlas."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._hurt: dict[tuple[str, int], dict[str, None]] = {}

    def allows(self, disk: str, path: str, sectors: Iterable[int]) -> bool:
        """Return whether all these sectors may be hurt on this disk too."""
        groups = [group for group in self._atlas.groups if disk in group]
        return all(self._room(group, disk, path, number) for number in sectors for group in groups)

    def _room(self, group: tuple[str, ...], disk: str, path: str, number: int) -> bool:
        others = [name for name in self._hurt.get((path, number), {}) if name in group and name != disk]
        return len(others) < self._atlas.copies_hurt_max

    def hurt(self, disk: str, path: str, sectors: Iterable[int]) -> None:
        """Take note that these sectors are hurt."""
        for number in sectors:
            self._hurt.setdefault((path, number), {})[disk] = None

    def mended(self, disk: str, path: str, sectors: Iterable[int]) -> None:
        """Take note that these sectors are well again."""
        for number in sectors:
            self._hurt.get((path, number), {}).pop(disk, None)

    def forget(self, disk: str) -> None:
        """Take note that all of a disk is well again."""
        for copies in self._hurt.values():
            copies.pop(disk, None)

    def count(self, path: str, number: int) -> int:
        """Return on how many disks a sector of a path is hurt."""
        return len(self._hurt.get((path, number), {}))
