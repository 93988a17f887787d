"""Adapters: applied once, to what is imported and to what comes later; versions are checked by name."""

import importlib
import sys
import types
from importlib import metadata
from typing import Any

import pytest

from kelpie_sim.libraries.adapter import Adaptation, Adapter, Misfit, UntestedVersion, adapt, rebind, version_of


def adapter(fit, **changes):
    """Return an adapter of a library that is installed, for a module of the test's own."""
    known = {"library": "attrs", "module": "late_module", "known_from": (1,), "known_before": (1_000,)}
    return Adapter(**known | changes, fit=fit)


@pytest.fixture
def late_module(tmp_path, monkeypatch):
    """Make a module that can be imported, and has not been."""
    (tmp_path / "late_module.py").write_text("VALUE = 'original'\nLOADER = __loader__\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "late_module"
    sys.modules.pop("late_module", None)


@pytest.fixture
def adaptation():
    """Return a way to make adaptations that are gone after the test."""
    made = []

    def make(*adapters):
        made.append(Adaptation(adapters))
        return made[-1]

    yield make
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in made]


def changed(module):
    """Fit a module: change its value."""
    module.VALUE += ", adapted"


def test_module_that_is_there_is_adapted_once(late_module, adaptation):
    """What is imported before the first run is adapted then, and never again."""
    module = importlib.import_module(late_module)
    one = adaptation(adapter(changed))
    one.apply()
    one.apply()
    assert "original, adapted" == module.VALUE


def test_module_that_comes_later_is_adapted_as_it_comes(late_module, adaptation):
    """What is imported after the first run is adapted before its importer sees it."""
    adaptation(adapter(changed)).apply()
    assert "original, adapted" == importlib.import_module(late_module).VALUE


def test_module_keeps_its_loader(late_module, adaptation):
    """A module that was adapted on its way in knows only its original loader."""
    adaptation(adapter(changed)).apply()
    module = importlib.import_module(late_module)
    spec: Any = module.__spec__
    assert [module.LOADER, module.LOADER] == [module.__loader__, spec.loader]
    assert "VALUE = 'original'" in spec.loader.get_source(late_module)


def test_module_that_is_missing_stays_missing(adaptation):
    """An adapter for a library that is not there does nothing."""
    adaptation(adapter(changed, module="no_such_module")).apply()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")


def test_untested_version_is_told():
    """A version outside of the known range is named in a warning, with the range."""
    module: Any = types.ModuleType("late_module")
    module.VALUE = "original"
    found = metadata.version("attrs")
    with pytest.warns(UntestedVersion, match=rf"attrs {found} was never .* known are 1 up to, but not 2\.5"):
        adapt(adapter(changed, known_before=(2, 5)), module)
    assert "original, adapted" == module.VALUE


def test_unknown_version_is_told():
    """A library that is not installed as a package is of no known version."""
    with pytest.warns(UntestedVersion, match="no-such-library 0"):
        adapt(adapter(lambda module: None, library="no-such-library"), types.ModuleType("late_module"))


def test_misfit_is_told():
    """A library whose insides are others cannot run: the error names library, version, module and range."""
    with pytest.raises(
        Misfit, match=r"attrs .* does not fit its adapter \(late_module: .*VALUE.*\); known are 1 up to"
    ):
        adapt(adapter(changed), types.ModuleType("late_module"))


def test_late_imports_come_with_the_module(late_module):
    """What a module imports late is imported when the module is adapted."""
    adapt(adapter(lambda module: None, late=(late_module,)), types.ModuleType("other"))
    assert late_module in sys.modules


VERSIONS = [("1.2.3", (1, 2, 3)), ("4.0rc1", (4, 0)), ("2.1.post1", (2, 1)), ("3.0+local.7", (3, 0)), ("x", ())]


@pytest.mark.parametrize(("text", "version"), VERSIONS)
def test_versions_are_read(text, version):
    """A version is its leading numbers."""
    assert version == version_of(text)


def test_rebinding_reaches_every_module():
    """What is put in place of something stands wherever a module had it by some name."""
    old, new = object(), object()
    module: Any = types.ModuleType("holder")
    module.thing = module.other = old
    sys.modules["holder"] = module
    try:
        rebind(old, new)
    finally:
        del sys.modules["holder"]
    assert [new, new] == [module.thing, module.other]
