"""State machines of Hypothesis whose rules are coroutines, and run at the same time.

    class Bank(ConcurrentStateMachine):
        accounts = Bundle("accounts")

        @rule(target=accounts)
        async def open(self): ...

        @rule(account=accounts, amount=integers(1, 9))
        async def deposit(self, account, amount): ...

        @invariant()
        def nothing_is_lost(self): ...

    TestBank = Bank.TestCase

Everything of `hypothesis.stateful` works as it does there; rules may be plain functions too. What is new: a rule that
is a coroutine runs in a simulated world, and Hypothesis draws whether the next rule waits for its end. While it runs on
it is *in flight*, and steps of all that is in flight mix as a drawn schedule says. A failing example reads

    state = Bank()
    accounts_0 = await state.open()
    deposit_1 = start(state.deposit(account=accounts_0, amount=1))
    await state.deposit(account=accounts_0, amount=1)
    await deposit_1
    state.nothing_is_lost()

and shrinks over rules, arguments, what is in flight, order and faults together.

Laws: time passes, and what is in flight takes steps, only while a rule is awaited; a plain function is one instant.
The result of a rule goes to its bundles when its end is seen, so bundles hold values, never promises. Invariants
are checked at quiet moments, when nothing is in flight; with `check_each_step` also after each step of the loop.
What is in flight at the end is awaited, and then the invariants are checked once more.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

import attrs
from hypothesis import note, settings, stateful
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import Bundle, Invariant, MultipleResults, Rule, RuleBasedStateMachine, _SetupState, multiple

from kelpie_sim.faults import Fault
from kelpie_sim.properties.drawing import Schedule, drawn, schedules
from kelpie_sim.properties.pieces import Pieces
from kelpie_sim.properties.simulated import SETTINGS, tell
from kelpie_sim.scenario import Scenario
from kelpie_sim.shrink.story import TellingLine
from kelpie_sim.simulation import World
from kelpie_sim.tasks import AnyTask

# How a rule goes on; the plainest first.
QUIET, NEXT, ON = "quiet", "next", "on"
"""Until all that is in flight has ended; until it has ended itself; it stays in flight."""
WAYS = (QUIET, NEXT, ON)


F = TypeVar("F", bound=Callable[..., object])


def rule(
    *,
    target: Bundle[object] | None = None,
    targets: Sequence[Bundle[object]] = (),
    **arguments: st.SearchStrategy[object],
) -> Callable[[F], F]:
    """Return Hypothesis's decorator `rule`, typed so that it takes coroutines; either of the two will do."""
    return cast(Callable[[F], F], stateful.rule(target=target, targets=targets, **arguments))  # type: ignore[arg-type]


def initialize(
    *,
    target: Bundle[object] | None = None,
    targets: Sequence[Bundle[object]] = (),
    **arguments: st.SearchStrategy[object],
) -> Callable[[F], F]:
    """Return Hypothesis's decorator `initialize`, typed so that it takes coroutines."""
    return cast(Callable[[F], F], stateful.initialize(target=target, targets=targets, **arguments))  # type: ignore[arg-type]


@attrs.define(eq=False)
class Flight:
    """A rule that runs on while other rules begin."""

    name: str
    targets: tuple[str, ...]
    task: AnyTask


class ConcurrentStateMachine(RuleBasedStateMachine):
    """The base of state machines with rules that run at the same time; `world` is the world they run in."""

    order: ClassVar[st.SearchStrategy[Schedule]] = schedules()
    """Draws who runs when."""
    faults: ClassVar[st.SearchStrategy[tuple[Fault, ...]]] = st.just(())
    """Draws what goes wrong."""
    operations: ClassVar[Mapping[str, frozenset[str]]] = {}
    """What can fail, per port, as a scenario has it."""
    sometimes: ClassVar[tuple[str, ...]] = ()
    in_flight_max: ClassVar[int] = 4
    """How many rules may run on while another begins."""
    check_each_step: ClassVar[bool] = False
    """Whether invariants that are plain functions are checked after each step of the loop too."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule, self._plan = drawn(self.order), drawn(self.faults)
        self._line: TellingLine
        self._pieces = Pieces(self._scenario(), self._schedule.seed, self._make_line)
        self._in_flight: list[Flight] = []
        self._flights = 0
        self._shown = ""
        self._ended: list[str] = []
        self._checking: tuple[Any, ...] = ()
        if self.check_each_step:
            self.world.loop.after_step.append(self._check_step)
        # The driver's last call; a machine may have a teardown of its own, which need not know of ours.
        vars(self)["teardown"] = self._end

    @property
    def world(self) -> World:
        """The simulated world: hosts, faults, time."""
        return self._pieces.world

    def _scenario(self) -> Scenario:
        async def nothing(world: World) -> None:
            """The machine's rules are what runs."""

        plan = self._plan
        return Scenario(
            name="machine",
            run=nothing,
            faults=lambda swarm: plan,
            operations=self.operations,
            sometimes=self.sometimes,
        )

    def _make_line(self, world: World) -> TellingLine:
        self._line = TellingLine(world, self._schedule.picks)
        return self._line

    def __init_subclass__(cls) -> None:
        # As for tests: the phase "explain" traces every line of the world.
        cls.TestCase.settings = settings(cls.TestCase.settings, phases=SETTINGS.phases)

    # --- rules

    @classmethod
    def setup_state(cls) -> _SetupState:
        """Return the rules and invariants, those that are coroutines made to run in the world."""
        return _prepared(cls)

    def launch(self, rule: Rule, coroutine: Coroutine[Any, Any, object], how: str) -> object:
        """Run a rule, on its own or beside what is in flight; return its result if it has ended."""
        self._flights += 1
        name = f"{rule.function.__name__}_{self._flights}"
        if how == ON and len(self._in_flight) >= self.in_flight_max:
            how = NEXT
        self._shown, self._ended = f"{name} = start(" if how == ON else "await ", []
        task = self._pieces.start(coroutine, name)
        if how == ON:
            self._in_flight.append(Flight(name, rule.targets, task))
            return multiple() if rule.targets else None
        result = self._pieces.until(task)
        self._see_ends(all_of_them=how == QUIET)
        return result

    def finish(self, coroutine: Coroutine[Any, Any, object], name: str) -> object:
        """Run a coroutine to its end, and return its result."""
        return self._pieces.until(self._pieces.start(coroutine, name))

    def _see_ends(self, *, all_of_them: bool) -> None:
        """Take the results of what has ended; with `all_of_them`, run until all has."""
        for flight in [*self._in_flight]:
            if all_of_them or flight.task.done():
                self._in_flight.remove(flight)
                self._ended.append(f"await {flight.name}")
                result = self._pieces.until(flight.task)
                self._take_result(flight, result)

    def _take_result(self, flight: Flight, result: object) -> None:
        if not flight.targets:
            return
        values = result.values if isinstance(result, MultipleResults) else (result,)
        self._add_results_to_targets(flight.targets, values)  # type: ignore[no-untyped-call]
        if values:
            self._ended[-1] = f"{' = '.join(self._last_names(len(values) * len(flight.targets)))} = {self._ended[-1]}"

    def _repr_step(self, rule: Rule, data: Any, result: Any) -> str:
        """Return the lines of a step: how it was started, and whose end was seen in it."""
        assignment, _, call = super()._repr_step(rule, data, result).partition("state.")
        shown, ended, self._shown, self._ended = self._shown, self._ended, "", []
        closing = ")" if shown.endswith("(") else ""
        return "\n".join([f"{assignment}{shown}state.{call}{closing}", *ended])

    # --- invariants

    def check_invariants(self, settings: settings, output: Callable[[str], object], runtimes: dict[str, float]) -> None:
        """Check the invariants if nothing is in flight."""
        self._checking = (settings, output, runtimes)
        if not self._in_flight:
            super().check_invariants(settings, output, runtimes)

    def _check_step(self) -> None:
        for invariant in self.invariants:
            applies = all(precondition(self) for precondition in invariant.preconditions)
            ready = invariant.check_during_init or not self._initialize_rules_to_run
            if applies and ready and not hasattr(invariant.function, "in_world"):
                invariant.function(self)

    # --- the end

    async def shutdown(self) -> None:
        """Runs in the world at the end of a run that has not failed. Does nothing by default.

        `teardown` is there too, as in any machine: outside of the world, after each run.
        """

    def _end(self) -> None:
        """Await what is in flight, check once more, shut down and end the world; after a failure, only end it."""
        failed = sys.exc_info()[0] is not None  # The driver calls from its `finally`.
        try:
            if not failed:
                self._come_to_rest()
        except BaseException:
            failed = True
            raise
        finally:
            if failed and current_build_context().is_final:
                tell(self._schedule, self._plan, self._line.merged(self.world.lines))
            try:
                type(self).teardown(self)
            finally:
                self._pieces.close(failed=failed)

    def _come_to_rest(self) -> None:
        if self._in_flight:
            self._ended = []
            try:
                self._see_ends(all_of_them=True)
            finally:
                for line in self._ended:
                    note(f"{line}  # at the end")
            self.check_invariants(*self._checking)
        self.finish(self.shutdown(), "shutdown")


@functools.cache
def _prepared(machine: type[ConcurrentStateMachine]) -> _SetupState:
    """Return the rules and invariants of a machine for the driver.

    A rule that is a coroutine is there once for each way to go on. Drawn as a choice of its own, that way would be one
    more thing to delete with each step, and past five the shrinker deletes no steps.
    """
    state = super(ConcurrentStateMachine, machine).setup_state()
    return dataclasses.replace(
        state,
        rules=[launched for how in WAYS for rule in state.rules for launched in _launched(rule, how)],
        initializers=[launched for rule in state.initializers for launched in _launched(rule, QUIET)],
        invariants=[_finished(invariant) for invariant in state.invariants],
    )


def _launched(rule: Rule, how: str) -> Iterator[Rule]:
    """Yield the rule that goes on in this way; a plain function knows but one."""
    if _is_coroutine(rule.function):

        @functools.wraps(rule.function)
        def launch(machine: ConcurrentStateMachine, **arguments: object) -> object:
            return machine.launch(rule, rule.function(machine, **arguments), how)

        yield dataclasses.replace(rule, function=launch)
    elif how == QUIET:
        yield rule


def _is_coroutine(function: Callable[..., object]) -> bool:
    """Return whether a rule or an invariant is a coroutine function, below what `precondition` wraps around it."""
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _finished(invariant: Invariant) -> Invariant:
    if not _is_coroutine(invariant.function):
        return invariant

    @functools.wraps(invariant.function)
    def finish(machine: ConcurrentStateMachine) -> object:
        return machine.finish(invariant.function(machine), invariant.function.__name__)

    vars(finish)["in_world"] = True
    return dataclasses.replace(invariant, function=finish)
