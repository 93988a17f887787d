"""A process from its start to its end."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from kelpie_core.errors import ToolError
from kelpie_server.world.sandbox import process as module
from kelpie_server.world.sandbox.process import Drain, Ended, Process, run_process
from tests.server.world.processes import children


async def nothing() -> int:
    """Use nothing."""
    return 0


def ended(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 20, bytes_max: int = 100):
    """Return how a process ends that runs a script in place of the child."""
    monkeypatch.setattr(module, "_LAUNCH", script)

    async def run() -> Ended:
        process = Process(sys.executable, b"asked", tmp_path, output_bytes_max=bytes_max, result_bytes_max=10)
        return await run_process(process, seconds, nothing, 1)

    return asyncio.run(run())


def test_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is on standard input; output, errors and the result come apart, each within its bound."""
    script = (
        "import os, sys; print(sys.stdin.read(), os.getcwd()); print('e', file=sys.stderr); "
        "os.write(int(sys.argv[2]), b'r' * 99)"
    )
    found = ended(script, tmp_path, monkeypatch)
    out = f"asked {tmp_path}\n".encode()
    assert Ended(result=b"r" * 10, stdout=out, stderr=b"e\n", code=0) == found


def test_exit_code_and_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exit code is told as it is, a signal as a negative number."""
    assert 7 == ended("raise SystemExit(7)", tmp_path, monkeypatch).code
    assert -15 == ended("import os; os.kill(os.getpid(), 15)", tmp_path, monkeypatch).code


def test_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that takes too long is killed, and what it had printed is kept."""
    found = ended("print('so far', flush=True); import time; time.sleep(60)", tmp_path, monkeypatch, seconds=0.5)
    assert (b"so far\n", -9, "it did not return within 0.5 s") == (found.stdout, found.code, found.killed_for)


def test_what_a_process_leaves_behind_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: list[int]
) -> None:
    """Children that hold the pipes open keep nobody waiting, and none of them is left."""
    script = "import os, time\nif os.fork() == 0:\n    os.fork()\n    time.sleep(60)"
    assert 0 == ended(script, tmp_path, monkeypatch).code
    assert [] == children(others)


def test_loop_that_ends_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: list[int]) -> None:
    """When the loop ends before a process is reaped, it is killed and reaped all the same."""
    monkeypatch.setattr(module, "_LAUNCH", "import time; time.sleep(60)")

    async def run() -> int:
        process = Process(sys.executable, b"", tmp_path, output_bytes_max=1, result_bytes_max=1)
        process.kill()
        return len(os.listdir("/proc/self/fd"))

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(run())
    assert [] == children(others)
    assert before == len(os.listdir("/proc/self/fd"))


def test_without_descriptors_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot tell of an end without reaping, it is waited for on a thread."""
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "memfd_create")
    found = ended("import sys; print(sys.stdin.read())", tmp_path, monkeypatch)
    assert (b"asked\n", 0) == (found.stdout, found.code)


def test_program_that_is_not_there(tmp_path: Path) -> None:
    """A process that cannot be started is an error of the runner, and leaves no file open."""

    async def run() -> int:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ToolError, match="could not be started"):
            Process("/nowhere/python", b"", tmp_path, output_bytes_max=1, result_bytes_max=1)
        return len(os.listdir("/proc/self/fd")) - before

    assert 0 == asyncio.run(run())


def test_drain_reads_on_behind_its_bound() -> None:
    """Who writes more than is kept never waits; what was dropped is counted."""

    async def run() -> tuple[bytes, int]:
        read, write = os.pipe()
        drain = Drain(read, 3)
        for _ in range(20):
            os.write(write, b"x" * 10_000)
            await asyncio.sleep(0)
        os.close(write)
        await drain.ended
        drain.close()
        return drain.kept, drain.lost

    assert (b"xxx", 199_997) == asyncio.run(run())


def test_failing_watch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be looked at is an error, not an endless run."""
    monkeypatch.setattr(module, "_LAUNCH", "import time; time.sleep(60)")

    async def broken() -> int:
        raise OSError("gone")

    async def run() -> None:
        process = Process(sys.executable, b"", tmp_path, output_bytes_max=1, result_bytes_max=1)
        try:
            await run_process(process, 20, broken, 1)
        finally:
            await process.kill()

    with pytest.raises(OSError, match="gone"):
        asyncio.run(run())
