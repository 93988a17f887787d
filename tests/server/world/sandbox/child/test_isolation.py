"""What a tool cannot reach: every escape is tried for real, on this kernel, as root and as an ordinary user."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kelpie_core.model.tool import ToolStatus
from kelpie_server.world.sandbox.policy import Policy
from kelpie_server.world.sandbox.process import OWN_PATH
from tests.server.world.sandbox.running import KERNEL, needs_sandbox, ran

NOT_PERMITTED, DENIED = "[Errno 1] Operation not permitted", "[Errno 13] Permission denied"
NOBODY = 65_534
# What is tried, and what the tool is told. `{port}` listens here, `{file}` is the server's user's.
ESCAPES = {
    "file outside": ("open('{file}').read()", DENIED),
    "file written outside": ("open('{file}', 'a')", DENIED),
    "file truncated outside": ("os.truncate('{file}', 0)", DENIED),
    "file removed outside": ("os.unlink('{file}')", DENIED),
    "password file": ("open('/etc/passwd').read()", DENIED),
    "folder outside": ("os.listdir('{folder}')", DENIED),
    "interpreter changed": ("open(os.__file__, 'a')", DENIED),
    "file beside the interpreter": ("open(os.path.dirname(os.__file__) + '/x', 'w')", DENIED),
    "environment of the server": ("open('/proc/{server}/environ').read()", DENIED),
    "memory of the server": ("open('/proc/{server}/mem', 'rb')", DENIED),
    "list of processes": ("os.listdir('/proc')", DENIED),
    "link out": ("os.symlink('{file}', 'x') or open('x').read()", DENIED),
    "rename out": ("open('x', 'w') and os.rename('x', '{folder}/x')", "[Errno "),
    "tcp": ("socket.create_connection(('127.0.0.1', {port}))", NOT_PERMITTED),
    "udp": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))", NOT_PERMITTED),
    "listening": ("socket.socket().bind(('127.0.0.1', 0))", NOT_PERMITTED),
    "raw packets": ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", NOT_PERMITTED),
    "unix socket": ("socket.socket(socket.AF_UNIX).connect('{file}')", NOT_PERMITTED),
    "kill the server": ("os.kill({server}, 9)", NOT_PERMITTED),
    "kill who waits for it": ("os.kill(os.getppid(), 9)", NOT_PERMITTED),
    "limits of the server": ("resource.prlimit({server}, resource.RLIMIT_NOFILE, (1, 1))", NOT_PERMITTED),
    "more memory": ("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "not allowed to raise maximum limit"),
    "another group": ("os.setsid()", NOT_PERMITTED),
    "another user": ("os.setuid(0)", NOT_PERMITTED),
    "tracing": ("check(libc.ptrace(16, {server}, 0, 0))", NOT_PERMITTED),
    "namespaces": ("check(libc.unshare(0x10000000))", "[Errno 38] Function not implemented"),
    "mounting": ("check(libc.mount(b'x', b'.', b'tmpfs', 0, 0))", "[Errno 38] Function not implemented"),
    "a program of the system": ("subprocess.run(['/bin/sh', '-c', 'true'])", DENIED),
    "outliving the server": ("check(libc.prctl(1, 0, 0, 0, 0))", NOT_PERMITTED),
}
SOURCE = """
import ctypes, os, resource, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def f():
    {deed}
    return "it worked"
"""
# What belongs to a user may have its mode changed by that user: only a user of its own makes that harmless.
SHARED_USER = {"mode changed outside": ("os.chmod('{file}', 0)", NOT_PERMITTED)}


@contextlib.contextmanager
def places(folder: Path):
    """Give what the escapes name: a file of ours, its folder, and a port where somebody listens."""
    file = folder / "secret"
    file.write_text("hush")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        yield {"file": str(file), "folder": str(folder), "port": port, "server": str(os.getpid())}
        assert "hush" == file.read_text()


def told(deed: str, where: dict[str, str]) -> str:
    """Return what a tool is told that tries a deed."""
    for name, value in where.items():
        deed = deed.replace("{" + name + "}", value)
    returned = ran(SOURCE.replace("{deed}", deed))
    return f"{returned.status}: {returned.text}"


@needs_sandbox
@pytest.mark.parametrize("escape", ESCAPES)
def test_escape_fails(escape: str, tmp_path: Path) -> None:
    """What is outside stays as it is, and the tool is told why."""
    deed, expected = ESCAPES[escape]
    with places(tmp_path) as where:
        found = told(deed, where)
    assert (ToolStatus.ERROR.value, True) == (found.partition(":")[0], expected in found), found


@needs_sandbox
def test_network_by_choice() -> None:
    """Where the operator opens the network a tool connects; sockets of the machine's own stay shut."""
    policy = Policy(network=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        source = (
            "import socket\ndef f(port):\n    socket.create_connection(('127.0.0.1', port))\n    return 'connected'"
        )
        returned = ran(source, {"port": listening.getsockname()[1]}, policy=policy)
    assert "connected" == returned.text
    assert NOT_PERMITTED in str(ran("import socket\ndef f(): socket.socket(socket.AF_UNIX)", policy=policy).text)


@needs_sandbox
def test_what_a_tool_can_do() -> None:
    """Its own folder, the standard library, threads, child processes of the interpreter and async code work."""
    source = (
        "import asyncio, os, sqlite3, subprocess, sys, tempfile, threading, zoneinfo\n"
        "async def f():\n"
        "    os.mkdir('a'); open('a/b', 'w').write('x'); os.rename('a/b', 'c'); os.truncate('c', 0); os.unlink('c')\n"
        "    with tempfile.TemporaryDirectory() as folder: open(folder + '/x', 'w').close()\n"
        "    thread = threading.Thread(target=print); thread.start(); thread.join()\n"
        "    found = sqlite3.connect('d').execute('select 1').fetchone()[0]\n"
        "    pair = await asyncio.gather(asyncio.to_thread(int, '2'), asyncio.sleep(0, 3))\n"
        "    child = subprocess.run([sys.executable, '-I', '-S', '-c', 'print(4)'], capture_output=True)\n"
        "    return [found, *pair, int(child.stdout or 4)]"
    )
    assert "[1, 2, 3, 4]" == ran(source).text


def interpreter_of_everybody() -> str | None:
    """Return an interpreter of this version that an ordinary user can run; None if there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        with contextlib.suppress(PermissionError):
            if path and subprocess.run([path, "-c", ""], user=NOBODY, capture_output=True, check=False).returncode == 0:
                return path
    return None


@needs_sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as an ordinary user anyway")
def test_as_an_ordinary_user(tmp_path: Path) -> None:
    """A server without root shuts its tools in just as well, though they share its user."""
    python = interpreter_of_everybody()
    if python is None:
        pytest.skip("no interpreter of this version can be run by an ordinary user")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    script = (
        f"import sys, json, pathlib; sys.path[:0] = {[OWN_PATH, *sys.path]!r}\n"
        "from tests.server.world.sandbox.child import test_isolation as escapes\n"
        f"print(json.dumps(escapes.all_told(pathlib.Path({str(own)!r}))))"
    )
    done = subprocess.run(
        [python, "-c", script], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", env={"TMPDIR": str(own)},
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert "" == done.stderr
    wrong = {name: found for name, found in json.loads(done.stdout).items() if not found["as expected"]}
    assert {} == wrong


def all_told(folder: Path) -> dict[str, dict[str, object]]:
    """Return what a tool is told of each escape, and how a plain tool and a fork bomb go, as the user who runs this."""
    found: dict[str, dict[str, object]] = {}
    with places(folder) as where:
        for name, (deed, expected) in {**ESCAPES, **SHARED_USER}.items():
            words = told(deed, where)
            found[name] = {"told": words, "as expected": words.startswith("error") and expected in words}
    ran("import os\ndef f(): os.kill(-1, 9)")  # everybody of this user: whoever reads on has survived it
    plain = ran("import os\ndef f(): return os.getuid()")
    found["plain"] = {"told": plain.text, "as expected": plain.text == str(os.getuid())}
    bomb = "import os, time\ndef f():\n    for _ in range(99):\n        if os.fork() == 0: time.sleep(60)"
    bombed = ran(bomb)
    found["fork bomb"] = {"told": bombed.text, "as expected": "Resource temporarily unavailable" in str(bombed.text)}
    return found


@needs_sandbox
@pytest.mark.skipif(not KERNEL.scopes_signals, reason="this kernel's Landlock does not know signals (version 6)")
def test_tools_cannot_signal_each_other() -> None:
    """A process of a tool signals its own children, and nobody else."""
    source = (
        "import os, signal, time\ndef f():\n    child = os.fork()\n    if child == 0: time.sleep(60)\n"
        "    os.kill(child, signal.SIGTERM)\n    return os.WTERMSIG(os.waitpid(child, 0)[1])"
    )
    assert "15" == ran(source).text


@needs_sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can keep a right that another user has not")
def test_what_only_root_may_read(tmp_path: Path) -> None:
    """What the operator lets tools read is read though only root may, and nothing beside it."""
    for name in ("shown", "hidden"):
        (tmp_path / name).mkdir(0o700)
        (tmp_path / name / "x").write_text(name)
        (tmp_path / name / "x").chmod(0o600)
    policy = Policy(readable=(tmp_path / "shown",))
    source = "def f(path):\n    return open(path).read()"
    found = [ran(source, {"path": str(tmp_path / name / "x")}, policy=policy) for name in ("shown", "hidden")]
    assert ("shown", True) == (found[0].text, DENIED in str(found[1].text))
