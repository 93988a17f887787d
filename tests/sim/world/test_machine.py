"""Faults of the machine itself, each biting a small program that counts and tells the time."""

import asyncio
import datetime as dt
import errno
import itertools

import attrs
import pytest

from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from kelpie_sim.world.machine import (
    ClockDrift,
    ClockJump,
    ClockSkew,
    CpuStarvation,
    DescriptorExhaustion,
    HostCrash,
    HostPause,
    OutOfMemory,
    open_descriptor,
)

HOUR_NS = 3_600 * 1_000_000_000


@attrs.define(eq=False)
class Seen:
    """What a program on one host saw in ten virtual seconds: (virtual ms, wall clock off by ms) at each tick."""

    ticks: list[tuple[int, int]] = attrs.field(factory=list)
    starts: list[int] = attrs.field(factory=list)
    errors: list[str] = attrs.field(factory=list)
    exit_codes: list[int | str | None] = attrs.field(factory=list)


def watched(*faults: Fault) -> tuple[Seen, Outcome]:
    """Run the ticking program under these faults and return what it saw."""
    seen = Seen()

    async def run(world: World) -> None:
        loop = world.loop

        async def ticking() -> None:
            seen.starts.append(loop.time_ns // 1_000_000)
            while True:
                await asyncio.sleep(1)
                shown_ns = round(dt.datetime.now(dt.UTC).timestamp() * 1_000_000) * 1_000
                seen.ticks.append((loop.time_ns // 1_000_000, (shown_ns - loop.wall_ns()) // 1_000_000))
                try:
                    await asyncio.create_task(asyncio.sleep(0))
                    open_descriptor(world.faults, host, "letters.txt")
                except (MemoryError, OSError) as error:
                    seen.errors.append(str(error))

        host = world.host("box")
        host.on_crash.append(lambda host: seen.exit_codes.append(host.exit_code))
        host.start(ticking)
        await world.sleep(10.5)

    return seen, simulate(Scenario(name="ticking", run=run, faults=lambda swarm: faults), seed=7)


def test_no_faults():
    """Without faults the program ticks once a second, on time, with the right clock."""
    seen, outcome = watched()
    assert ([(1_000 * n, 0) for n in range(1, 11)], [0], [], None) == (
        seen.ticks,
        seen.starts,
        seen.errors,
        outcome.finding,
    )


def test_host_crash():
    """A crash ends the life, and the restart begins another after its delay."""
    seen, outcome = watched(HostCrash(after=5, max_triggers=1, restart_ms=700))
    crashed_ms = seen.starts[1] - 700
    assert (2, [None], [("HostCrash", 1)]) == (len(seen.starts), seen.exit_codes, _fired(outcome))
    assert crashed_ms == seen.ticks[[ms for ms, _ in seen.ticks].index(crashed_ms)][0]


def test_host_crash_for_good():
    """A crash without restart leaves the host down."""
    seen, _ = watched(HostCrash(after=5, max_triggers=1, restart_ms=None))
    assert ([0], True) == (seen.starts, len(seen.ticks) < 5)


def test_host_pause():
    """A paused host misses its ticks, and goes on in the same life; what came due meanwhile comes at once."""
    seen, outcome = watched(HostPause(after=5, max_triggers=1, pause_ms=2_500))
    instants = [ms for ms, _ in seen.ticks]
    gaps = [b - a for a, b in itertools.pairwise(instants)]
    assert ([0], [("HostPause", 1)], 2_500) == (seen.starts, _fired(outcome), max(gaps))


def test_cpu_starvation():
    """On a starved processor every step takes its time, and at the end full speed is back."""
    seen, outcome = watched(CpuStarvation(after=5, max_triggers=1, step_us=100_000, starved_ms=2_000))
    instants = [ms for ms, _ in seen.ticks]
    gaps = [b - a for a, b in itertools.pairwise(instants)]
    assert ([("CpuStarvation", 1)], True, 1_000) == (_fired(outcome), max(gaps) > 1_000, gaps[-1])


def test_killed_for_want_of_memory():
    """Out of memory with `kill` ends the process with the exit code of a kill, and it starts again."""
    seen, outcome = watched(OutOfMemory(kill=True, after=5, max_triggers=1))
    assert ([137], 2, [("OutOfMemory", 1)]) == (seen.exit_codes, len(seen.starts), _fired(outcome))


def test_no_memory_for_a_task():
    """Out of memory without `kill` makes starting a task raise MemoryError, and leaves nothing unawaited."""
    seen, outcome = watched(OutOfMemory(after=1, max_triggers=2))
    expected = ["host 'box' has no memory left to start a task"] * 2
    assert (expected, None, [("OutOfMemory", 2)]) == (seen.errors, outcome.finding, _fired(outcome))


def test_descriptor_exhaustion():
    """With no descriptor left, opening something fails with EMFILE."""
    seen, outcome = watched(DescriptorExhaustion(max_triggers=1))
    expected = [f"[Errno {errno.EMFILE}] Too many open files: 'letters.txt'"]
    assert (expected, [("DescriptorExhaustion", 1)]) == (seen.errors, _fired(outcome))


def test_clock_skew():
    """A skewed clock is off by the same from the first tick to the last, and within its bound."""
    seen, _ = watched(ClockSkew(skew_ms_max=5_000))
    off = {ms for _, ms in seen.ticks}
    assert (1, True) == (len(off), 0 < max(abs(ms) for ms in off) <= 5_000)


def test_clock_drift():
    """A drifting clock is off by more each second."""
    seen, _ = watched(ClockDrift(drift_ppm_max=100_000))
    off = [abs(ms) for _, ms in seen.ticks]
    assert off == sorted(off)
    assert off[-1] > off[0]


def test_clock_jump():
    """A jump moves the wall clock once, and virtual time not at all."""
    seen, _ = watched(ClockJump(after=8, max_triggers=1))
    off = [ms for _, ms in seen.ticks]
    assert ({0, off[-1]}, True) == (set(off), off[-1] != 0)
    assert [1_000 * n for n in range(1, 11)] == [ms for ms, _ in seen.ticks]


@pytest.mark.parametrize("fault", [HostCrash(hosts=("other",)), ClockSkew(on="host_step")])
def test_a_fault_that_cannot_strike_is_told(fault):
    """A fault of probability 1 on a host that is not there, or where it cannot act, fails the run."""
    _, outcome = watched(fault)
    assert outcome.finding is not None
    assert "fault-never-fired" == outcome.finding.kind


def _fired(outcome: Outcome) -> list[tuple[str, int]]:
    return [(report.kind, report.fired) for report in outcome.faults]
