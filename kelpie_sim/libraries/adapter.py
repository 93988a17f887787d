"""A library, the versions that are known to fit, and how it is adapted: once per process, when it is imported.

A library that is there before the first run is adapted then; one that is imported later, even in the middle of a run,
as soon as its module is complete. So no seed ever meets it unadapted, and a run pays nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import attrs

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards import allowed
from kelpie_sim.libraries.local import at_start

Version = tuple[int, ...]


class UntestedVersion(UserWarning):
    """The simulator adapts the insides of a library, and has not been tried with this version of it."""


class Misfit(SimulationError):
    """The insides of a library are not what its adapter expects: it cannot run in the world."""


@attrs.frozen(kw_only=True)
class Adapter:
    """What one module of a library needs. `fit` gets the module once it is imported."""

    library: str
    module: str
    known_from: Version
    """The first version that is known to fit."""
    known_before: Version
    """The first version that is not known to fit."""
    fit: Callable[[Any], None]
    late: tuple[str, ...] = ()
    """What the module imports only when it is used, and then reads what no guarded run may read."""

    @property
    def known(self) -> str:
        """The versions that are known to fit, in words."""
        return f"{_shown(self.known_from)} up to, but not {_shown(self.known_before)}"


def adapt(adapter: Adapter, module: ModuleType) -> None:
    """Adapt a module; warn of a version that was never tried. Raise Misfit when the adapter does not fit."""
    with allowed():
        found = _found(adapter.library)
        if not adapter.known_from <= version_of(found) < adapter.known_before:
            text = f"{adapter.library} {found} was never tried in the simulator; known are {adapter.known}"
            warnings.warn(text, UntestedVersion, stacklevel=2)
        for name in adapter.late:
            importlib.import_module(name)
        try:
            adapter.fit(module)
        except (AttributeError, KeyError, TypeError) as error:
            text = f"{adapter.library} {found} does not fit its adapter ({adapter.module}: {error})"
            raise Misfit(f"{text}; known are {adapter.known}") from error


def rebind(old: object, new: object) -> None:
    """Put `new` in place of `old` in every module that holds it under some name."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is old:
                setattr(module, name, new)


def _found(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "0 (not installed as a package)"


def version_of(text: str) -> Version:
    """Return the leading numbers of a version: 1.2.3rc1 is (1, 2, 3)."""
    numbers: list[int] = []
    for part in text.split("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def _shown(version: Version) -> str:
    return ".".join(map(str, version))


class Adaptation(MetaPathFinder):
    """Adapts each of its modules exactly once: those imported before the first run then, all others when they come."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        self._adapters = {adapter.module: adapter for adapter in adapters}
        self._in_search: set[str] = set()
        self._watching = False

    def apply(self) -> None:
        """Adapt what is imported, from now on also what will be, and forget what earlier runs left.

        Raise Misfit, warn UntestedVersion.
        """
        for forget in at_start:
            forget()
        if not self._watching:
            self._watching = True
            sys.meta_path.insert(0, self)
            for name, adapter in self._adapters.items():
                if name in sys.modules:
                    adapt(adapter, sys.modules[name])

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec that all other finders would, its loader followed by the adapter."""
        adapter = self._adapters.get(fullname)
        if adapter is None or fullname in self._in_search:
            return None
        with self._search(fullname):
            spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _AdaptingLoader(spec.loader, adapter)
        return spec

    @contextmanager
    def _search(self, name: str) -> Iterator[None]:
        self._in_search.add(name)
        try:
            yield
        finally:
            self._in_search.discard(name)


class _AdaptingLoader(Loader):
    """Loads as the original loader does, gives the module back to it, and adapts it."""

    def __init__(self, real: Loader, adapter: Adapter) -> None:
        self._real = real
        self._adapter = adapter

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create as the original does."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute as the original does, then adapt."""
        # The module knows nothing of us: what asks its loader for sources or resources finds the original.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        adapt(self._adapter, module)
