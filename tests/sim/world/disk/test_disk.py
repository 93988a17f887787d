"""A disk: names, what is safe, crashes, capacity, time."""

import asyncio
import errno
from typing import Any
from zlib import crc32

import pytest

from kelpie_sim.errors import HostDead, UnknownOperation
from kelpie_sim.faults import FaultReport
from kelpie_sim.world.disk import CrashKeeps, Disks, DiskSetup
from kelpie_sim.world.disk import faults as f
from tests.sim.programs import World
from tests.sim.world.disk.benches import NEW, OLD, Bench, keeping

NOTHING = keeping(CrashKeeps.NONE)
STRICT = keeping(CrashKeeps.NONE, names="strict")


def number_of(act, *arguments, **options):
    """Return the error number that a call raises."""
    with pytest.raises(OSError, match="Errno") as caught:
        act(*arguments, **options)
    return caught.value.errno


def test_file_is_found_again():
    """What is written under a path is read there, and listed and known by its size."""
    disk = (bench := Bench()).disk
    disk.make_directory("/a")
    assert OLD == bench.written("/a/x", OLD)
    stat = disk.stat("/a/x")
    assert (("x",), 512, False, 5) == (disk.list("/a"), stat.size, stat.is_directory, stat.changed_ns)


def test_errors_are_those_of_the_real_thing():
    """Each refusal has the number that a real file system gives."""
    disk = (bench := Bench()).disk
    bench.written("/f", b"x")
    disk.make_directory("/d")
    found = [
        number_of(disk.open, "/none"),
        number_of(disk.open, "/none/x", create=True),
        number_of(disk.open, "/f/x", create=True),
        number_of(disk.open, "/d"),
        number_of(disk.open, "/f", create=True, exclusive=True),
        number_of(disk.make_directory, "/d"),
        number_of(disk.unlink, "/d"),
        number_of(disk.unlink, "/none"),
        number_of(disk.remove_directory, "/"),
        number_of(disk.remove_directory, "/f"),
        number_of(disk.list, "/none"),
        number_of(disk.stat, "/none"),
        number_of(disk.rename, "/none", "/x"),
    ]
    expected = ["ENOENT", "ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "EEXIST", "EISDIR", "ENOENT", "ENOTEMPTY"]
    expected += ["ENOTDIR", "ENOENT", "ENOENT", "ENOENT"]
    assert expected == [errno.errorcode[number] for number in found]


def test_open_file_outlives_its_name():
    """Who has a file open keeps it when its name goes, or goes to another file."""
    disk = (bench := Bench()).disk
    bench.written("/a", OLD)
    bench.written("/b", NEW)
    held = disk.open("/b")
    disk.rename("/a", "/b")
    disk.unlink("/b")
    assert (NEW, ("tmp",)) == (held.read_at(0, 512), disk.list("/"))


def test_directory_moves_with_its_content():
    """Renaming a directory moves what is below it; an empty one can be removed."""
    disk = (bench := Bench()).disk
    disk.make_directory("/a")
    bench.written("/a/x", OLD)
    disk.rename("/a", "/b")
    disk.make_directory("/a")
    disk.remove_directory("/a")
    assert (OLD, ("b", "tmp")) == (bench.content("/b/x"), disk.list("/"))


def test_rename_onto_itself_changes_nothing():
    """A path can be renamed to itself."""
    disk = (bench := Bench()).disk
    bench.written("/a", OLD)
    disk.rename("/a", "/a")
    assert OLD == bench.content("/a")


def test_crash_takes_what_was_not_synced():
    """Without sync, content and names are gone after a crash; what was synced before is there."""
    disk = (bench := Bench(setup=NOTHING)).disk
    bench.synced("/a", OLD)
    disk.open("/a").write_at(0, NEW)
    disk.open("/a").truncate(700)
    bench.written("/b", NEW)
    disk.rename("/a", "/c")
    disk.crash()
    assert (("a", "tmp"), OLD) == (disk.list("/"), bench.content("/a"))


def test_sync_of_a_file_is_enough_on_a_journal():
    """On a file system with a journal a synced file is there after a crash, its name too."""
    disk = Bench(setup=NOTHING).disk
    file = disk.open("/a", create=True)
    file.write_at(0, OLD)
    file.sync()
    disk.crash()
    assert OLD == disk.open("/a").read_at(0, 999)


def test_strict_names_want_a_sync_of_their_directory():
    """Where names are strict, a synced file without a synced directory is gone after a crash."""
    disk = (bench := Bench(setup=STRICT)).disk
    for path in ("/a", "/b"):
        file = disk.open(path, create=True)
        file.write_at(0, OLD)
        file.sync()
        if path == "/a":
            disk.sync_directory("/")
    disk.crash()
    assert (("a", "tmp"), OLD) == (disk.list("/"), bench.content("/a"))


def test_sync_makes_only_its_own_file_safe():
    """A sync says nothing about other files."""
    disk = (bench := Bench(setup=NOTHING)).disk
    bench.synced("/a", OLD)
    bench.synced("/b", OLD)
    disk.open("/a").write_at(0, NEW)
    disk.open("/b").write_at(0, NEW)
    disk.open("/a").sync()
    disk.crash()
    assert (NEW, OLD) == (bench.content("/a"), bench.content("/b"))


def test_crash_outcomes_by_seed():
    """Over the seeds a crash keeps all, nothing, and something in between; the same seed keeps the same."""

    def survivors(seed):
        disk = (bench := Bench(seed=seed)).disk
        bench.synced("/a", OLD * 2)
        disk.open("/a").write_at(0, NEW * 2)
        disk.crash()
        return bench.content("/a")

    found = {survivors(seed) for seed in range(60)}
    assert ({OLD * 2, NEW * 2, NEW + OLD, OLD + NEW}, survivors(7)) == (found, survivors(7))


def test_large_sectors_are_atomic():
    """With sectors of 4,096 bytes a write inside one is never torn."""
    found = set()
    for seed in range(60):
        disk = (bench := Bench(seed=seed, setup=DiskSetup(sector_bytes=4096))).disk
        bench.synced("/a", OLD * 2)
        disk.open("/a").write_at(0, NEW * 2)
        disk.crash()
        found.add(bench.content("/a"))
    assert {OLD * 2, NEW * 2} == found


def test_what_was_open_is_dead_after_a_crash():
    """A file that was opened before a crash can be neither read nor written, and the disk counts its crashes."""
    disk = (bench := Bench()).disk
    bench.synced("/a", OLD)
    file = disk.open("/a")
    disk.crash()
    with pytest.raises(HostDead):
        file.write_at(0, NEW)
    with pytest.raises(HostDead):
        file.sync()
    assert (OLD, True, 1) == (bench.content("/a"), file.dead, disk.generation)


def test_end_of_process_loses_nothing():
    """When a process ends, what it had open is dead and what it wrote stays, synced or not."""
    disk = (bench := Bench(setup=NOTHING)).disk
    bench.written("/a", OLD)
    file = disk.open("/a")
    disk.close_all()
    assert (True, OLD) == (file.dead, bench.content("/a"))


def test_reformat_leaves_an_empty_disk():
    """Nothing is left, and nothing comes back with a crash."""
    disk = (bench := Bench()).disk
    bench.synced("/a", OLD)
    disk.reformat()
    disk.crash()
    assert ("tmp",) == disk.list("/")


def test_capacity():
    """A disk that is full takes nothing more, until something goes."""
    disk = (bench := Bench(setup=DiskSetup(capacity_bytes=1024))).disk
    bench.written("/a", OLD)
    bench.written("/b", OLD)
    full = [number_of(disk.open("/b").write_at, 500, OLD), number_of(disk.open("/b").truncate, 513)]
    disk.open("/b").write_at(0, NEW)
    disk.unlink("/a")
    disk.open("/b").write_at(512, NEW)
    assert ([errno.ENOSPC] * 2, NEW * 2) == (full, bench.content("/b"))


def test_long_pending_changes_are_written_back():
    """What waits very long for a sync goes to the medium by itself, oldest first."""
    disk = (bench := Bench(setup=NOTHING)).disk
    bench.synced("/a", b"")
    file = disk.open("/a")
    for number in range(10_001):
        file.write_at(number, b"x")
    disk.crash()
    assert 5_000 == len(bench.content("/a"))


def test_every_change_is_on_the_trace():
    """Writes are recorded with place, length and checksum, and so is what becomes of names."""
    disk = (bench := Bench(setup=keeping(CrashKeeps.ALL))).disk
    bench.synced("/a", OLD)
    disk.rename("/a", "/b")
    disk.crash()
    kinds = [(entry.kind, entry.fields[1:]) for entry in bench.trace.entries()]
    assert [
        ("disk create", ("/a",)),
        ("disk write", ("/a", 0, 512, crc32(OLD))),
        ("disk sync", ("/a",)),
        ("disk sync_directory", ("/",)),
        ("disk rename", ("/a", "/b")),
        ("disk crash", ("all", 1)),
    ] == kinds


def test_nameless_file():
    """A file without a name is read and written like any other, and no directory lists it."""
    disk = Bench().disk
    file = disk.open_nameless()
    file.write_at(0, OLD)
    assert (OLD, ("tmp",)) == (file.read_at(0, 600), disk.list("/"))


def test_pristine_bytes_are_told():
    """A check can ask what should be in a file, whatever the medium gives."""
    bench = Bench(f.DiskLostWrite(max_triggers=1))
    assert (bytes(512), OLD) == (bench.written("/a", OLD), bench.disk.pristine("/a"))


def test_crash_fault_before_a_change():
    """A crash before an operation leaves no trace of it."""
    bench = Bench(f.DiskCrash(on=f.UNLINK, max_triggers=1), setup=keeping(CrashKeeps.ALL))
    bench.written("/a", OLD)
    with pytest.raises(HostDead):
        bench.disk.unlink("/a")
    assert (OLD, 1) == (bench.content("/a"), bench.fired)


def test_crash_fault_after_a_change():
    """A crash after an operation leaves its outcome, and nobody hears of it."""
    bench = Bench(f.DiskCrash(on=f.UNLINK, max_triggers=1, when="after"), setup=keeping(CrashKeeps.ALL))
    bench.written("/a", OLD)
    with pytest.raises(HostDead):
        bench.disk.unlink("/a")
    assert (False, 1) == (bench.disk.exists("/a"), bench.fired)


def test_failing_names():
    """Making, renaming, removing and looking at names fail with EIO or ENOSPC where a fault says so."""
    cases = [
        (f.DiskWriteFail(on=f.RENAME), errno.EIO, lambda disk: disk.rename("/a", "/b")),
        (f.DiskWriteFail(on=f.UNLINK), errno.EIO, lambda disk: disk.unlink("/a")),
        (f.DiskSpaceFull(on=f.MAKE_DIRECTORY), errno.ENOSPC, lambda disk: disk.make_directory("/d")),
        (f.DiskSpaceFull(on=f.OPEN, after=1), errno.ENOSPC, lambda disk: disk.open("/x", create=True)),
        (f.DiskReadFail(on=f.LIST), errno.EIO, lambda disk: disk.list("/")),
        (f.DiskReadFail(on=f.STAT), errno.EIO, lambda disk: disk.stat("/a")),
        (f.DiskReadFail(on=f.OPEN), errno.EIO, lambda disk: disk.open("/a")),
        (f.DiskSyncFail(on=f.SYNC_DIRECTORY), errno.EIO, lambda disk: disk.sync_directory("/")),
    ]
    found = []
    for fault, _, act in cases:
        bench = Bench(fault)
        bench.disk.open("/a", create=True)
        found.append((number_of(act, bench.disk), bench.disk.exists("/a"), bench.fired))
    assert [(number, True, 1) for _, number, _ in cases] == found


def test_lost_sync_of_a_directory():
    """The sync of a directory succeeds and does nothing."""
    bench = Bench(f.DiskLostSync(on=f.SYNC_DIRECTORY), setup=STRICT)
    bench.synced("/a", OLD)
    bench.disk.crash()
    assert (("tmp",), 1) == (bench.disk.list("/"), bench.fired)


def test_torn_write_strikes_at_a_crash():
    """A crash leaves part of the last write, and counts as torn; with nothing to tear, the fault is not there."""
    bench = Bench(f.DiskTornWrite(), setup=keeping(CrashKeeps.ALL))
    bench.disk.crash()
    before = bench.report
    bench.synced("/a", OLD * 3)
    bench.disk.open("/a").write_at(0, NEW * 3)
    bench.disk.crash()
    found = bench.content("/a")
    assert (0, 1, [NEW, OLD]) == (before.matched, bench.fired, [found[:512], found[-512:]])


def test_slow_disk_tears_nothing():
    """A fault that makes operations slow does not strike at a power loss, and so nothing is torn by it."""
    bench = Bench(f.DiskLatency(on=(f.CRASH, f.LIST)), setup=keeping(CrashKeeps.ALL))
    bench.written("/a", OLD * 3)
    bench.disk.crash()
    assert (0, OLD * 3) == (bench.report.matched, bench.content("/a"))


def test_filters_name_path_and_host():
    """A fault strikes at the paths and on the disks that it names, and at no other."""
    bench = Bench(f.DiskReadFail(on=f.READ, subjects=("/b",), hosts=("d",)), f.DiskReadFail(on=f.READ, hosts=("e",)))
    bench.written("/a", OLD)
    bench.disk.open("/b", create=True)
    assert errno.EIO == number_of(bench.disk.open("/b").read_at, 0, 1)
    assert (FaultReport(kind="DiskReadFail", matched=1, fired=1, never_reached=1),) == bench.board.report()


def test_unknown_operation_is_refused():
    """A fault at an operation that no disk has is refused."""
    with pytest.raises(UnknownOperation):
        Bench(f.DiskReadFail(on="disk_defragment"))


def test_dead_host_touches_nothing():
    """Code of a host that has lost power gets HostDead from its disk, the disk's own crash included."""
    seen: list[Any] = []

    async def main():
        async def program():
            try:
                host.crash()
            finally:
                try:
                    disk.open("/late", create=True)
                except HostDead as error:
                    seen.append(str(error))

        host.start(program)
        await asyncio.sleep(1)

    world = World()
    host = world.host("server")
    disk = Disks(world.loop, world.streams, None, world.trace).disk(host)
    world.run(main())
    assert (["host 'server' is dead, and asks for its disk"], False) == (seen, disk.exists("/late"))
