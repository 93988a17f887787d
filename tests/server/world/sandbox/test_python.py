"""The interpreter that runs tools."""

import os
import sys
from pathlib import Path

import pytest

from kelpie_core.errors import ToolError
from kelpie_server.world.sandbox import python as module
from kelpie_server.world.sandbox.policy import Policy
from kelpie_server.world.sandbox.python import Interpreter, find_interpreter
from tests.server.world.sandbox.running import needs_sandbox, ran


def installed(folder: Path, name: str, version: str) -> None:
    """Put a package into a folder, as an installer does."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / f"{name}.py").write_text(f"VERSION = {version!r}\n")


def environment(folder: Path) -> Path:
    """Make a virtual environment by hand and return its interpreter."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(os.path.realpath(sys.executable)).parent}\n")
    (folder / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return folder / "bin" / "python"


def test_own_interpreter() -> None:
    """Without a setting it is the server's own, with the standard library and no packages."""
    found = find_interpreter(None)
    assert (os.path.realpath(sys.executable), ()) == (found.program, found.packages)
    assert str(Path(os.__file__).parent) in found.libraries
    assert {found.program, *found.libraries} <= set(found.readable)


def test_packages_of_an_environment(tmp_path: Path) -> None:
    """Packages are looked up as names are compared, with their version if one is wanted."""
    installed(tmp_path, "Left_Pad", "1.0")
    interpreter = Interpreter(program="p", libraries=(), packages=(str(tmp_path),))
    assert [] == interpreter.missing({"left-pad": None, "LEFT.PAD[extra]": "1.0"})
    assert ["left-pad==2.0", "numpy"] == interpreter.missing({"left-pad": "2.0", "numpy": None})
    assert ["numpy"] == Interpreter(program="p", libraries=()).missing({"numpy": None})


@needs_sandbox
def test_tools_import_what_the_operator_installed(tmp_path: Path) -> None:
    """A tool runs with the packages of the environment that the operator names, and only says so of those."""
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    python = environment(tmp_path / "venv")
    installed(Path(find_interpreter(python).packages[0]), "leftpad", "1.0")
    policy, extra = Policy(python=python), {"pip_requirements": [{"name": "leftpad", "version": "1.0"}]}
    assert "1.0" == ran("def f():\n    import leftpad\n    return leftpad.VERSION", policy=policy, extra=extra).text


def test_interpreter_that_fails(tmp_path: Path) -> None:
    """One that cannot be run, or says something odd, is an error of the runner."""
    odd = tmp_path / "odd"
    odd.write_text("#!/bin/sh\necho odd\n")
    odd.chmod(0o755)
    for python in (odd, tmp_path / "nowhere"):
        with pytest.raises(ToolError, match="the interpreter for tools cannot be run"):
            find_interpreter(python)


def test_interpreter_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that does not know the child's syntax is refused."""
    monkeypatch.setattr(module, "_VERSION_MIN", (99, 0))
    with pytest.raises(ToolError, match="older than"):
        find_interpreter(environment(tmp_path))
