"""A process from its start to its end: its pipes read within bounds, its group killed, nothing left of it.

A group is killed while its leader is not yet reaped: as long as it is not, its number cannot be given to anybody else.
The filter of system calls keeps every process in that group, and this process adopts its orphans (`adopt_orphans`), so
that all of them can be reaped.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO

import attrs

from kelpie_core.errors import ToolError

_READ_BYTES = 64 * 1024
_LINGER_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_REAP_SECONDS = 0.002
_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kelpie_server.world.sandbox.child.bootstrap import main; main()"
)
OWN_PATH = str(Path(__file__).parents[3])


@attrs.frozen(kw_only=True)
class Ended:
    """How a process ended: what it wrote, its exit code (negative: the signal), what it was killed for, if it was."""

    result: bytes
    stdout: bytes
    stderr: bytes
    code: int
    killed_for: str | None = None


class Drain:
    """Reads a pipe to its end and keeps the first bytes of it, so that who writes never waits and never fills us."""

    def __init__(self, fd: int, bytes_max: int) -> None:
        self._fd = fd
        self._left = bytes_max
        self._chunks: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.lost = 0
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    @property
    def kept(self) -> bytes:
        """What was kept."""
        return b"".join(self._chunks)

    def close(self) -> None:
        """Stop reading."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            if not self.ended.done():
                self.ended.set_result(None)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        kept = data[: self._left]
        self._left -= len(kept)
        self.lost += len(data) - len(kept)
        if kept:
            self._chunks.append(kept)


class Process:
    """One running process with its three pipes. Raises ToolError if it cannot be started."""

    def __init__(self, program: str, request: bytes, folder: Path, *, output_bytes_max: int, result_bytes_max: int):
        with contextlib.ExitStack() as unused:
            pipes = [_pipe(unused) for _ in range(3)]
            self._popen = _start(program, request, folder, *(write for _, write in pipes))
            self.exited = asyncio.ensure_future(_exit_of(self._popen))
            bounds = (output_bytes_max, output_bytes_max, result_bytes_max)
            self.stdout, self.stderr, self.result = (
                Drain(os.dup(read), bytes_max) for (read, _), bytes_max in zip(pipes, bounds, strict=True)
            )
        self._reaping: asyncio.Task[int] | None = None

    def kill(self) -> "asyncio.Task[int]":
        """Kill the whole group now, and return the task that reaps it and gives its exit code."""
        if self._reaping is None:
            self._kill_group()
            self._reaping = asyncio.ensure_future(self._reap())
        return self._reaping

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all of it is gone already
            os.killpg(self._popen.pid, signal.SIGKILL)

    async def _reap(self) -> int:
        """Reap the leader and, as this process adopts orphans, whatever else is left of its group."""
        drains = (self.stdout, self.stderr, self.result)
        try:
            await self.exited
            self._kill_group()  # once more: what was forked at the first blow
            while not self._reaped():  # noqa: ASYNC110 (nobody tells when an orphan has died)
                await asyncio.sleep(_REAP_SECONDS)
            await asyncio.wait([drain.ended for drain in drains], timeout=_LINGER_SECONDS)
        finally:
            if self._popen.returncode is None:  # cancelled: the loop ends, and nobody would come back
                self._kill_group()
                self._popen.wait()
            for drain in drains:
                drain.close()
        return self._popen.returncode

    def _reaped(self) -> bool:
        """Reap what has ended and return whether nothing is left. The group's number is taken until then."""
        while True:
            try:
                pid, status = os.waitpid(-self._popen.pid, os.WNOHANG)
            except ChildProcessError:
                self._popen.poll()
                return True
            if pid == 0:
                return False
            if pid == self._popen.pid:
                self._popen.returncode = os.waitstatus_to_exitcode(status)


async def run_process(
    process: Process, seconds_max: float, bytes_used: Callable[[], Awaitable[int]], bytes_max: int
) -> Ended:
    """Let a process run to its end, its deadline, or until it has filled its folder; then nothing of it is left.

    Cancelled, it kills at once; `process.kill()` then gives the task that does the rest.
    """
    watch = asyncio.ensure_future(_overfull(bytes_used, bytes_max))
    try:
        await asyncio.wait((process.exited, watch), timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
        killed_for = None
        if watch.done():
            watch.result()
            killed_for = f"its files take more than {bytes_max} bytes"
        elif not process.exited.done():
            killed_for = f"it did not return within {seconds_max:.3g} s"
    finally:
        watch.cancel()
        reaping = process.kill()
    code = await asyncio.shield(reaping)
    return Ended(
        result=process.result.kept,
        stdout=_told(process.stdout),
        stderr=_told(process.stderr),
        code=code,
        killed_for=killed_for,
    )


async def _overfull(bytes_used: Callable[[], Awaitable[int]], bytes_max: int) -> None:
    """Return when the folder holds too much. Most tools have ended before the first look."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if await bytes_used() > bytes_max:
            return


def _pipe(unused: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    unused.callback(os.close, read)
    unused.callback(os.close, write)
    return read, write


def _start(program: str, request: bytes, folder: Path, out: int, err: int, result: int) -> "subprocess.Popen[bytes]":
    try:
        with _holding(request) as stdin:
            return subprocess.Popen(
                [program, "-I", "-S", "-B", "-X", "utf8", "-c", _LAUNCH, OWN_PATH, str(result)],
                stdin=stdin,
                stdout=out,
                stderr=err,
                pass_fds=(result,),
                cwd=folder,
                env={"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                start_new_session=True,
            )
    except OSError as error:
        raise ToolError(f"the process for the tool could not be started: {error}") from error


def _holding(request: bytes) -> IO[bytes]:
    """Return an open file that holds the request. In memory where that can be had: there are secrets in it."""
    in_memory = hasattr(os, "memfd_create")
    file = os.fdopen(os.memfd_create("request"), "w+b") if in_memory else tempfile.TemporaryFile()  # noqa: SIM115
    file.write(request)
    file.seek(0)
    return file


async def _exit_of(popen: "subprocess.Popen[bytes]") -> None:
    """Return when the process has ended, and leave it to be reaped where the system can tell without reaping."""
    if not hasattr(os, "pidfd_open"):
        await asyncio.to_thread(popen.wait)
        return
    loop, watched = asyncio.get_running_loop(), os.pidfd_open(popen.pid)
    ended: asyncio.Future[None] = loop.create_future()

    def hear() -> None:
        loop.remove_reader(watched)
        ended.set_result(None)

    loop.add_reader(watched, hear)
    try:
        await ended
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def _told(drain: Drain) -> bytes:
    lost = f"\n[cut: {drain.lost} bytes more]".encode() if drain.lost else b""
    return drain.kept + lost
