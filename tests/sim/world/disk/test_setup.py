"""The make of a disk."""

from kelpie_sim.world.disk import CrashKeeps, DiskSetup


def test_plain_disk():
    """The plain disk has small sectors, no end, takes no time, and a crash may do all that a crash can do."""
    plain = DiskSetup()
    assert (512, None, 0, 0, None, "journaled", tuple(CrashKeeps)) == (
        plain.sector_bytes, plain.capacity_bytes, plain.latency_us, plain.sync_latency_us, plain.bytes_per_second,
        plain.names, plain.crash_keeps,
    )  # fmt: skip


def test_first_choice_of_a_crash_is_the_plainest():
    """Shrinking moves towards a crash that loses nothing."""
    assert CrashKeeps.ALL is DiskSetup().crash_keeps[0]
