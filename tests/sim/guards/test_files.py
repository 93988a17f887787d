"""Files of a guarded run: Python's own functions on the disks of the hosts, and the refusals where there are none."""
# ruff: noqa: SIM115, UP020  # Opening is what these tests are about.

import asyncio
import errno
import glob
import importlib
import importlib.metadata
import io
import linecache
import os
import pathlib
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from tempfile import gettempdir

import pytest

from kelpie_sim.errors import HostDead, SimulationError, Unsupported
from kelpie_sim.faults import FaultBoard
from kelpie_sim.guards import files
from kelpie_sim.world.disk import OPERATIONS, PORT, CrashKeeps, Disks, DiskSetup
from kelpie_sim.world.disk import faults as f
from tests.sim.programs import World

NOTHING = DiskSetup(crash_keeps=(CrashKeeps.NONE,))


class Place:
    """A world whose hosts have disks, and a host named "server"."""

    def __init__(self, *faults, seed=1):
        self.world = World(seed)
        streams, trace = self.world.streams, self.world.trace
        board = FaultBoard(faults, {PORT: OPERATIONS}, streams, lambda: self.world.loop.time_ns, trace)
        self.disks = Disks(self.world.loop, streams, board, trace)
        self.host = self.world.host("server")
        self.disk = self.disks.disk(self.host, NOTHING)

    def run(self, program, *, served=True):
        """Run a program on the host and return its result."""

        async def main():
            if served:
                files.serve(self.disks)
            return await self.host.start(program)

        return self.world.run(main())


def on_host(work, *faults, seed=1):
    """Return what a function returns when it is called on a host with a disk."""

    async def program():
        return work()

    return Place(*faults, seed=seed).run(program)


def test_open_reads_back_what_it_wrote():
    """The builtin open works on the disk of the host, and leaves no file in the real world."""

    def work():
        with open("/kelpie-note.txt", "w") as file:
            file.write("hello\n")
        with open("kelpie-note.txt") as file, io.open("/kelpie-note.txt", "rb") as raw:
            return file.read(), raw.read(), os.path.exists("/kelpie-note.txt")

    assert (("hello\n", b"hello\n", True), False) == (on_host(work), os.path.exists("/kelpie-note.txt"))


def test_descriptors():
    """The functions of os on numbers work on files of the disk."""

    def work():
        number = os.open("/a", os.O_RDWR | os.O_CREAT)
        os.write(number, b"abcdef")
        os.lseek(number, 1, os.SEEK_SET)
        found = [os.read(number, 2), os.pread(number, 2, 3), os.pwrite(number, b"xy", 4), os.fstat(number).st_size]
        os.ftruncate(number, 5)
        os.fsync(number)
        os.fdatasync(number)
        found += [os.isatty(number), os.stat("/a").st_size]
        os.truncate("/a", 2)
        with os.fdopen(number, "rb") as file:
            file.seek(0)
            return [*found, file.read()]

    assert [b"bc", b"de", 2, 6, False, 5, b"ab"] == on_host(work)


def test_names():
    """Directories are made, listed, walked, moved and removed."""

    def work():
        os.makedirs("/a/b/c")
        open("/a/x", "w").close()
        os.rename("/a/x", "/a/b/y")
        os.replace("/a/b", "/a/d")
        listed = [
            os.listdir("/a"),
            os.listdir(b"/a"),
            sorted(os.listdir()),
            [entry.name for entry in os.scandir("/a/d")],
        ]
        walked = list(os.walk("/a"))
        os.unlink("/a/d/y")
        os.rmdir("/a/d/c")
        shutil.rmtree("/a")
        return listed, walked, os.listdir("/")

    listed = [["d"], [b"d"], ["a", "tmp"], ["c", "y"]]
    walked = [("/a", ["d"], []), ("/a/d", ["c"], ["y"]), ("/a/d/c", [], [])]
    assert (listed, walked, ["tmp"]) == on_host(work)


def test_paths():
    """pathlib, os.path and glob see the disk."""

    def work():
        path = pathlib.Path("/data/sub")
        path.mkdir(parents=True)
        (path / "a.txt").write_text("é", encoding="utf-8")
        (path / "b.bin").touch()
        return (
            sorted(str(found) for found in pathlib.Path("/data").rglob("*.txt")),
            sorted(glob.glob("/data/**/*", recursive=True)),
            [str(child) for child in sorted(path.iterdir())],
            (path / "a.txt").read_text(encoding="utf-8"),
            os.path.getsize("/data/sub/a.txt"),
            [os.path.isfile(path), os.path.isdir(path), os.path.islink(path), os.access(path, os.R_OK)],
            [os.path.realpath("/data/../data/sub"), str(pathlib.Path("x").absolute()), os.getcwd()],
        )

    texts = ["/data/sub/a.txt"]
    children = [*texts, "/data/sub/b.bin"]
    looks, places = [False, True, False, True], ["/data/sub", "/x", "/"]
    assert (texts, ["/data/sub", *children], children, "é", 2, looks, places) == on_host(work)


def test_temporary_files():
    """tempfile works on the disk, with names of the seed, and cleans up."""

    def work():
        with tempfile.TemporaryDirectory() as folder:
            with tempfile.NamedTemporaryFile(dir=folder) as named:
                named.write(b"abc")
                inside = os.listdir(folder)
            with tempfile.TemporaryFile() as nameless:
                nameless.write(b"abc")
                nameless.seek(0)
                content = nameless.read()
            os.close(tempfile.mkstemp()[0])
        return gettempdir(), len(inside), content, len(os.listdir("/tmp")), folder

    here = tempfile.gettempdir()
    one, again, other = on_host(work), on_host(work), on_host(work, seed=2)
    assert (("/tmp", 1, b"abc", 1), one, True) == (one[:4], again, one[4] != other[4])
    assert here == tempfile.gettempdir()


def test_copies():
    """shutil copies files and trees, with their modes and times as far as there are any."""

    def work():
        os.makedirs("/a/b")
        pathlib.Path("/a/b/x").write_bytes(b"x" * 100_000)
        shutil.copy2("/a/b/x", "/y")
        shutil.copytree("/a", "/c")
        shutil.move("/c/b/x", "/z")
        os.utime("/y")
        os.chmod("/y", 0o600)
        return os.path.getsize("/y"), os.path.getsize("/z"), os.listdir("/c/b")

    assert (100_000, 100_000, []) == on_host(work)


def test_errors_are_real_ones():
    """What cannot be is told by the same errors as in the real world, with number and path."""

    def work():
        os.mkdir("/d")
        open("/f", "w").close()
        acts = [
            lambda: open("/none"),
            lambda: open("/none/x", "w"),
            lambda: open("/d"),
            lambda: open("/f", "x"),
            lambda: os.mkdir("/d"),
            lambda: os.rmdir("/f"),
            lambda: os.stat("/none"),
            lambda: os.listdir("/none"),
            lambda: os.unlink("/d"),
            lambda: os.readlink("/f"),
            lambda: os.chmod("/none", 0o600),
            lambda: open(""),
            lambda: os.read(1 << 20 | 999, 1),
        ]
        return [error_of(act) for act in acts]

    def error_of(act):
        try:
            act()
        except OSError as error:
            return errno.errorcode[error.errno or 0], error.filename

    expected = [
        ("ENOENT", "/none"),
        ("ENOENT", "/none/x"),
        ("EISDIR", "/d"),
        ("EEXIST", "/f"),
        ("EEXIST", "/d"),
        ("ENOTDIR", "/f"),
        ("ENOENT", "/none"),
        ("ENOENT", "/none"),
        ("EISDIR", "/d"),
        ("EINVAL", "/f"),
        ("ENOENT", "/none"),
        ("ENOENT", ""),
        ("EBADF", None),
    ]
    assert expected == on_host(work)


def test_stat_is_whole():
    """What os.stat tells holds the kind, the size, and times of the host's clock, in seconds and exactly."""

    def work():
        pathlib.Path("/a").write_bytes(b"x" * 600)
        return os.stat("/a"), os.stat("/tmp")

    file, folder = on_host(work)
    assert (True, True) == (stat.S_ISREG(file.st_mode), stat.S_ISDIR(folder.st_mode))
    assert (600, 2, 4096, 1) == (file.st_size, file.st_blocks, file.st_blksize, file.st_nlink)
    assert (1_767_225_600, 1_767_225_600_000_000_000) == (file.st_mtime, file.st_mtime_ns)


def test_blocking_jobs_have_files_too():
    """Code that asyncio sends to a thread works on the disk of the host that sent it."""

    async def program():
        await asyncio.to_thread(pathlib.Path("/a").write_text, "abc")
        return await asyncio.get_running_loop().run_in_executor(None, pathlib.Path("/a").read_text)

    assert "abc" == Place().run(program)


def test_job_without_files_makes_no_disk():
    """A host whose jobs touch no file has no disk, and one whose job is the first to touch it waits for it."""
    place = Place(f.DiskLatency(on="disk_write", latency_ms=700))
    loop = place.world.loop
    disks = []

    async def program():
        await asyncio.to_thread(len, "abc")
        disks.append(place.disks.find(host))
        started_ns = loop.time_ns
        await asyncio.to_thread(pathlib.Path("/a").write_text, "abc")
        disks.append(place.disks.find(host))
        return loop.time_ns - started_ns

    host = place.world.host("untouched")

    async def main():
        files.serve(place.disks)
        return await host.start(program)

    assert 700_000_000 == place.world.run(main())
    assert [None, place.disks.disk(host)] == disks


def test_opener_decides():
    """An opener gets the flags, and its descriptor is used; a descriptor that is lent stays open."""

    def work():
        def opener(path, flags):
            return os.open(f"/real-{path}", flags)

        with open("x", "w", opener=opener) as file:
            file.write("abc")
        number = os.open("/real-x", os.O_RDONLY)
        with open(number, closefd=False) as file:
            content = file.read()
        return content, os.fstat(number).st_size

    assert ("abc", 3) == on_host(work)


def test_directory_descriptors():
    """Paths can be relative to an open directory, which can be listed and synced by its number."""

    def work():
        os.mkdir("/a")
        folder = os.open("/a", os.O_RDONLY)
        os.close(os.open("x", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
        os.mkdir("y", dir_fd=folder)
        os.rename("x", "z", src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        return os.listdir(folder), os.stat("z", dir_fd=folder).st_size, [e.path for e in os.scandir(folder)]

    assert (["y", "z"], 0, ["y", "z"]) == on_host(work)


def test_installed_software_stays_readable():
    """Code, its metadata and its source lines are those of the real world, also for imports inside the run."""

    def work():
        sys.modules.pop("this_is_no_module", None)
        linecache.clearcache()
        return (
            importlib.metadata.version("attrs"),
            linecache.getline(files.__file__, 1)[:3],
            os.path.isdir(os.path.dirname(os.__file__)),
            os.path.exists("/etc/hostname"),
        )

    assert (importlib.metadata.version("attrs"), '"""', True, False) == on_host(work)


def test_imports_inside_of_a_run(tmp_path, monkeypatch):
    """Code that a host imports late is found where it really is, in packages too."""
    package = tmp_path / "late_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)

    def work():
        return importlib.import_module("late_package.part").value

    assert 7 == on_host(work)


def test_disk_comes_before_software():
    """What the host has written under a name of installed software is what it reads there."""

    def work():
        with open("/settings.toml", "w") as file:
            file.write("mine")
        return pathlib.Path("/settings.toml").read_text()

    assert "mine" == on_host(work)


def test_crash_loses_what_was_not_synced():
    """A file that was synced is there in the next life of its host, one that was only written is not."""
    place = Place()

    async def program():
        if place.host.incarnation > 1:
            return
        for path in ("/kept", "/lost"):
            with open(path, "w") as file:
                file.write("x")
                file.flush()
                if path == "/kept":
                    os.fsync(file.fileno())
        place.host.crash()

    async def main():
        files.serve(place.disks)
        place.host.start(program)
        await asyncio.sleep(1)
        await place.host.restart()

    place.world.run(main())
    assert ("kept", "tmp") == place.disk.list("/")


def test_open_files_die_with_their_host():
    """What a dead host has open writes nothing more, not even from a finally block or a buffer."""
    place = Place()
    seen = []

    async def program():
        file = open("/a", "wb", buffering=0)
        try:
            file.write(b"before")
            os.fsync(file.fileno())
            place.host.crash()
        finally:
            try:
                file.write(b"after")
            except HostDead:
                seen.append("dead")

    async def main():
        files.serve(place.disks)
        place.host.start(program)
        await asyncio.sleep(1)

    place.world.run(main())
    assert (["dead"], b"before") == (seen, place.disk.pristine("/a"))


def test_faults_reach_plain_code():
    """A full disk, a failing sync and a short write are what plain Python makes of them."""

    def full():
        with open("/a", "w") as file:
            file.write("x")

    def unsynced():
        with open("/a", "w") as file:
            os.fsync(file.fileno())

    def short():
        with open("/a", "wb", buffering=0) as file:
            return 0 < file.write(b"x" * 100) < 100

    def whole():
        pathlib.Path("/a").write_bytes(b"x" * 100)
        return os.path.getsize("/a")

    with pytest.raises(OSError, match="No space left"):
        on_host(full, f.DiskSpaceFull(on=f.WRITE, max_triggers=1))
    with pytest.raises(OSError, match="Input/output error"):
        on_host(unsynced, f.DiskSyncFail())
    halves = f.DiskShortWrite(max_triggers=3)
    assert (True, 100) == (on_host(short, halves), on_host(whole, halves))


def test_hosts_do_not_share_files():
    """Each host sees its own disk."""
    place = Place()
    other = place.world.host("other")
    seen = []

    async def writes():
        pathlib.Path("/a").write_text("abc")

    async def looks():
        seen.append(os.path.exists("/a"))

    async def main():
        files.serve(place.disks)
        await place.host.start(writes)
        await other.start(looks)

    place.world.run(main())
    assert [False] == seen


def test_code_on_no_host_is_refused_as_ever():
    """The harness has no disk: its files are refused in a run with disks too."""
    place = Place()

    async def main():
        files.serve(place.disks)
        open("/kelpie-note.txt", "w")

    with pytest.raises(Unsupported, match=r"open of 'kelpie-note\.txt'"):
        place.world.run(main())


def test_harness_gets_the_refusals_of_each_call():
    """Renaming, listing and making directories from the harness is refused in a run with disks too."""
    place = Place()
    calls: list[Callable[[], object]] = [
        lambda: os.rename("/kelpie-a", "/kelpie-b"),
        lambda: os.listdir("/"),
        lambda: os.scandir("/"),
    ]
    calls += [lambda: os.mkdir("/kelpie-a"), lambda: os.open("/kelpie-a", os.O_RDONLY)]
    told = []

    async def main():
        files.serve(place.disks)
        files.serve(place.disks)
        for call in calls:
            with pytest.raises(Unsupported) as caught:
                call()
            told.append(caught.value.call.split()[0])

    place.world.run(main())
    assert ["os.rename", "os.listdir", "os.scandir", "os.mkdir", "open"] == told


def test_real_descriptors_stay_real():
    """A number that is not of a simulated disk means the real file, with the real error where there is none."""

    def work():
        reader, writer = os.pipe()
        try:
            os.write(writer, b"abc")
            return os.read(reader, 3), stat.S_ISFIFO(os.fstat(reader).st_mode)
        finally:
            os.close(reader)
            os.close(writer)

    assert (b"abc", True) == on_host(work)


def test_no_disks_no_files():
    """A host in a world without disks is refused too, and nothing of Python is replaced."""
    before = (open, os.stat, tempfile.tempdir)
    during = []

    async def program():
        during.append((open, os.stat, tempfile.tempdir))
        open("/kelpie-note.txt", "w")

    with pytest.raises(Unsupported, match=r"open of 'kelpie-note\.txt'"):
        Place().run(program, served=False)
    assert [before] == during


def test_everything_is_put_back():
    """After the run the real functions are in place again, also after a failure."""
    before = (open, io.open, os.open, os.stat, os.listdir, os.close, os.getcwd, tempfile.tempdir)

    def work():
        raise ValueError("planned")

    with pytest.raises(ValueError, match="planned"):
        on_host(work)
    assert before == (open, io.open, os.open, os.stat, os.listdir, os.close, os.getcwd, tempfile.tempdir)


def test_disks_serve_inside_of_a_run_only():
    """Outside of a run there is nobody to serve."""
    place = Place()
    with pytest.raises(SimulationError):
        files.serve(place.disks)
    place.world.loop.close()


def test_links_are_refused():
    """There are no links on these disks, and asking for one is refused by name."""
    with pytest.raises(Unsupported, match=r"os\.symlink"):
        on_host(lambda: os.symlink("/a", "/b"))
