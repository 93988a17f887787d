"""Named hosts: what runs on one dies with it.

A crash is a power loss: the host's tasks, timers and callbacks never run again, not even their `finally` blocks, and
what they hold is kept in the graveyard until the run is over. A restart is a new incarnation that runs `main` again,
with whatever the ports (disk, network) kept for it. A task of another host that waits for a dead one waits for ever.

A pause is a process that is stopped, or a machine that is swapped out: nothing of it runs until it resumes, and the
world goes on meanwhile. A reformat is a crash after which the ports have kept nothing.

Laws: ports hold the host and the incarnation they were made for, and check both before each effect (check_alive); the
ambient `current_host` is not enough, because finalizers run in the context of whoever triggered them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from kelpie_sim.errors import HostDead, SimulationError
from kelpie_sim.incarnation import INCARNATION, Incarnation, context_of
from kelpie_sim.loop import SimLoop
from kelpie_sim.tasks import SimTask
from kelpie_sim.world.clock import HostClock

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, object]]


class Host:
    """A machine of the simulated world. `incarnation` counts its lives, from 0 before the first start."""

    __slots__ = (
        "_life", "_loop", "_main", "clock", "exit_code", "incarnation", "name", "on_crash", "on_reformat", "on_start",
        "paused",
    )  # fmt: skip

    def __init__(self, loop: SimLoop, name: str) -> None:
        self.name = name
        self.incarnation = 0
        self.exit_code: int | str | None = None
        self.clock = HostClock()
        self.paused = False
        self.on_start: list[Callable[[Host], None]] = []
        self.on_crash: list[Callable[[Host], None]] = []
        self.on_reformat: list[Callable[[Host], None]] = []
        self._loop = loop
        self._main: Main | None = None
        self._life: Incarnation | None = None

    @property
    def alive(self) -> bool:
        """Whether the host is up."""
        return self._life is not None and self._life.alive

    def start(self, main: Main) -> SimTask[object]:
        """Boot the host and run `main` on it. Raise SimulationError if it is up already.

        SystemExit in any of its tasks ends the whole host, as it would end a process; `exit_code` tells how.
        """
        if self.alive:
            raise SimulationError(f"host {self.name!r} runs already")
        self._main = main
        self.incarnation += 1
        self.exit_code = None
        life = self._life = Incarnation(self, self.incarnation)
        self._loop.host_started()
        self._loop.trace.record("host start", self.name, self.incarnation)
        self._tell(self.on_start)
        # Made inside the new context: the caller may be the life that has just ended, and nothing of that is scheduled.
        return context_of(life).run(self._boot, main)

    def _boot(self, main: Main) -> SimTask[object]:
        return self._loop.create_task(_process(self, main), name=f"{self.name}/main")

    def spawn(self, coro: Coroutine[Any, Any, T]) -> SimTask[T]:
        """Run a coroutine on this host. Raise HostDead if it is down."""
        context = self.context()
        return self._loop.create_task(coro, context=context)

    def context(self) -> Context:
        """Return a fresh context that belongs to this life of the host. Raise HostDead if it is down."""
        if self._life is None or not self._life.alive:
            raise HostDead(f"host {self.name!r} is down")
        return context_of(self._life)

    def crash(self) -> None:
        """Lose power; nothing happens if it is down already. Raise HostDead when called by code of the host itself."""
        own = INCARNATION.get() is self._life
        if self.alive:
            self._power_off("host crash")
            if own:
                raise HostDead(f"host {self.name!r} lost power")

    def restart(self) -> SimTask[object]:
        """Lose power if it is up, then boot and run the same main again. Raise as `crash` does, after the boot."""
        if self._main is None:
            raise SimulationError(f"host {self.name!r} was never started")
        own = self.alive and INCARNATION.get() is self._life
        if self.alive:
            self._power_off("host crash")
        task = self.start(self._main)
        if own:
            raise HostDead(f"host {self.name!r} restarted itself")
        return task

    def pause(self) -> None:
        """Stop everything that runs on it, where it stands; timers that come due meanwhile wait for `resume`.

        A step that pauses its own host goes on to its end. Nothing happens if it is down, or paused already.
        """
        if self.alive and not self.paused:
            assert self._life is not None, "a host that is up has a life"
            self.paused = True
            self._loop.trace.record("host pause", self.name, self.incarnation)
            self._loop.hold(self._life)

    def resume(self) -> None:
        """Let it run on, with all that came due meanwhile. Nothing happens if it is not paused."""
        if self.paused:
            assert self._life is not None, "only a host that is up is paused"
            self.paused = False
            self._loop.trace.record("host resume", self.name, self.incarnation)
            self._loop.release(self._life)

    def slow(self, step_ns: int) -> None:
        """Let each step of this life take so long, as on a starved processor; 0 is full speed. Raise HostDead."""
        if self._life is None or not self._life.alive:
            raise HostDead(f"host {self.name!r} is down")
        self._loop.trace.record("host slow", self.name, step_ns)
        self._loop.slow(self._life, step_ns)

    def reformat(self) -> None:
        """Lose power, and with it all that the ports have kept; a restart finds a new machine of the same name.

        Raise HostDead when called by code of the host itself.
        """
        own = self.alive and INCARNATION.get() is self._life
        if self.alive:
            self._power_off("host crash")
        self._loop.trace.record("host reformat", self.name, self.incarnation)
        self._tell(self.on_reformat)
        if own:
            raise HostDead(f"host {self.name!r} was reformatted")

    def exit(self, cause: SystemExit) -> None:
        """End the host as a process ends: like a crash, with an exit code."""
        if self.alive:
            self.exit_code = 0 if cause.code is None else cause.code
            self._power_off("host exit")

    def _power_off(self, kind: str) -> None:
        life = self._life
        assert life is not None, "only a host that is up loses power"
        life.alive = False
        self.paused = False
        self._loop.trace.record(kind, self.name, life.number)
        self._loop.abandon(life)
        self._tell(self.on_crash)

    def _tell(self, hooks: list[Callable[[Host], None]]) -> None:
        for hook in hooks:
            # In nobody's context: what the world does about a crash must happen even if the host crashed itself.
            Context().run(hook, self)


async def _process(host: Host, main: Main) -> object:
    try:
        return await main()
    except SystemExit as cause:
        host.exit(cause)
        return None


def current_host() -> Host | None:
    """Return the host that the running code belongs to, None for the harness."""
    life = INCARNATION.get()
    return None if life is None else life.host


def check_alive(host: Host, incarnation: int) -> None:
    """Raise HostDead unless `host` is up and in this very incarnation."""
    if host.incarnation != incarnation or not host.alive:
        raise HostDead(f"host {host.name!r} is no longer in incarnation {incarnation}")
