"""Shutting this process in: rlimits, another user, Landlock, seccomp. All of it or none: any failure raises.

The order matters. A new user needs root, Landlock and seccomp need `no_new_privs`, and the filter comes last because it
refuses everything that was needed before it.

Before that the process forks. The first one stays outside and only waits: when the server dies it is told, and kills
the group with all that the tool has forked. The second one becomes the tool.
"""

import ctypes
import os
import resource
import signal
import sys

from kelpie_server.world.sandbox.child.offered import Json, JsonObject

_SET_DEATH_SIGNAL, _KEEP_CAPABILITIES, _SET_SECCOMP, _NO_NEW_PRIVILEGES = 1, 8, 22, 38
_SIGNALLED = 128
_FILTER_MODE = 2
_ADD_RULE, _RESTRICT_SELF, _CREATE_RULESET, _PATH_BENEATH = 445, 446, 444, 1
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3, _READ_ANYTHING = 0x20080522, 1 << 2

_libc = ctypes.CDLL(None, use_errno=True)


class NotIsolated(Exception):
    """This process could not be shut in, and nothing of the tool has run."""


class _Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("program", ctypes.c_void_p)]


class _Rule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # what `_pack_` implies, said aloud
    _fields_ = [("access", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def supervise(server: int) -> int:
    """Fork, and return in the child, which is to become the tool, the number of the process that waits for it.

    That one ends as the child does: with its code, or with 128 and the signal that ended it.
    """
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    _die_with(server, signal.SIGTERM)
    supervisor, child = os.getpid(), os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return supervisor
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else _SIGNALLED - code)


def _die_with(parent: int, number: int) -> None:
    """Let the system send this process a signal when its parent dies, where it can."""
    if sys.platform == "linux":
        _call("the death signal", _libc.prctl, _SET_DEATH_SIGNAL, number, 0, 0, 0)
    if os.getppid() != parent:
        raise NotIsolated("the server is gone")


def limit(limits: "dict[str, int]", *, processes: "int | None", shared_user: bool) -> None:
    """Set the rlimits by name, and how many processes there may be; raise NotIsolated.

    The kernel counts the processes of a user, not of a sandbox. With a user of its own the count is the sandbox's; with
    the server's user what runs already is added first, or not one could be started.
    """
    try:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        if processes is not None:
            allowed = processes + (_running(os.getuid()) if shared_user else 0)
            resource.setrlimit(resource.RLIMIT_NPROC, (allowed, allowed))
    except (OSError, ValueError) as error:
        raise NotIsolated(f"a limit could not be set: {error}") from error


def shut_in(rules: JsonObject, user: "int | None", machine: str, wanted: "list[str]", supervisor: int) -> None:
    """Become another user if one is given, die with the supervisor, and obey the rules; raise NotIsolated.

    `wanted` are paths that the tool shall be able to read: where another user may not read one of them, just that one
    right of root is kept, which Landlock then narrows to the paths of the rules.
    """
    _call("no_new_privs", _libc.prctl, _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if user is not None:
        _become(user, machine, [path for path in wanted if os.path.exists(path)])
    _die_with(supervisor, signal.SIGKILL)
    _restrict_files(rules["files"])


def filter_calls(program: bytes) -> None:
    """Put the filter of system calls in force; raise NotIsolated."""
    buffer = ctypes.create_string_buffer(program, len(program))
    wanted = _Filter(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _call("seccomp", _libc.prctl, _SET_SECCOMP, _FILTER_MODE, ctypes.byref(wanted), 0, 0)


def _become(user: int, machine: str, wanted: "list[str]") -> None:
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        _call("keeping a capability", _libc.prctl, _KEEP_CAPABILITIES, 1, 0, 0, 0)
        os.setresuid(user, user, user)
    except OSError as error:
        raise NotIsolated(f"root could not be given up: {error}") from error
    _set_capabilities(machine, 0 if all(os.access(path, os.R_OK) for path in wanted) else _READ_ANYTHING)


def _set_capabilities(machine: str, wanted: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)(wanted, wanted, 0, 0, 0, 0)
    _call("capset", _libc.syscall, _CAPSET[machine], header, sets)


def _restrict_files(rules: JsonObject) -> None:
    asked = (ctypes.c_uint64 * 3)(rules["handled"], rules["network"], rules["scoped"])
    ruleset = _call("landlock", _libc.syscall, _CREATE_RULESET, asked, ctypes.c_size_t(rules["size"]), 0)
    for path, access in rules["rules"]:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise NotIsolated(f"{path} could not be opened: {error}") from error
        rule = _Rule(access, folder)
        _call(f"the rule for {path}", _libc.syscall, _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(folder)
    _call("landlock", _libc.syscall, _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _call(what: str, function: Json, *arguments: Json) -> int:
    result = int(function(*arguments))
    if result < 0:
        raise NotIsolated(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _running(user: int) -> int:
    """Return how many threads of a user there are: the kernel counts those as processes."""
    return sum(_threads(entry, user) for entry in os.listdir("/proc") if entry.isdecimal())


def _threads(process: str, user: int) -> int:
    try:
        status = os.stat(f"/proc/{process}")
        return os.stat(f"/proc/{process}/task").st_nlink - 2 if status.st_uid == user else 0
    except OSError:
        return 0  # it ended meanwhile
