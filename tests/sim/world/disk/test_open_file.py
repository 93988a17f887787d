"""Open files without faults."""

from kelpie_sim.world.disk import CrashKeeps
from tests.sim.world.disk.benches import NEW, OLD, Bench, keeping


def test_reads_and_writes_at_offsets():
    """Bytes are written and read anywhere; past the end there are none."""
    file = Bench().disk.open("/a", create=True)
    taken = file.write_at(4, b"abc")
    assert (3, b"\0\0\0\0abc", b"bc", b"", 7) == (
        taken, file.read_at(0, 99), file.read_at(5, 9), file.read_at(7, 9), file.size,
    )  # fmt: skip


def test_two_see_each_other():
    """Who has the same file open sees every write at once."""
    disk = Bench().disk
    one, other = disk.open("/a", create=True), disk.open("/a")
    one.write_at(0, OLD)
    other.truncate(3)
    assert (b"ooo", 3) == (one.read_at(0, 9), one.size)


def test_open_with_truncate_empties():
    """A file can be emptied as it is opened, and a crash may undo that."""
    disk = (bench := Bench(setup=keeping(CrashKeeps.NONE))).disk
    bench.synced("/a", OLD)
    assert 0 == disk.open("/a", truncate=True).size
    disk.crash()
    assert OLD == bench.content("/a")


def test_sync_of_an_open_file_that_lost_its_name():
    """A file without a name can be synced; after a crash it is gone."""
    disk = Bench().disk
    file = disk.open("/a", create=True)
    file.write_at(0, NEW)
    disk.unlink("/a")
    file.sync()
    disk.crash()
    assert ("tmp",) == disk.list("/")


def test_empty_write_changes_nothing():
    """Writing nothing is no change: nothing is pending, and the file is as long as it was."""
    disk = (bench := Bench()).disk
    file = disk.open("/a", create=True)
    assert (0, 0, 1) == (file.write_at(9, b""), file.size, bench.trace.count)
