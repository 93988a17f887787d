"""What a call of a tool may cost and touch, and that as rules for its process."""

import os
from pathlib import Path

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_server.world.sandbox.kernel import Kernel, file_rules
from kelpie_server.world.sandbox.seccomp import Allowed, program

MIB = 1024 * 1024
# A user for each place in the pool, from a range that systems leave to services without an account.
FIRST_USER = 61_184
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
_NETWORK = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/run/systemd/resolve",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@attrs.frozen(kw_only=True)
class Bounds:
    """What a call may cost. Memory is per process; `disk_bytes_max` is the whole work folder."""

    concurrent_max: int = 8
    memory_bytes_max: int = 512 * MIB
    processes_max: int = 16
    open_files_max: int = 128
    file_bytes_max: int = 64 * MIB
    disk_bytes_max: int = 256 * MIB
    output_bytes_max: int = MIB
    result_bytes_max: int = 4 * MIB


@attrs.frozen(kw_only=True)
class Policy:
    """What tools may do on this server. `unsandboxed`: they run all the same where the kernel cannot shut them in."""

    bounds: Bounds = Bounds()
    network: bool = False
    readable: tuple[Path, ...] = ()
    python: Path | None = None
    folder: Path | None = None
    unsandboxed: bool = False


def user_of(place: int) -> int | None:
    """Return the user for a place in the pool; None where this process is not root and cannot become another."""
    return FIRST_USER + place if os.geteuid() == 0 else None


def limits(bounds: Bounds, seconds: float) -> dict[str, int]:
    """Return the rlimits by name. A process that computes for all of its time is ended by the kernel."""
    return {
        "CPU": int(seconds) + 1,
        "AS": bounds.memory_bytes_max,
        "FSIZE": bounds.file_bytes_max,
        "NOFILE": bounds.open_files_max,
        "CORE": 0,
        "MEMLOCK": 0,
    }


def rules(policy: Policy, kernel: Kernel, *, work: str, libraries: tuple[str, ...], user: int | None) -> JsonObject:
    """Return the rules for files and system calls, as the child takes them."""
    readable = (*libraries, *_LIBRARIES, *map(str, policy.readable), *(_NETWORK if policy.network else ()))
    allowed = Allowed(
        network=policy.network,
        owner=user is not None,
        signals=kernel.scopes_signals,
        truncation=kernel.rules_truncation,
    )
    return {
        "files": file_rules(kernel, work=work, readable=readable, devices=_DEVICES, network=policy.network),
        "calls": program(kernel.machine, allowed).hex(),
    }
