"""What a call of a tool may cost: every bound bites, on this kernel."""

import os
import re
from pathlib import Path

import pytest

from kelpie_core.model.tool import ToolStatus
from kelpie_server.world.sandbox.kernel import Kernel
from kelpie_server.world.sandbox.policy import FIRST_USER, MIB, Bounds, Policy, limits, rules, user_of
from tests.server.world.sandbox.filters import ALLOWED, ARCHITECTURES, verdict
from tests.server.world.sandbox.running import needs_sandbox, ran

CONNECT, SOCKET = 42, 41


def failure(source: str, *, seconds: float = 20, **bounds: int) -> str:
    """Return the text of the error return that a call of a source ends with under these bounds."""
    returned = ran(source, policy=Policy(bounds=Bounds(**bounds)), seconds=seconds)
    assert ToolStatus.ERROR is returned.status, returned
    return str(returned.text)


@needs_sandbox
def test_endless_loop() -> None:
    """A tool that never returns is ended at its deadline, wherever it is."""
    assert "the tool was ended: it did not return within 0.5 s" == failure(
        "def f():\n    while True: pass", seconds=0.5
    )


@needs_sandbox
def test_memory_hog() -> None:
    """A tool gets no more memory than it may have, and is told so."""
    words = "MemoryError: the tool needs more memory than it may have"
    assert words == failure("def f():\n    return len(bytearray(300 * 2**20))", memory_bytes_max=256 * MIB)


@needs_sandbox
def test_fork_bomb() -> None:
    """A tool has so many processes and not one more, however it asks for them."""
    source = (
        "import os, time\ndef f():\n    n = 0\n    try:\n        while True:\n"
        "            if os.fork() == 0: time.sleep(60)\n            n += 1\n    except OSError as error:\n"
        "        raise RuntimeError(f'{n} children, then {error.strerror}')"
    )
    # Tools of another server on this machine may have the same user, and count.
    assert re.match("RuntimeError: [1-4] children, then Resource temporarily unavail", failure(source, processes_max=5))


@needs_sandbox
def test_threads_are_processes() -> None:
    """Threads count as processes."""
    source = (
        "import threading, time\ndef f():\n"
        "    for _ in range(9): threading.Thread(target=time.sleep, args=[60]).start()"
    )
    assert failure(source, processes_max=5).startswith("RuntimeError: can't start new thread")


@needs_sandbox
def test_huge_file() -> None:
    """A file grows to its bound and no further."""
    source = "def f():\n    open('x', 'wb').write(b'x' * 2**21)"
    assert failure(source, file_bytes_max=MIB).startswith("OSError: [Errno 27] File too large")


@needs_sandbox
def test_many_files() -> None:
    """A tool that fills its folder with many files is ended."""
    source = "def f():\n    for n in range(10**9): open(f'x{n}', 'wb').write(b'x' * 2**20)"
    assert "the tool was ended: its files take more than 8388608 bytes" == failure(source, disk_bytes_max=8 * MIB)


@needs_sandbox
def test_open_files() -> None:
    """A tool opens so many files at once and not one more."""
    source = "def f():\n    return [open('/dev/null') for _ in range(99)]"
    assert failure(source, open_files_max=64).startswith("OSError: [Errno 24] Too many open files")


@needs_sandbox
def test_huge_output() -> None:
    """What is printed beyond the bound is counted and dropped, and the tool goes on."""
    policy = Policy(bounds=Bounds(output_bytes_max=10))
    returned = ran("def f():\n    print('x' * 10**6)\n    return 'done'", policy=policy)
    assert ("done", ("x" * 10 + "\n[cut: 999991 bytes more]",)) == (returned.text, returned.stdout)


@needs_sandbox
def test_huge_return() -> None:
    """A return beyond the bound is an error return that says both sizes."""
    words = "the tool returned 1046 bytes, 100 are allowed"
    assert words == failure("def f():\n    return 'x' * 1000", result_bytes_max=100)


@needs_sandbox
def test_processor_time() -> None:
    """A process that computes is ended by the kernel, though the clock would give it more."""
    source = (
        "import os, resource\ndef f():\n    child = os.fork()\n    if child == 0:\n"
        "        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n        while True: pass\n"
        "    raise RuntimeError(os.WTERMSIG(os.waitpid(child, 0)[1]))"
    )
    assert "RuntimeError: 9 (line 7 of the tool)" == failure(source)


def test_limits() -> None:
    """The rlimits are those of the bounds; the processor may be used for as long as the call lasts."""
    expected = {"CPU": 6, "AS": 512 * MIB, "FSIZE": 64 * MIB, "NOFILE": 128, "CORE": 0, "MEMLOCK": 0}
    assert expected == limits(Bounds(), 5.5)


def test_user_of_a_place() -> None:
    """Root gives each place a user of its own; nobody else can."""
    assert (FIRST_USER + 3 if os.geteuid() == 0 else None) == user_of(3)


def test_network_by_choice() -> None:
    """Sockets and the files of name resolution are there if the operator wants them, else not."""
    kernel = Kernel(machine="x86_64", landlock=4)

    def made(network: bool) -> tuple[int, list[str], bool]:
        found = rules(Policy(network=network), kernel, work="/tmp", libraries=(), user=None)
        passes = [
            verdict(bytes.fromhex(found["calls"]), ARCHITECTURES["x86_64"], call, 2) for call in (CONNECT, SOCKET)
        ]
        paths = [path for path, _ in found["files"]["rules"]]
        return found["files"]["network"], passes, os.path.realpath("/etc/hosts") in paths

    assert (3, ["EPERM", "EPERM"], False) == made(False)
    assert (0, [ALLOWED, ALLOWED], Path("/etc/hosts").exists()) == made(True)


@pytest.mark.parametrize("wanted", [(), (Path("/usr/share"),)])
def test_further_readable_paths(wanted: tuple[Path, ...]) -> None:
    """What the operator lets tools read is readable, and only then."""
    kernel = Kernel(machine="x86_64", landlock=1)
    found = rules(Policy(readable=wanted), kernel, work="/tmp", libraries=(), user=1)
    assert bool(wanted) is ("/usr/share" in [path for path, _ in found["files"]["rules"]])
