"""Each fault at reads, writes and syncs bites, and counts as fired exactly when something came out wrong."""

import errno

import pytest

from kelpie_sim.errors import HostDead
from kelpie_sim.world.disk import CrashKeeps, DiskSetup
from kelpie_sim.world.disk import faults as f
from tests.sim.world.disk.benches import NEW, OLD, SECTOR, Bench, keeping


def error_of(act, *arguments):
    """Return the error number that a call raises."""
    with pytest.raises(OSError, match="Errno") as caught:
        act(*arguments)
    return caught.value.errno


def differing(one, other):
    """Return how many bits differ."""
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


def test_read_fail():
    """A read fails with EIO, and the next one does not."""
    bench = Bench(f.DiskReadFail(on=f.READ, max_triggers=1))
    file = bench.disk.open("/a", create=True)
    file.write_at(0, OLD)
    assert (errno.EIO, OLD, 1) == (error_of(file.read_at, 0, 512), file.read_at(0, 512), bench.fired)


def test_lasting_read_fail():
    """Its sectors cannot be read until they are written again, also after a crash; others can."""
    bench = Bench(f.DiskReadFail(on=f.READ, max_triggers=1, lasting=True))
    bench.synced("/a", OLD * 2)
    file = bench.disk.open("/a")
    first = error_of(file.read_at, 0, 10)
    bench.disk.crash()
    file = bench.disk.open("/a")
    again, other = error_of(file.read_at, 511, 2), file.read_at(512, 512)
    file.write_at(100, b"x")
    assert (errno.EIO, errno.EIO, OLD, b"x", 1) == (first, again, other, file.read_at(100, 1), bench.fired)


def test_unreadable_sector_comes_before_another_fault():
    """At a sector that cannot be read, a fault that strikes now changes nothing, and does not count."""
    bench = Bench(f.DiskReadFail(on=f.READ, max_triggers=1, lasting=True), f.DiskShortRead(after=1, probability=1.0))
    file = bench.disk.open("/a", create=True)
    file.write_at(0, OLD)
    numbers = [error_of(file.read_at, 0, 10) for _ in range(2)]
    assert ([errno.EIO] * 2, [1, 0]) == (numbers, [report.fired for report in bench.board.report()])


def test_short_read():
    """A read gives a part, but something; one byte cannot be less, and then the fault does not count."""
    bench = Bench(f.DiskShortRead())
    file = bench.disk.open("/a", create=True)
    file.write_at(0, SECTOR)
    found = file.read_at(0, 512)
    one = file.read_at(0, 1)
    assert (True, SECTOR[: len(found)], b"\0", 1) == (0 < len(found) < 512, found, one, bench.fired)


def test_misdirected_read():
    """A read gives another sector; where all sectors are alike, the fault does not count."""
    bench = Bench(f.DiskMisdirectedRead())
    file = bench.disk.open("/a", create=True)
    file.write_at(0, OLD + NEW)
    found = [file.read_at(0, 512), file.read_at(512, 512)]
    file.write_at(0, OLD * 2)
    assert ([NEW, OLD], OLD, 2) == (found, file.read_at(0, 512), bench.fired)


def test_corruption_of_a_read():
    """One bit of what is read is wrong, and the next read is right."""
    bench = Bench(f.DiskCorruption(max_triggers=1))
    found = bench.written("/a", SECTOR)
    assert (1, SECTOR, 1) == (differing(SECTOR, found), bench.content("/a"), bench.fired)


def test_corruption_of_the_medium():
    """One bit is wrong for every reader, also after a crash, until the sector is written again."""
    bench = Bench(f.DiskCorruption(max_triggers=1, place="medium"))
    bench.synced("/a", SECTOR)
    found = [bench.content("/a"), bench.content("/a")]
    bench.disk.crash()
    found.append(bench.content("/a"))
    mended = bench.written("/a", SECTOR)
    assert ([1, 1, 1], SECTOR, 1) == ([differing(SECTOR, each) for each in found], mended, bench.fired)


def test_nothing_to_corrupt():
    """At the end of a file there is nothing to corrupt, to shorten or to misdirect, and no fault counts."""
    faults = (f.DiskCorruption(), f.DiskCorruption(place="medium"), f.DiskShortRead(), f.DiskMisdirectedRead())
    benches = [Bench(fault) for fault in faults]
    assert [(b"", 0)] * 4 == [(bench.written("/a", b""), bench.fired) for bench in benches]


def test_write_fail():
    """A write fails with EIO; by the seed none or some of its first sectors are written."""
    found = set()
    for seed in range(40):
        bench = Bench(f.DiskWriteFail(on=f.WRITE), seed=seed)
        file = bench.disk.open("/a", create=True)
        assert (errno.EIO, 1) == (error_of(file.write_at, 0, OLD * 3), bench.fired)
        found.add(file.size)
    assert {0, 512, 1024} == found


def test_truncate_fail():
    """A truncate fails with EIO, or with ENOSPC, and changes nothing."""
    found = []
    for fault in (f.DiskWriteFail(on=f.TRUNCATE), f.DiskSpaceFull(on=f.TRUNCATE)):
        bench = Bench(fault)
        file = bench.disk.open("/a", create=True)
        file.write_at(0, OLD)
        found.append((error_of(file.truncate, 3), file.size, bench.fired))
    assert [(errno.EIO, 512, 1), (errno.ENOSPC, 512, 1)] == found


def test_space_full():
    """A write finds no room, and nothing is written."""
    bench = Bench(f.DiskSpaceFull(on=f.WRITE))
    file = bench.disk.open("/a", create=True)
    assert (errno.ENOSPC, 0, 1) == (error_of(file.write_at, 0, OLD), file.size, bench.fired)


def test_short_write():
    """A write takes a part, says so, and that part is there; a single byte is taken whole."""
    bench = Bench(f.DiskShortWrite())
    file = bench.disk.open("/a", create=True)
    taken = file.write_at(0, SECTOR)
    one = file.write_at(0, b"x")
    assert (True, taken, 1, 1) == (0 < taken < 512, file.size, one, bench.fired)


def test_lost_write():
    """A write is acknowledged; the medium keeps the old bytes, whatever is synced, until it is written again."""
    bench = Bench(f.DiskLostWrite(after=1, max_triggers=1))
    bench.synced("/a", OLD)
    lost = bench.written("/a", NEW)
    bench.disk.open("/a").sync()
    bench.disk.crash()
    after = bench.content("/a")
    assert (OLD, OLD, NEW, 1) == (lost, after, bench.written("/a", NEW), bench.fired)


def test_lost_write_of_the_same_bytes_does_not_count():
    """Losing a write that would have changed nothing harms nobody."""
    bench = Bench(f.DiskLostWrite(after=1))
    bench.written("/a", OLD)
    assert (OLD, 0) == (bench.written("/a", OLD), bench.fired)


def test_lost_write_that_was_not_synced_can_vanish():
    """A crash that keeps nothing undoes the harm of a pending write as well."""
    bench = Bench(f.DiskLostWrite(after=1), setup=keeping(CrashKeeps.NONE))
    bench.synced("/a", OLD)
    bench.written("/a", NEW)
    bench.disk.crash()
    assert (OLD, OLD) == (bench.content("/a"), bench.disk.pristine("/a"))


def test_misdirected_write():
    """A write lands in another sector of the file, and its own stays old; a file of one sector has no other."""
    bench = Bench(f.DiskMisdirectedWrite(after=1, max_triggers=1))
    bench.synced("/a", OLD * 2)
    bench.disk.open("/a").write_at(0, NEW)
    found = (bench.content("/a"), bench.disk.pristine("/a"), bench.fired)
    assert (OLD + NEW, NEW + OLD, 1) == found


def test_empty_writes_cannot_go_wrong():
    """Writing nothing is harmed by nothing."""
    for fault in (f.DiskLostWrite(), f.DiskShortWrite(), f.DiskWriteFail(on=f.WRITE)):
        bench = Bench(fault)
        assert (0, 0) == (bench.disk.open("/a", create=True).write_at(0, b""), bench.fired)


def test_sync_fail():
    """A sync fails with EIO. By the seed the next sync saves all, or says so though nothing or a part was saved."""
    found = set()
    for seed in range(60):
        bench = Bench(f.DiskSyncFail(max_triggers=1, after=1, on=f.SYNC), seed=seed, setup=keeping(CrashKeeps.NONE))
        bench.synced("/a", OLD * 2)
        file = bench.disk.open("/a")
        file.write_at(0, NEW)
        file.write_at(512, NEW)
        assert (errno.EIO, NEW * 2, 1) == (error_of(file.sync), bench.content("/a"), bench.fired)
        file.sync()
        bench.disk.crash()
        found.add(bench.content("/a"))
    assert {OLD * 2, NEW + OLD, NEW * 2} == found


def test_hole_after_a_failed_sync_is_closed_by_a_new_write():
    """What a failed sync dropped is safe once it is written and synced again."""
    for seed in range(20):
        bench = Bench(f.DiskSyncFail(max_triggers=1, on=f.SYNC), seed=seed, setup=keeping(CrashKeeps.NONE))
        file = bench.disk.open("/a", create=True)
        file.write_at(0, NEW)
        error_of(file.sync)
        file.write_at(0, NEW)
        file.sync()
        bench.disk.crash()
        assert NEW == bench.content("/a")


def test_lost_sync():
    """A sync succeeds and saves nothing; with nothing to save it does not count."""
    bench = Bench(f.DiskLostSync(on=f.SYNC), setup=keeping(CrashKeeps.NONE))
    file = bench.disk.open("/a", create=True)
    bench.disk.sync_directory("/")
    file.sync()
    idle = bench.fired
    file.write_at(0, NEW)
    file.sync()
    bench.disk.crash()
    assert (0, b"", 1) == (idle, bench.content("/a"), bench.fired)


def crash_at(operation, when, seed=1, setup=None):
    """Return what is there after a host has lost power around the second write, or its sync, or a read."""
    bench = Bench(f.DiskCrash(on=operation, when=when, after=1, max_triggers=1), seed=seed, setup=setup)
    bench.synced("/a", OLD * 2)
    file = bench.disk.open("/a")
    acts = {f.READ: lambda: file.read_at(0, 1), f.WRITE: lambda: file.write_at(0, NEW * 2), f.SYNC: file.sync}
    for act in [*acts.values()][: [*acts].index(operation)]:
        act()
    if operation == f.READ:
        acts[f.READ]()
    with pytest.raises(HostDead):
        acts[operation]()
    assert (1, 1) == (bench.fired, bench.disk.generation)
    return bench.content("/a")


def test_crash_around_a_write():
    """Before it, nothing of it is there; after it, all of it may be; during it, its first sectors may be."""
    kept, atomic = keeping(CrashKeeps.ALL), DiskSetup(crash_keeps=(CrashKeeps.ALL,), sector_bytes=4096)
    during = {crash_at(f.WRITE, "during", seed, kept) for seed in range(20)}
    found = (crash_at(f.WRITE, "before", setup=kept), crash_at(f.WRITE, "after", setup=kept))
    assert ((OLD * 2, NEW * 2), {OLD * 2, NEW + OLD}) == (found, during)
    assert {OLD * 2} == {crash_at(f.WRITE, "during", seed, atomic) for seed in range(10)}


def test_crash_around_a_sync():
    """Before it nothing is safe, after it all is; during it, by the seed, some of the writes are."""
    lost = keeping(CrashKeeps.NONE)
    during = {crash_at(f.SYNC, "during", seed, lost) for seed in range(20)}
    found = (crash_at(f.SYNC, "before", setup=lost), crash_at(f.SYNC, "after", setup=lost))
    assert ((OLD * 2, NEW * 2), {OLD * 2, NEW * 2}) == (found, during)


def test_crash_around_a_read():
    """A crash at a read loses what a crash loses, whenever it comes."""
    assert [OLD * 2] * 3 == [crash_at(f.READ, when) for when in ("before", "during", "after")]
