"""The bound on harm over replicas."""

import pytest

from kelpie_sim.world.disk import Atlas
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.atlas import HurtSectors
from tests.sim.world.disk.benches import NEW, OLD, Bench

GROUP = ("a", "b", "c")


def hurt_sectors(copies=1, groups=(GROUP,)):
    """Return a fresh account."""
    return HurtSectors(Atlas(groups=groups, copies_hurt_max=copies))


def replicas(hurt, *faults):
    """Return a disk for each member of the group and one outside, each with these faults, on one account."""
    return [Bench(*faults, hurt_sectors=hurt, name=name) for name in (*GROUP, "other")]


def test_copies_of_a_sector_are_counted():
    """Another copy of a hurt sector is refused, other sectors, paths and disks are not."""
    hurt = hurt_sectors()
    hurt.hurt("a", "/x", [1])
    asked = [("b", "/x", [1]), ("b", "/x", [0, 1]), ("b", "/x", [0]), ("b", "/y", [1]), ("a", "/x", [1])]
    asked.append(("other", "/x", [1]))
    assert [False, False, True, True, True, True] == [hurt.allows(*case) for case in asked]


def test_mended_sectors_make_room():
    """What is well again counts no more, and neither does a disk that is forgotten."""
    hurt = hurt_sectors()
    hurt.hurt("a", "/x", [1, 2])
    hurt.mended("a", "/x", [1])
    first = (hurt.allows("b", "/x", [1]), hurt.allows("b", "/x", [2]), hurt.count("/x", 2))
    hurt.forget("a")
    assert ((True, False, 1), True) == (first, hurt.allows("b", "/x", [2]))


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_lost_writes_are_bounded(copies):
    """Of a group at most so many copies of a sector are hurt, though every write would be lost; outside all are."""
    benches = replicas(hurt_sectors(copies), f.DiskLostWrite(probability=0.999_999))
    found = [bench.written("/x", NEW) for bench in benches]
    assert ([bytes(512)] * copies + [NEW] * (3 - copies), bytes(512)) == (found[:3], found[3])


def test_rot_and_dead_sectors_are_bounded():
    """Rot on the medium and sectors that stay unreadable count like lost writes."""
    for fault in (f.DiskCorruption(place="medium"), f.DiskReadFail(on=f.READ, lasting=True)):
        first, second, *_ = replicas(hurt_sectors(), fault)
        first.disk.open("/x", create=True).write_at(0, OLD)
        second.disk.open("/x", create=True).write_at(0, OLD)
        file = first.disk.open("/x")
        try:
            harmed = file.read_at(0, 512) != OLD
        except OSError:
            harmed = True
        assert (True, OLD, 0) == (harmed, second.content("/x"), second.fired)


def test_misdirected_write_counts_both_places():
    """A write that would land on a sector whose copy is hurt elsewhere is not misdirected."""
    hurt = hurt_sectors()
    hurt.hurt("b", "/x", [1])
    bench = Bench(f.DiskMisdirectedWrite(probability=0.999_999), hurt_sectors=hurt, name="a")
    bench.written("/x", OLD * 2)
    bench.disk.open("/x").write_at(0, NEW)
    assert (NEW + OLD, 0) == (bench.content("/x"), bench.fired)


def test_writing_again_makes_room_for_another_copy():
    """Once the sector is written again, another replica may be hurt there."""
    hurt = hurt_sectors()
    first, second, *_ = replicas(hurt, f.DiskLostWrite(max_triggers=1))
    first.written("/x", NEW)
    held = hurt.count("/x", 0)
    first.written("/x", NEW)
    assert (1, 0, bytes(512)) == (held, hurt.count("/x", 0), second.written("/x", NEW))


def test_crash_and_reformat_are_counted():
    """A crash that undoes harm makes room, and so does a new disk; harm that is durable stays counted."""
    hurt = hurt_sectors()
    bench = Bench(f.DiskLostWrite(max_triggers=1), hurt_sectors=hurt, name="a")
    bench.synced("/x", NEW)
    bench.disk.crash()
    kept = hurt.count("/x", 0)
    bench.disk.reformat()
    assert (1, 0) == (kept, hurt.count("/x", 0))
