"""How long a disk takes."""

from kelpie_sim.world.disk import DiskSetup
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.disk.times import DiskTimes
from tests.sim.world.disk.benches import OLD, Bench

SLOW = DiskSetup(latency_us=100, sync_latency_us=1_000, bytes_per_second=1_000_000)


def test_operations_queue_up():
    """Each takes its latency and the time for its bytes, a sync more, one after the other."""
    times = DiskTimes(SLOW, lambda: 0)
    times.spend(500)
    times.spend(0, sync=True)
    assert 100_000 + 500_000 + 1_100_000 == times.left_ns


def test_time_that_passes_counts():
    """What the disk has done meanwhile is not waited for."""
    now = [0]
    times = DiskTimes(SLOW, lambda: now[0])
    times.spend(0)
    now[0] = 60_000
    first = times.left_ns
    now[0] = 500_000
    times.spend(0)
    assert (40_000, 100_000) == (first, times.left_ns)


def test_plain_disk_takes_no_time():
    """Without latency and bandwidth nothing is ever waited for."""
    times = DiskTimes(DiskSetup(), lambda: 0)
    times.spend(1 << 30, sync=True)
    assert 0 == times.left_ns


def test_delay_is_overtaken_and_sticking_is_not():
    """After a delayed operation the next one is quick; after a stuck one it comes behind."""
    delayed, stuck = DiskTimes(SLOW, lambda: 0), DiskTimes(SLOW, lambda: 0)
    delayed.delay_ms(50)
    stuck.stick_ms(50)
    for times in (delayed, stuck):
        times.spend(0)
    assert (50_000_000, 50_100_000) == (delayed.left_ns, stuck.left_ns)


def test_reset_drops_what_is_under_way():
    """After a power loss nothing is left to wait for."""
    times = DiskTimes(SLOW, lambda: 0)
    times.stick_ms(50)
    times.reset()
    assert 0 == times.left_ns


def test_latency_and_stuck_faults_bite():
    """A latency fault and a stuck disk make whoever can wait wait so long, and count as fired."""
    found = []
    for fault in (f.DiskLatency(latency_ms=7, max_triggers=1), f.DiskStuck(stuck_ms=9, max_triggers=1)):
        bench = Bench(fault)
        bench.written("/a", OLD)
        found.append((bench.disk.times.left_ns, bench.fired))
    assert [(7_000_000, 1), (9_000_000, 1)] == found


def test_idle_disk_is_not_waited_for():
    """Who awaits an idle disk goes on at once, without a loop."""
    coroutine = Bench().disk.idle()
    ended = False
    try:
        coroutine.send(None)
    except StopIteration:
        ended = True
    assert ended
