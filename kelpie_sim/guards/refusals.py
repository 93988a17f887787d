"""What cannot be simulated: threads, blocking waits, sockets, encryption, processes and files. Each is refused by the
name of the call.

Threads, waits and encryption are replaced; the rest is seen by an audit hook, which the interpreter calls before it
asks the system. A hook cannot be taken away, so there is one per process, and it does nothing outside of a guarded run.
Reading code (imports, archives on the path, source lines for tracebacks), time zones and package metadata stays
allowed: it is the same in every run, and programs import late.
"""

from __future__ import annotations

import _thread
import errno
import os
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

from kelpie_sim.guards.active import Guard, current
from kelpie_sim.guards.patches import Patch

FILE_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "os.rename", "os.mkdir"})
REFUSED_EVENTS = frozenset({
    "os.chdir", "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.link",
    "os.lockf", "os.posix_spawn", "os.remove", "os.rmdir", "os.spawn", "os.startfile", "os.symlink", "os.system",
    "os.truncate", "os.utime", "pty.spawn", "subprocess.Popen", "sqlite3.connect", "fcntl.flock", "fcntl.lockf",
    "_thread.start_new_thread", "_thread.start_joinable_thread",
    "socket.__new__", "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr",
    "socket.gethostbyname", "socket.getnameinfo", "socket.sendmsg", "socket.sendto", "socket.sethostname",
})  # fmt: skip
WATCHED_EVENTS = FILE_EVENTS | REFUSED_EVENTS
READABLE_ENDS = (".py", ".pyc", ".pyi", ".so", ".toml", "METADATA", "RECORD", "entry_points.txt", "top_level.txt")
READABLE_PARTS = ("zoneinfo", "tzdata")
# importlib and zipimport.
_IMPORTERS = ("<frozen importlib", "<frozen zipimport")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

INSTEAD = {
    "open": "give the program a simulated disk, or wrap harness code in guards.allowed()",
    "socket.__new__": "attach a simulated network to the loop",
    "ssl": 'use the loop\'s own calls with ssl=, over a simulated network whose `tls` is "pass"',
    "sqlite3.connect": "in code of a host call sqlite3.connect itself; elsewhere use :memory:",
}


class SimulatedName(str):
    """The name of a database that is no file of this machine, whatever it looks like."""

    __slots__ = ()


def _refused(real: Callable[..., Any], call: str, instead: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        guard = current()
        if guard is not None:
            guard.loop.refuse(call, instead)
        return real(*args, **kwargs)

    return refused


def _waiting(real: Callable[..., bool]) -> Callable[..., bool]:
    def wait(self: threading.Condition, timeout: float | None = None) -> bool:
        guard = current()
        # A look without waiting is harmless, and executors look.
        if guard is not None and (timeout is None or timeout > 0):
            guard.loop.refuse("threading.Condition.wait", "no other thread could end it; use asyncio's")
        return real(self, timeout)

    return wait


def _wrap_bio(real: Callable[..., Any]) -> Callable[..., Any]:
    """Leave it to the network: OpenSSL draws randomness that no guard sees."""

    def wrap_bio(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> Any:
        guard = current()
        if guard is None:
            return real(self, *args, **kwargs)
        if guard.loop.network is None:
            guard.loop.refuse("ssl.SSLContext.wrap_bio", INSTEAD["ssl"])
        return guard.loop.network.wrap_bio(self, *args, **kwargs)

    return wrap_bio


def refusal_patches() -> list[Patch]:
    """Return the patches of threading and ssl."""
    threads = "run it by loop.run_in_executor or asyncio.to_thread"
    rows: list[tuple[Any, str, str, str]] = [
        (threading.Thread, "start", "threading.Thread.start", threads),
        (_thread, "start_new_thread", "_thread.start_new_thread", threads),
        (_thread, "start_joinable_thread", "_thread.start_joinable_thread", threads),
        (ssl.SSLContext, "wrap_socket", "ssl.SSLContext.wrap_socket", INSTEAD["ssl"]),
    ]
    wait = Patch(owner=threading.Condition, name="wait", replacement=_waiting(vars(threading.Condition)["wait"]))
    wrap_bio = Patch(owner=ssl.SSLContext, name="wrap_bio", replacement=_wrap_bio(vars(ssl.SSLContext)["wrap_bio"]))
    return [wait, wrap_bio] + [
        Patch(owner=owner, name=name, replacement=_refused(vars(owner)[name], call, instead))
        for owner, name, call, instead in rows
        if name in vars(owner)
    ]


def audit(event: str, args: tuple[object, ...]) -> None:
    """Raise Unsupported for what a guarded run must not do."""
    # First the event: most are none of ours, and the interpreter has many.
    if event not in WATCHED_EVENTS:
        return
    guard = current()
    if guard is None:
        return
    if event in FILE_EVENTS:
        _audit_file(guard, event, args)
    elif args[:1] != (":memory:",) and not isinstance(next(iter(args), None), SimulatedName):
        guard.loop.refuse(event, INSTEAD.get(event, ""))


def _audit_file(guard: Guard, event: str, args: tuple[object, ...]) -> None:
    # The caller of the audited call is two frames up: this function, the hook, then the code that asked.
    if sys._getframe(2).f_code.co_filename.startswith(_IMPORTERS):
        return
    path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
    if event == "open" and (not path or (_only_reads(args) and _may_be_read(path))):
        return
    if event in ("os.listdir", "os.scandir") and (path in sys.path or path.endswith((".dist-info", ".egg-info"))):
        return
    guard.loop.refuse(f"{event} of {os.path.basename(path)!r}", INSTEAD["open"])


def _only_reads(args: tuple[object, ...]) -> bool:
    mode, flags = args[1], args[2]
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return not (isinstance(flags, int) and flags & _WRITING)


def _may_be_read(path: str) -> bool:
    """Return whether a path is readable, or that of an archive of code. Raise FileNotFoundError for one of no file."""
    if path.startswith("<") and path.endswith(">"):
        # Code without a file, whose source a traceback looks for.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return is_readable(path) or path in sys.path


def is_readable(path: str) -> bool:
    """Return whether a path is that of code, or of what belongs to installed code."""
    return path.endswith(READABLE_ENDS) or any(part in path for part in READABLE_PARTS)
