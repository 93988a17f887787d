"""What this kernel can shut in, and its rules for files (Landlock) as data for the child.

Landlock knows files from its first version; truncation, networks and signals came later. seccomp.py covers what an
older version leaves open, so the first one is enough.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterable, Sequence

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_server.world.sandbox.syscalls import AARCH64, X86_64

_CREATE_RULESET, _VERSION = 444, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_VERSION = (1 << 13) - 1
_MAKE_DEVICES = 1 << 6 | 1 << 11
_FILES_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_ADOPT_ORPHANS = 36
_TCP, _SCOPES = 0b11, 0b11
_SIGNALS_SINCE, _NETWORK_SINCE, _IOCTL_SINCE, _TRUNCATE_SINCE, _REFER_SINCE = 6, 4, 5, 3, 2


@attrs.frozen(kw_only=True)
class Kernel:
    """The machine, the version of Landlock (0: none), and why nothing can be shut in, if that is so."""

    machine: str
    landlock: int
    missing: str | None = None

    @property
    def scopes_signals(self) -> bool:
        """Whether a process that is shut in can be kept from signalling others."""
        return self.landlock >= _SIGNALS_SINCE

    @property
    def rules_truncation(self) -> bool:
        """Whether the rules for files cover truncating."""
        return self.landlock >= _TRUNCATE_SINCE


def this_kernel() -> Kernel:
    """Return what the kernel under this process can do."""
    machine = platform.machine()
    if sys.platform != "linux":
        return Kernel(machine=machine, landlock=0, missing=f"{sys.platform} has no Landlock and no seccomp")
    landlock = max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))
    if machine not in (X86_64, AARCH64):
        return Kernel(machine=machine, landlock=landlock, missing=f"no list of system calls is known for {machine}")
    if not landlock:
        return Kernel(machine=machine, landlock=0, missing="the kernel has no Landlock, or it is not switched on")
    return Kernel(machine=machine, landlock=landlock)


def adopt_orphans() -> None:
    """Let this process, not the first one of the system, become the parent of what its children leave behind.

    In a container the first process may be one that never reaps, and the limit on processes counts the dead as well.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)


def file_rules(
    kernel: Kernel, *, work: str, readable: Sequence[str], devices: Sequence[str], network: bool
) -> JsonObject:
    """Return the rules: everything in `work`, reading what is `readable`, reading and writing `devices`, no more.

    Without `network` TCP is refused here too, where the version knows it; seccomp refuses every socket anyway.
    """
    handled = _handled(kernel.landlock)
    read = _EXECUTE | _READ_FILE | _READ_DIR
    full = handled & ~(_EXECUTE | _MAKE_DEVICES | _IOCTL_DEVICE)
    rules = [*_rules(readable, read & handled), *_rules(devices, _READ_FILE | _WRITE_FILE), [work, full]]
    return {
        "rules": rules,
        "handled": handled,
        "network": _TCP if kernel.landlock >= _NETWORK_SINCE and not network else 0,
        "scoped": _SCOPES if kernel.scopes_signals else 0,
        "size": 24 if kernel.landlock >= _SIGNALS_SINCE else 16 if kernel.landlock >= _NETWORK_SINCE else 8,
    }


def _handled(landlock: int) -> int:
    later = {_REFER: _REFER_SINCE, _TRUNCATE: _TRUNCATE_SINCE, _IOCTL_DEVICE: _IOCTL_SINCE}
    return _FIRST_VERSION | sum(bit for bit, since in later.items() if landlock >= since)


def _rules(paths: Iterable[str], access: int) -> list[list[object]]:
    """Return a rule for each path that is there; a file cannot have the rights of a folder."""
    there = [path for path in dict.fromkeys(map(os.path.realpath, paths)) if os.path.exists(path)]
    return [[path, access if os.path.isdir(path) else access & _FILES_ONLY] for path in there]
