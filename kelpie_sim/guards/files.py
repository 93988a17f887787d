"""Files of a guarded run: what code on a host does with `open`, `os`, `pathlib`, `tempfile` goes to its host's disk.

Put in place when a world first has a host, so that a run without hosts pays nothing, and gone with the other guards.
Code on no host gets the real function, and so the refusal that it always got. Installed software (code, package
metadata, time zones) is read from the real file system unless the host's disk has something of that name.

Symbolic and hard links, ownership, access rights, memory maps and file locks do not exist on these disks: asked for,
they are refused by the name of the call, or (chmod, utime) taken note of nowhere. Blocking calls in a step take no
virtual time; what they would have taken delays whoever awaits the disk (times.py), and the end of a job in a thread.
"""

from __future__ import annotations

import builtins
import errno
import glob
import inspect
import io
import os
import posixpath
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from kelpie_sim.errors import SimulationError
from kelpie_sim.guards.active import current, installed
from kelpie_sim.guards.databases import database_patches
from kelpie_sim.guards.guarded import installation
from kelpie_sim.guards.patches import Patch, Patches
from kelpie_sim.guards.refusals import is_readable
from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.world.disk.descriptors import FIRST, Descriptors
from kelpie_sim.world.disk.disk import Disk
from kelpie_sim.world.disk.disks import Disks
from kelpie_sim.world.disk.entries import SimScan, stat_result
from kelpie_sim.world.disk.file_objects import flags_of, open_stream
from kelpie_sim.world.disk.names import TEMPORARY, disk_error
from kelpie_sim.world.host import Host

Real = Callable[..., Any]
Target = tuple[Disk, str]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _State:
    """The files of the one guarded run; a class, so that every replacement sees the same."""

    disks: Disks | None = None
    descriptors = Descriptors()


def serve(disks: Disks) -> None:
    """Let the hosts of the present run have files on these disks, to its end. Raise SimulationError without a run."""
    guard = installed()
    if guard is None:
        raise SimulationError("disks serve files inside of a run only")
    if _State.disks is None:
        guard.at_end.append(_stop_serving)
        guard.loop.job_timer = _job_timer
        installation().enter_late(_file_patches())
    _State.disks = disks
    _State.descriptors = Descriptors()


def _stop_serving() -> None:
    _State.disks = None
    _State.descriptors = Descriptors()


def _job_timer() -> Callable[[], int]:
    """Return, as a job begins, what tells at its end how long the disk that it used is still at work.

    No disk is made for the answer: most jobs use none.
    """
    life, disks = INCARNATION.get(), _State.disks
    if life is None or disks is None or current() is None:
        return lambda: 0
    disk = disks.find(life.host)
    return partial(_left_ns, disks, life.host, 0 if disk is None else disk.operations)


def _left_ns(disks: Disks, host: Host, operations_before: int) -> int:
    disk = disks.find(host)
    return 0 if disk is None or disk.operations == operations_before else disk.times.left_ns


# --- whose path is it


def _own_disk() -> Disk | None:
    """Return the disk of the host whose code runs; None for the harness, which has the real world or none."""
    life = INCARNATION.get()
    if life is None or _State.disks is None or current() is None:
        return None
    return _State.disks.disk(life.host)


def _only_software(text: str) -> bool:
    """Say whether a path means installed software, and nothing on the disk of the host whose code runs.

    That disk is not made for the answer: what is imported differs between the first run of a process and a later one.
    """
    life = INCARNATION.get()
    if life is None or _State.disks is None or not _is_software(text):
        return False
    disk = _State.disks.find(life.host)
    return disk is None or not disk.exists(text)


def _target(path: Any, *, looks: bool, directory: Any = None) -> Target | None:
    """Return the disk and path that a path means, or None for the real file system."""
    if isinstance(path, int):
        return _target_of(path)
    if INCARNATION.get() is None:
        return None
    text = os.fsdecode(os.fspath(path))
    if looks and _only_software(text):
        return None
    disk = _own_disk()
    if disk is None:
        return None
    if not text:
        raise disk_error(errno.ENOENT, text)
    if isinstance(directory, int) and directory >= FIRST:
        text = posixpath.join(_State.descriptors.get(directory).path, text)
    # A name that ends in a slash means a directory, and an open of it tells so.
    return disk, text


def _target_of(number: int) -> Target | None:
    if number < FIRST:
        return None
    descriptor = _State.descriptors.get(number)
    return descriptor.disk, descriptor.path


def _is_software(path: str) -> bool:
    return is_readable(path) or path in sys.path or path.startswith((f"{sys.prefix}/", f"{sys.base_prefix}/"))


# --- paths


def _by_path(real: Real, simulated: Callable[..., Any], *, looks: bool = False) -> Real:
    """Return a function of a path: `simulated` gets the disk and the path in place of it."""

    def call(path: Any = ".", *args: Any, dir_fd: Any = None, **options: Any) -> Any:
        target = _target(path, looks=looks, directory=dir_fd)
        if target is None:
            given = options if dir_fd is None else {**options, "dir_fd": dir_fd}
            return real(path, *args, **given)
        return simulated(*target, *args, **options)

    return call


def _moving(real: Real) -> Real:
    def call(src: Any, dst: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
        source = _target(src, looks=False, directory=src_dir_fd)
        target = _target(dst, looks=False, directory=dst_dir_fd)
        if source is None or target is None:
            real(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        else:
            source[0].rename(source[1], target[1])

    return call


def _listing(real: Real) -> Real:
    def listdir(path: Any = ".") -> list[Any]:
        target = _target("." if path is None else path, looks=True)
        if target is None:
            return real(path)  # type: ignore[no-any-return]
        names = target[0].list(target[1])
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else list(names)

    return listdir


def _scanning(real: Real) -> Real:
    def scandir(path: Any = ".") -> Any:
        path = "." if path is None else path
        target = _target(path, looks=True)
        return real(path) if target is None else SimScan(path, *target)

    return scandir


def _stat(disk: Disk, path: str, **_: Any) -> os.stat_result:
    return stat_result(disk.stat(path))


def _may_access(disk: Disk, path: str, mode: int, **_: Any) -> bool:
    return disk.exists(path)


def _make_directory(disk: Disk, path: str, mode: int = 0o777) -> None:
    disk.make_directory(path)


def _take_no_note(disk: Disk, path: str, *_: Any, **__: Any) -> None:
    disk.stat(path)


def _truncate(disk: Disk, path: str, length: int) -> None:
    disk.open(path).truncate(length)


def _no_attributes(disk: Disk, path: str, **_: Any) -> list[str]:
    return []


def _no_link(disk: Disk, path: str) -> str:
    disk.stat(path)
    raise disk_error(errno.EINVAL, path)


def _working_directory(real: Real) -> Real:
    return lambda: real() if _own_disk() is None else "/"


# --- descriptors


def _by_number(real: Real, simulated: Callable[..., Any]) -> Real:
    """Return a function of a descriptor."""

    def call(fd: Any, *args: Any) -> Any:
        number = fd if isinstance(fd, int) else fd.fileno() if hasattr(fd, "fileno") else fd
        if not isinstance(number, int) or number < FIRST:
            return real(fd, *args)
        return simulated(_State.descriptors, number, *args)

    return call


def _number_stat(descriptors: Descriptors, number: int) -> os.stat_result:
    return stat_result(descriptors.stat(number))


def _read_at(descriptors: Descriptors, number: int, size: int, offset: int) -> bytes:
    return descriptors.get(number).readable_file().read_at(offset, size)


def _write_at(descriptors: Descriptors, number: int, data: Any, offset: int) -> int:
    return descriptors.get(number).writable_file().write_at(offset, bytes(data))


def _write(descriptors: Descriptors, number: int, data: Any) -> int:
    return descriptors.write(number, bytes(data))


def _is_terminal(descriptors: Descriptors, number: int) -> bool:
    return False


def _opening(real: Real) -> Real:
    def open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        target = _target(path, looks=not flags & _WRITING, directory=dir_fd)
        if target is None:
            return real(path, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
        return _State.descriptors.open(*target, flags)

    return open


def _opening_streams(real: Real) -> Real:
    def open(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        target = _target(file, looks=not set(mode) & set("wax+"))
        if target is None:
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        number = _number_of(file, target, mode, opener)
        layers = {"buffering": buffering, "encoding": encoding, "errors": errors, "newline": newline}
        if number < FIRST:  # An opener may know better.
            return real(number, mode, **layers)
        closes = closefd or not isinstance(file, int)
        return open_stream(_State.descriptors, number, file, mode, closes=closes, **layers)  # type: ignore[arg-type]

    return open


def _number_of(file: Any, target: Target, mode: str, opener: Any) -> int:
    flags = flags_of(mode)
    if isinstance(file, int):
        return file
    return opener(file, flags) if opener else _State.descriptors.open(*target, flags)


# --- the patches

_PATHS: tuple[tuple[str, Callable[..., Any], bool], ...] = (
    ("stat", _stat, True),
    ("lstat", _stat, True),
    ("access", _may_access, True),
    ("readlink", _no_link, True),
    ("listxattr", _no_attributes, True),
    ("mkdir", _make_directory, False),
    ("rmdir", Disk.remove_directory, False),
    ("unlink", Disk.unlink, False),
    ("remove", Disk.unlink, False),
    ("truncate", _truncate, False),
    ("chmod", _take_no_note, False),
    ("utime", _take_no_note, False),
)
_NUMBERS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("close", Descriptors.close),
    ("read", Descriptors.read),
    ("write", _write),
    ("pread", _read_at),
    ("pwrite", _write_at),
    ("lseek", Descriptors.seek),
    ("ftruncate", Descriptors.truncate),
    ("fsync", Descriptors.sync),
    ("fdatasync", Descriptors.sync),
    ("fstat", _number_stat),
    ("isatty", _is_terminal),
)
_OTHERS: tuple[tuple[str, Callable[[Real], Real]], ...] = (
    ("open", _opening),
    ("rename", _moving),
    ("replace", _moving),
    ("listdir", _listing),
    ("scandir", _scanning),
    ("getcwd", _working_directory),
)


def _prebound(scandir: Real) -> Iterator[Patch]:
    """Yield the patches of what the standard library has bound before: default arguments and class attributes."""
    closer = vars(tempfile)["_TemporaryFileCloser"]
    for name in ("close", "cleanup"):
        method = vars(closer).get(name)
        if method is not None and "unlink" in inspect.signature(method).parameters:
            yield Patch(owner=closer, name=name, replacement=_late_unlink(method))
    globber = vars(glob).get("_StringGlobber")
    if globber is not None and "scandir" in vars(globber):
        yield Patch(owner=globber, name="scandir", replacement=staticmethod(scandir))


def _late_unlink(method: Real) -> Real:
    def finish(self: Any, *args: Any, **options: Any) -> Any:
        return method(self, *args, **{"unlink": os.unlink, **options})

    return finish


@cache
def _file_patches() -> Patches:
    makers: dict[str, Callable[[Real], Real]] = dict(_OTHERS)
    for name, simulated, looks in _PATHS:
        makers[name] = partial(_by_path, simulated=simulated, looks=looks)
    for name, simulated in _NUMBERS:
        makers[name] = partial(_by_number, simulated=simulated)
    streams = _opening_streams(builtins.open)
    known = {name: make for name, make in makers.items() if name in vars(os)}
    patches = [
        *(Patch(owner=os, name=name, replacement=make(vars(os)[name])) for name, make in known.items()),
        *_prebound(_scanning(os.scandir)),
        *database_patches(_own_disk),
        Patch(owner=builtins, name="open", replacement=streams),
        Patch(owner=io, name="open", replacement=streams),
        # Found out once per process, by whoever asks first: here it is the simulated disk's, and names start anew.
        Patch(owner=tempfile, name="tempdir", replacement=TEMPORARY),
        Patch(owner=tempfile, name="_name_sequence", replacement=None),
    ]
    # The import system calls these by way of the module behind `os`, and must keep the real ones.
    return Patches(patches, spared=(os.name,))
