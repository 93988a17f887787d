"""What cannot be simulated is refused by name."""

import asyncio
import concurrent.futures
import importlib
import importlib.metadata
import linecache
import os
import pathlib
import queue
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import zipfile
import zoneinfo

import pytest

from kelpie_sim.errors import Unsupported
from kelpie_sim.guards import allowed
from tests.sim.programs import World

HERE = pathlib.Path(__file__)
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SOCKET = socket.socket()
SOCKET.close()


def seen(call):
    """Return what a call gives inside of a run."""

    async def main():
        return call()

    return World().run(main())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: threading.Thread(target=print).start(), "threading.Thread.start"),
        (lambda: concurrent.futures.ThreadPoolExecutor().submit(print), "threading.Thread.start"),
        (lambda: sys.modules["_thread"].start_new_thread(print, ()), "_thread.start_new_thread"),
        (lambda: threading.Event().wait(0.1), "threading.Condition.wait"),
        (lambda: queue.Queue().get(), "threading.Condition.wait"),
        (lambda: socket.socket(), "socket.__new__"),
        (lambda: socket.getaddrinfo("localhost", 80), "socket.getaddrinfo"),
        (lambda: subprocess.run(["true"], check=True), "subprocess.Popen"),
        (lambda: os.system("true"), "os.system"),
        (lambda: os.fork(), "os.fork"),
        (lambda: HERE.with_suffix(".txt").open(), "open of 'test_refusals.txt'"),
        (lambda: HERE.open("a"), "open of 'test_refusals.py'"),
        (lambda: os.open(HERE, os.O_RDWR), "open of 'test_refusals.py'"),
        (lambda: os.listdir("/tmp"), "os.listdir of 'tmp'"),
        (lambda: os.mkdir("/tmp/x"), "os.mkdir of 'x'"),
        (lambda: os.rename("/tmp/x", "/tmp/y"), "os.rename of 'x'"),
        (lambda: os.remove("/tmp/x"), "os.remove"),
        (lambda: sqlite3.connect("/tmp/x"), "sqlite3.connect"),
        (lambda: sqlite3.Connection("/tmp/x"), "sqlite3.connect"),
        (lambda: TLS.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO()), "ssl.SSLContext.wrap_bio"),
        (lambda: TLS.wrap_socket(SOCKET), "ssl.SSLContext.wrap_socket"),
    ],
)
def test_real_world_is_refused_by_name(call, name):
    """Threads, waits, sockets, processes and files raise with the name of the call."""
    with pytest.raises(Unsupported) as caught:
        seen(call)
    assert name == caught.value.call


def test_swallowed_refusal_is_remembered():
    """A program that swallows a refusal is found out."""

    async def main():
        with pytest.raises(Unsupported):
            socket.socket()

    world = World()
    world.run(main())
    assert ["socket.__new__"] == world.loop.refusals


@pytest.mark.parametrize(
    "call",
    [
        lambda: importlib.reload(importlib.import_module("colorsys")).__name__,
        lambda: linecache.updatecache(str(HERE))[0],
        lambda: HERE.read_text()[:3],
        lambda: str(zoneinfo.ZoneInfo.no_cache("Europe/Vienna")),
        lambda: importlib.metadata.version("pytest"),
        lambda: sqlite3.connect(":memory:").close(),
        lambda: threading.Semaphore(0).acquire(timeout=0),
    ],
)
def test_reading_code_is_allowed(call):
    """Imports, source lines, time zones, package versions and memory databases work as ever."""
    assert call() == seen(call)


@pytest.mark.parametrize("name", ["<unknown>", "<string>", "<frozen runpy>"])
def test_names_of_no_file_are_not_found(name):
    """What tracebacks look for in place of a file is not there, as in the real world; nobody may write it."""

    def program():
        with pytest.raises(FileNotFoundError):
            pathlib.Path(name).read_text()
        with pytest.raises(Unsupported):
            pathlib.Path(name).write_text("")
        return linecache.getline(name, 1)

    assert "" == seen(program)


def test_code_in_archives_may_be_read(tmp_path, monkeypatch):
    """Modules in an archive on the path are found and imported in a run, and metadata looks into all archives there."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("zipped_for_a_test.py", "ANSWER = 42")
    monkeypatch.syspath_prepend(str(tmp_path / "code.zip"))
    monkeypatch.syspath_prepend(str(tmp_path / "missing.zip"))

    def program():
        answer = importlib.import_module("zipped_for_a_test").ANSWER
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("no-such-package")
        with pytest.raises(Unsupported):
            (tmp_path / "code.zip").write_bytes(b"")
        return answer

    assert 42 == seen(program)


def test_harness_may_be_let_out():
    """Inside `allowed` the real world is there, and gone again after it."""

    def harness():
        with allowed(), allowed():
            names = os.listdir(HERE.parent)
        with pytest.raises(Unsupported):
            os.listdir(HERE.parent)
        return HERE.name in names

    assert seen(harness) is True


def test_harness_may_speak_tls():
    """Outside of a run and inside `allowed` the encryption is the real one."""

    def wrapped():
        with allowed():
            return type(TLS.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com"))

    assert (ssl.SSLObject, ssl.SSLObject) == (wrapped(), seen(wrapped))


def test_allowed_does_nothing_without_a_run():
    """The harness may use it anywhere."""
    with allowed():
        assert HERE.name in os.listdir(HERE.parent)


def test_other_threads_are_left_alone():
    """A thread of the harness keeps its real clock and files while a run is guarded."""
    start, found = threading.Event(), list[object]()

    def outsider():
        start.wait(10)
        try:
            found.append((time.time() > 1_770_000_000, HERE.name in os.listdir(HERE.parent)))
        except Unsupported as error:
            found.append(error)

    def program():
        start.set()
        while not found:
            pass

    thread = threading.Thread(target=outsider)
    thread.start()
    seen(program)
    thread.join()
    assert [(True, True)] == found


def test_job_of_an_executor_needs_no_thread():
    """Blocking code in an executor runs inline, whatever pool it names."""

    async def main():
        loop = asyncio.get_running_loop()
        pool = concurrent.futures.ThreadPoolExecutor()
        loop.set_default_executor(pool)
        return await loop.run_in_executor(pool, threading.get_ident) == threading.get_ident()

    assert World().run(main()) is True
