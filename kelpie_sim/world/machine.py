"""What goes wrong with a machine itself: power, processor, memory, descriptors, clock.

The port "host" has four operations: `host_start` when a host boots, `host_step` after each step that one of its tasks
or callbacks takes, `task_start` when a task of it starts another, `descriptor_open` when it opens a file or a
connection. Steps are looked at only in runs that have a fault which could strike there: the others pay nothing.
"""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from typing import Any

import attrs

from kelpie_sim.faults import Applies, Fault, FaultBoard, Verdict
from kelpie_sim.incarnation import INCARNATION
from kelpie_sim.loop import SimLoop
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.tasks import AnyTask, SimTask
from kelpie_sim.world.host import Host

PORT = "host"
HOST_START, HOST_STEP, TASK_START, DESCRIPTOR_OPEN = "host_start", "host_step", "task_start", "descriptor_open"
OPERATIONS = frozenset((HOST_START, HOST_STEP, TASK_START, DESCRIPTOR_OPEN))
EXIT_CODE_KILLED = 137
NS_PER_MS = 1_000_000


@attrs.frozen(kw_only=True)
class HostCrash(Fault):
    """The host loses power after a step, and starts again `restart_ms` later. Acts on `host_step`."""

    port = PORT
    restart_ms: int | None = 1_000
    """None: it stays down until somebody starts it."""


@attrs.frozen(kw_only=True)
class HostPause(Fault):
    """The host stands still for `pause_ms`, and then goes on as if nothing had been. Acts on `host_step`."""

    port = PORT
    pause_ms: int = 1_000


@attrs.frozen(kw_only=True)
class CpuStarvation(Fault):
    """For `starved_ms`, each step of the host takes `step_us` of virtual time. Acts on `host_step`."""

    port = PORT
    step_us: int = 1_000
    starved_ms: int = 1_000


@attrs.frozen(kw_only=True)
class OutOfMemory(Fault):
    """There is no memory left. With `kill` the host's process is killed after a step, and starts again `restart_ms`
    later; without, starting a task raises MemoryError. Acts on `host_step` and `task_start`."""

    port = PORT
    kill: bool = False
    restart_ms: int | None = 1_000


@attrs.frozen(kw_only=True)
class DescriptorExhaustion(Fault):
    """Opening a file or a connection fails: too many are open (EMFILE). Acts on `descriptor_open`."""

    port = PORT


@attrs.frozen(kw_only=True)
class ClockSkew(Fault):
    """The wall clock of a host that boots is off by up to `skew_ms_max`, either way. Acts on `host_start`."""

    port = PORT
    skew_ms_max: int = 60_000


@attrs.frozen(kw_only=True)
class ClockDrift(Fault):
    """The wall clock of a host that boots gains or loses up to `drift_ppm_max`. Acts on `host_start`."""

    port = PORT
    drift_ppm_max: int = 500


@attrs.frozen(kw_only=True)
class ClockJump(Fault):
    """The wall clock of a host jumps by up to `jump_ms_max`, either way. Acts on `host_step`."""

    port = PORT
    jump_ms_max: int = 3_600_000


_AT_START = (ClockSkew, ClockDrift)


def _at_step(fault: Fault) -> bool:
    return isinstance(fault, HostCrash | HostPause | CpuStarvation | ClockJump) or (
        isinstance(fault, OutOfMemory) and fault.kill
    )


def _at_task(fault: Fault) -> bool:
    return isinstance(fault, OutOfMemory) and not fault.kill


def open_descriptor(board: FaultBoard, host: Host | None, what: str) -> None:
    """Raise OSError(EMFILE) if the host has no descriptor left; ports ask before they open a file or a connection."""
    if host is None:
        return
    verdict = board.verdict(PORT, DESCRIPTOR_OPEN, host=host.name, subject=what, applies=(DescriptorExhaustion,))
    if verdict is not None:
        verdict.fire()
        raise OSError(errno.EMFILE, "Too many open files", what)


def descriptors_fail(board: FaultBoard | None) -> bool:
    """Say whether a host may ever have no descriptor left; else a port need not ask."""
    return board is not None and DESCRIPTOR_OPEN in board.risky(PORT)


class Machines:
    """Strikes the hosts of a world with the faults of the port "host"."""

    def __init__(self, loop: SimLoop, faults: Iterable[Fault], board: FaultBoard, streams: Streams) -> None:
        self._loop = loop
        self._board = board
        self._stream: Stream = streams.stream("host")
        mine = [fault for fault in faults if fault.port == PORT]
        self._armed = bool(mine)
        if any(_at_step(fault) for fault in mine):
            loop.after_step.append(self._stepped)
        if any(_at_task(fault) for fault in mine):
            self._guard_tasks()

    def watch(self, host: Host) -> None:
        """Strike this host too."""
        if self._armed:
            host.on_start.append(self._started)

    def _verdict(self, operation: str, host: Host, applies: Applies) -> Verdict | None:
        return self._board.verdict(PORT, operation, host=host.name, applies=applies)

    def _started(self, host: Host) -> None:
        verdict = self._verdict(HOST_START, host, _AT_START)
        if verdict is None:
            return
        verdict.fire()
        fault = verdict.fault
        if isinstance(fault, ClockSkew):
            host.clock.jump(self._either_way(fault.skew_ms_max) * NS_PER_MS)
        elif isinstance(fault, ClockDrift):
            host.clock.drift(self._either_way(fault.drift_ppm_max), self._loop.wall_ns())

    def _either_way(self, bound: int) -> int:
        """Return a number from 1 to `bound`, or its negative: 0 would change nothing."""
        size = 1 + self._stream.below(bound)
        return -size if self._stream.chance(0.5) else size

    def _stepped(self) -> None:
        life = self._loop.stepped.get(INCARNATION)
        if life is None or not life.alive or not self._board.active:
            return
        host: Host = life.host
        verdict = self._verdict(HOST_STEP, host, _at_step)
        if verdict is None:
            return
        if isinstance(verdict.fault, HostPause) and host.paused:
            verdict.waive()
            return
        verdict.fire()
        self._strike(host, verdict.fault)

    def _strike(self, host: Host, fault: Fault) -> None:
        if isinstance(fault, HostCrash):
            host.crash()
            self._later(fault.restart_ms, _start_again, host, host.incarnation)
        elif isinstance(fault, OutOfMemory):
            host.exit(SystemExit(EXIT_CODE_KILLED))
            self._later(fault.restart_ms, _start_again, host, host.incarnation)
        elif isinstance(fault, HostPause):
            host.pause()
            self._later(fault.pause_ms, _go_on, host, host.incarnation)
        elif isinstance(fault, CpuStarvation):
            host.slow(fault.step_us * 1_000)
            self._later(fault.starved_ms, _full_speed, host, host.incarnation)
        elif isinstance(fault, ClockJump):
            host.clock.jump(self._either_way(fault.jump_ms_max) * NS_PER_MS)

    def _later(self, delay_ms: int | None, act: Callable[[Host, int], None], host: Host, incarnation: int) -> None:
        if delay_ms is not None:
            # In nobody's context: the machine room works while the machine does not.
            self._loop.call_later(delay_ms / 1_000, act, host, incarnation, context=Context())

    def _guard_tasks(self) -> None:
        real = self._loop.create_task

        def create_task(coro: Coroutine[Any, Any, Any], **options: Any) -> AnyTask:
            self._allow_task(coro)
            return real(coro, **options)

        self._loop.create_task = create_task  # type: ignore[method-assign]  # Of this loop only.

    def _allow_task(self, coro: Coroutine[Any, Any, Any]) -> None:
        life = INCARNATION.get()
        task = None if life is None else asyncio.current_task(self._loop)
        # Only what a task of the host itself starts: that a host boots at all is another matter.
        if life is None or not isinstance(task, SimTask) or task.life is not life:
            return
        if verdict := self._verdict(TASK_START, life.host, _at_task):
            verdict.fire()
            coro.close()
            raise MemoryError(f"host {life.host.name!r} has no memory left to start a task")


def _start_again(host: Host, incarnation: int) -> None:
    if not host.alive and host.incarnation == incarnation:
        host.restart()


def _go_on(host: Host, incarnation: int) -> None:
    if host.incarnation == incarnation:
        host.resume()


def _full_speed(host: Host, incarnation: int) -> None:
    if host.alive and host.incarnation == incarnation:
        host.slow(0)
