"""The interpreter that runs tools, and the packages that are installed for it.

Without a setting it is the server's own interpreter, with the standard library and nothing else. With one, tools import
what is installed in that virtual environment.
"""

import functools
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import attrs

from kelpie_core.errors import ToolError

_PROBE_SECONDS = 30
_PROBE = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "executable": os.path.realpath(sys.executable), "version": sys.version_info[:2],
    "libraries": [paths["stdlib"], paths["platstdlib"], os.path.join(sys.base_prefix, "lib")],
    "packages": [paths["purelib"], paths["platlib"]],
}))
"""
_VERSION_MIN = (3, 10)


@attrs.frozen(kw_only=True)
class Interpreter:
    """An interpreter: its program, what it must read to run, and where its packages are."""

    program: str
    libraries: tuple[str, ...]
    packages: tuple[str, ...] = ()

    @property
    def readable(self) -> tuple[str, ...]:
        """What a process of it reads."""
        return (self.program, *self.libraries, *self.packages)

    def missing(self, wanted: dict[str, str | None]) -> list[str]:
        """Return those of the wanted packages (by name, with the version if one is asked for) that are not there."""
        installed = _installed(self.packages) if wanted else {}
        return [
            name if version is None else f"{name}=={version}"
            for name, version in wanted.items()
            if (found := installed.get(_plain(name))) is None or version not in (None, found)
        ]


@functools.cache
def find_interpreter(python: Path | None) -> Interpreter:
    """Return the interpreter of a virtual environment, or the server's own with no packages; raise ToolError."""
    command = [str(python or sys.executable), "-I", "-c", _PROBE]
    try:
        asked = subprocess.run(
            command, capture_output=True, timeout=_PROBE_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
        answer = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ToolError(f"the interpreter for tools cannot be run: {error}", retriable=False) from error
    if tuple(answer["version"]) < _VERSION_MIN:
        raise ToolError(f"the interpreter for tools is older than {_VERSION_MIN}", retriable=False)
    return Interpreter(
        program=answer["executable"],
        libraries=tuple(dict.fromkeys(answer["libraries"])),
        packages=tuple(dict.fromkeys(answer["packages"])) if python is not None else (),
    )


def _installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions by name. Looked up at each call: the operator may have installed one meanwhile."""
    found = importlib.metadata.distributions(path=list(packages)) if packages else ()
    return {_plain(one.name): one.version for one in found if one.name}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0].strip()).lower()
