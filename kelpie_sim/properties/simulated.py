"""Hypothesis tests whose body is a coroutine in a simulated world.

    @given(amounts=st.lists(st.integers(1, 9)))
    @simulated(faults=fault_plans(LetterLost), operations=OPERATIONS)
    async def test_letters_arrive(world, amounts): ...

The order of events and the faults are drawn as the arguments are, so a failing example shrinks over data, order and
faults together. What was drawn is told with the example, as a story.

Two settings matter. `deadline`: the first run of a process imports and compiles, so there is none here. `phases`: the
phase "explain" runs the example many times more with every line traced, which costs ten times more than all the rest,
so it is left out. Both hold unless a test has settings of its own; give those `SETTINGS` as their parent.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Concatenate, ParamSpec

import attrs
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.control import current_build_context

from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Finding, FindingKind
from kelpie_sim.properties.drawing import Schedule, described, drawn, schedules
from kelpie_sim.scenario import STEP_LIMIT, TIME_LIMIT_SECONDS, Scenario
from kelpie_sim.shrink.story import TellingLine
from kelpie_sim.simulation import World, simulate

P = ParamSpec("P")
Body = Callable[Concatenate[World, P], Awaitable[None]]

SETTINGS = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink))


class SimulationFailed(AssertionError):
    """A run that ended with a finding which no exception of the test's body tells: a stall, an error nobody saw."""

    signature: ClassVar[str] = ""
    """That of the finding; each has a class of its own."""


@functools.cache
def failure_class(signature: str) -> type[SimulationFailed]:
    """Return the error class of a signature: Hypothesis keeps failures apart by their class."""
    return type("SimulationFailed", (SimulationFailed,), {"signature": signature})


def simulated(
    *,
    order: st.SearchStrategy[Schedule] | None = None,
    faults: st.SearchStrategy[tuple[Fault, ...]] | None = None,
    operations: Mapping[str, frozenset[str]] | None = None,
    sometimes: tuple[str, ...] = (),
    step_limit: int = STEP_LIMIT,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
) -> Callable[[Body[P]], Callable[P, None]]:
    """Return a decorator for a coroutine function that takes a world first; put it below `@given`.

    `order` draws who runs when (default: `schedules()`), `faults` what goes wrong (default: nothing); the rest is as a
    scenario has it. The test raises what the body raises, InvariantBroken for a broken invariant, and SimulationFailed
    for any other finding. A drawn fault that meets no operation is no failure.
    """
    order = schedules() if order is None else order
    faults = st.just(()) if faults is None else faults

    def decorate(body: Body[P]) -> Callable[P, None]:
        if not inspect.iscoroutinefunction(body):
            raise TypeError(
                f"{getattr(body, '__name__', body)!r} is no coroutine function: put @given above @simulated"
            )

        @functools.wraps(body)
        def test(*args: P.args, **kwargs: P.kwargs) -> None:
            plan = drawn(faults)
            scenario = Scenario(
                name="property",
                run=lambda world: body(world, *args, **kwargs),
                faults=lambda swarm: plan,
                operations=operations or {},
                sometimes=sometimes,
                step_limit=step_limit,
                time_limit_seconds=time_limit_seconds,
            )
            _Run(scenario, drawn(order), plan).check()

        parameters = list(inspect.signature(body).parameters.values())[1:]
        test.__signature__ = inspect.signature(body).replace(parameters=parameters)  # type: ignore[attr-defined]
        # Applied, they would forbid the test's own: `@given` takes these when it is given none.
        vars(test)["_hypothesis_internal_use_settings"] = SETTINGS
        return test

    return decorate


@attrs.define(eq=False)
class _Run:
    """One example."""

    scenario: Scenario
    schedule: Schedule
    plan: tuple[Fault, ...]
    world: World | None = None
    error: BaseException | None = None

    def check(self) -> None:
        """Run, and raise what went wrong."""
        scenario = attrs.evolve(self.scenario, run=self._body)
        lines: list[TellingLine] = []

        def line(world: World) -> TellingLine:
            lines.append(TellingLine(world, self.schedule.picks))
            return lines[0]

        outcome = simulate(scenario, self.schedule.seed, strategy=line)
        if current_build_context().is_final:
            tell(self.schedule, self.plan, lines[0].merged(outcome.story))
        self._raise(outcome.finding)

    async def _body(self, world: World) -> None:
        self.world = world
        try:
            await self.scenario.run(world)
        except GeneratorExit:
            raise  # The burial of a run that has ended before.
        except BaseException as error:
            self.error = error
            raise

    def _raise(self, finding: Finding | None) -> None:
        if finding is None or finding.kind is FindingKind.FAULT_NEVER_FIRED:
            return
        broken = self.world.invariants.broken if self.world else None
        error = broken or self.error
        if error is None:
            raise failure_class(finding.signature)(f"{finding.kind}: {finding.message}\n{finding.traceback}")
        raise error


def tell(schedule: Schedule, plan: tuple[Fault, ...], lines: tuple[str, ...]) -> None:
    """Note a run with its example: what was drawn, and what happened."""
    if schedule.seed:
        note(f"seed: {schedule.seed}")
    for fault in plan:
        note(f"planned: {described(fault)}")
    for number, line in enumerate(lines, 1):
        note(f"{number:>3}. {line}")
