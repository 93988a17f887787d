"""Swapping attributes for the time of a run, also those that other modules have imported by name.

`from time import monotonic` gives a module a reference of its own. So the loaded modules are searched for the
originals, each module once per process. A module that is first imported inside a run gets the replacement for good,
which is harmless: outside of a run each replacement acts as the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen(kw_only=True)
class Patch:
    """An attribute of a module or class, and what takes its place."""

    owner: object
    name: str
    replacement: object


class Patches:
    """A fixed list of patches, with the aliases found so far, but for those in the modules that are spared."""

    def __init__(self, patches: Sequence[Patch], *, spared: Iterable[str] = ()) -> None:
        self._patches = [(p.owner, p.name, p.replacement) for p in patches if p.name in vars(p.owner)]
        # Classes are left out: only functions are imported by name, and a class attribute is not an import.
        self._replacements: dict[int, tuple[object, object]] = {
            id(vars(owner)[name]): (vars(owner)[name], replacement)
            for owner, name, replacement in self._patches
            if not isinstance(owner, type) and callable(replacement)
        }
        self._spared = frozenset(spared)
        # By name, and by address because a name may be imported anew.
        self._searched: dict[str, int] = {}
        self._last: tuple[int, object] = (0, None)
        self._saved: list[tuple[object, str, object]] = []

    def apply(self) -> None:
        """Put all replacements in place; in place already, only those for modules that were loaded since."""
        saved, modules = self._saved, sys.modules
        # Whatever was loaded last is last, so one look tells, even if another module has gone meanwhile.
        count, last = len(modules), modules[next(reversed(modules))]
        if last is not self._last[1] or count != self._last[0]:
            self._last = count, last
            self._search()
        elif len(saved) == len(self._patches):
            return
        for owner, name, replacement in self._patches[len(saved) :]:
            saved.append((owner, name, owner.__dict__[name]))
            setattr(owner, name, replacement)

    def undo(self) -> None:
        """Put all originals back, last first."""
        while self._saved:
            owner, name, original = self._saved.pop()
            setattr(owner, name, original)

    def _search(self) -> None:
        """Look for aliases in the modules that were loaded since the last search."""
        for module_name, module in list(sys.modules.items()):
            if self._searched.get(module_name) != id(module) and module_name not in self._spared:
                self._searched[module_name] = id(module)
                self._search_module(module)

    def _search_module(self, module: object) -> None:
        known = {(id(owner), name) for owner, name, _ in self._patches}
        for name, value in list(getattr(module, "__dict__", {}).items()):
            original, replacement = self._replacements.get(id(value), (None, None))
            if original is value and original is not None and (id(module), name) not in known:
                self._patches.append((module, name, replacement))
