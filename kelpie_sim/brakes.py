"""Which lives may not run as they like: dead ones, paused ones, and ones whose processor is short of time.

The loop asks here before each step, but only while `lives` holds any; so a run without crash, pause and slowness pays
for nothing.

Laws:
- What a dead life would have run goes to the graveyard.
- What a paused life would have run is set aside in the order in which it came up, its timers too, and becomes ready in
that order when it goes on. Time does not wait for it.
- Each step of a slow life takes so much virtual time: what comes up meanwhile waits for its turn, first come, first
served. It is one processor that runs one thing at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

from kelpie_sim.graveyard import Graveyard
from kelpie_sim.incarnation import INCARNATION, Incarnation
from kelpie_sim.tasks import Handle
from kelpie_sim.timers import Timers

# Past so many turns, those of cancelled handles are dropped, so that memory stays flat.
_TURNS_MIN = 256


def admits(graveyard: Graveyard, callback: Callable[..., object], args: tuple[object, ...], context: Context) -> bool:
    """Return whether what the current life schedules shall happen; the dead schedule nothing.

    Give the context to the current host if it has none.
    """
    life = INCARNATION.get()
    if life is None:
        return True
    if INCARNATION not in context:
        context.run(INCARNATION.set, life)
    if life.alive:
        return True
    graveyard.keep((callback, args))
    return False


class _Brake:
    """How one life is held back: `held` while it is paused, `step_ns` while it is slow."""

    __slots__ = ("free_ns", "held", "step_ns", "turns", "turns_limit")

    def __init__(self) -> None:
        self.held: list[Handle] | None = None
        self.step_ns = 0
        # The instant up to which the processor is taken, by steps that were run and by turns that were given.
        self.free_ns = 0
        # By address for the look-up only; a handle in here is referred to, so its address is its own.
        self.turns: dict[int, Handle] = {}
        self.turns_limit = _TURNS_MIN

    def give_turn(self, handle: Handle) -> int:
        """Return the instant of the handle's turn."""
        turn_ns = self.free_ns
        self.free_ns += self.step_ns
        self.turns[id(handle)] = handle
        if len(self.turns) > self.turns_limit:
            self.turns = {key: waiting for key, waiting in self.turns.items() if waiting._callback is not None}
            self.turns_limit = max(_TURNS_MIN, 2 * len(self.turns))
        return turn_ns


class Brakes:
    """All lives that are held back; `lives` is empty as long as there are none."""

    __slots__ = ("_graveyard", "_timers", "lives")

    def __init__(self, timers: Timers, graveyard: Graveyard) -> None:
        self._timers = timers
        self._graveyard = graveyard
        self.lives: dict[Incarnation | None, _Brake] = {}

    def stops(self, handle: Handle, time_ns: int) -> bool:
        """Return whether a handle that has come up must not run now; if so, it is in other hands from here on."""
        life = handle._context.get(INCARNATION)
        brake = self.lives.get(life)
        if brake is None or life is None:
            return False
        if not life.alive:
            self._graveyard.keep((handle._callback, handle._args))
            return True
        had_turn = brake.turns.pop(id(handle), None) is not None
        if brake.held is not None:
            brake.held.append(handle)
            return True
        if not had_turn and time_ns < brake.free_ns:
            self._timers.add(brake.give_turn(handle), handle)
            return True
        if not had_turn:
            brake.free_ns = time_ns + brake.step_ns
            self._let_go(life, time_ns)
        return False

    def hold(self, life: Incarnation) -> None:
        """Pause a life; nothing happens if it is paused or dead."""
        brake = self._brake(life)
        if brake.held is None and life.alive:
            brake.held = []

    def release(self, life: Incarnation, time_ns: int, give: Callable[[Handle], None]) -> None:
        """Let a paused life go on: give away what was set aside, in order; nothing happens if it is not paused."""
        brake = self._brake(life)
        held, brake.held = brake.held or (), None
        self._let_go(life, time_ns)
        for handle in held:
            give(handle)

    def release_all(self, time_ns: int, give: Callable[[Handle], None]) -> None:
        """Let all paused lives go on."""
        for life, brake in list(self.lives.items()):
            if life is not None and brake.held is not None:
                self.release(life, time_ns, give)

    def slow(self, life: Incarnation, step_ns: int, time_ns: int) -> None:
        """Make each step of a life take so long; 0 ends that. Raise ValueError for a negative time."""
        if step_ns < 0:
            raise ValueError(f"a step cannot take {step_ns} ns")
        self._brake(life).step_ns = step_ns
        self._let_go(life, time_ns)

    def bury(self, life: Incarnation) -> None:
        """Note that a life is over: what was set aside goes to the graveyard, and so does whatever comes up."""
        brake = self._brake(life)
        for handle in brake.held or ():
            self._graveyard.keep((handle._callback, handle._args))
        self.lives[life] = _Brake()

    def paused(self) -> tuple[str, ...]:
        """Return the names of the hosts that are paused, in the order in which they came here."""
        return tuple(life.host.name for life, brake in self.lives.items() if life and brake.held is not None)

    def _brake(self, life: Incarnation) -> _Brake:
        return self.lives.setdefault(life, _Brake())

    def _let_go(self, life: Incarnation, time_ns: int) -> None:
        """Forget a life that nothing holds back any more."""
        brake = self.lives[life]
        if life.alive and brake.held is None and not brake.step_ns and brake.free_ns <= time_ns:
            del self.lives[life]
