"""A scenario: a program with its workload, the faults that may hit it, and how far it may go.

Scenarios live with the program that they exercise. The command line finds them by importing a module that holds a
tuple named SCENARIOS, so the engine knows no program by name.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

import attrs

from kelpie_sim.faults import Fault
from kelpie_sim.options import Swarm

if TYPE_CHECKING:
    from kelpie_sim.simulation import World

STEP_LIMIT = 1_000_000
TIME_LIMIT_SECONDS = 24 * 3600.0


def no_faults(swarm: Swarm) -> tuple[Fault, ...]:
    """Return no faults: the default."""
    return ()


@attrs.frozen(kw_only=True)
class Scenario:
    """A program under simulation. `run` gets a world, does its work there, and checks what came of it."""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[a-z0-9][a-z0-9_-]*"))
    run: Callable[["World"], Awaitable[None]]
    faults: Callable[[Swarm], tuple[Fault, ...]] = no_faults
    """Return the faults of a run, their rates and sizes drawn from the swarm."""
    operations: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    """What can fail: per port, the names of its operations."""
    sometimes: tuple[str, ...] = ()
    """What must happen at least once over a campaign."""
    strategy: str = "random"
    step_limit: int = attrs.field(default=STEP_LIMIT, validator=attrs.validators.gt(0))
    time_limit_seconds: float = attrs.field(default=TIME_LIMIT_SECONDS, validator=attrs.validators.gt(0))
    seeds: int = attrs.field(default=100, validator=attrs.validators.gt(0))
    """How many seeds a campaign runs when nobody says."""
    doc: str = ""


class Registry(Protocol):
    """A module that holds scenarios."""

    SCENARIOS: tuple[Scenario, ...]


class UnknownScenario(ValueError):
    """There is no such scenario, or no such module of scenarios. The message lists what there is."""


def load_scenarios(module: str) -> dict[str, Scenario]:
    """Import a module and return its scenarios by name; raise UnknownScenario when it has none, or two of one name."""
    try:
        registry = cast(Registry, importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and something that it imports is missing
        raise UnknownScenario(f"there is no module {module} with scenarios") from error
    scenarios: dict[str, Scenario] = {}
    for scenario in getattr(registry, "SCENARIOS", ()):
        if scenario.name in scenarios:
            raise UnknownScenario(f"{module} has two scenarios named {scenario.name}")
        scenarios[scenario.name] = scenario
    if not scenarios:
        raise UnknownScenario(f"{module} has no scenarios: it wants a tuple named SCENARIOS")
    return scenarios


def pick_scenarios(
    scenarios: Mapping[str, Scenario], names: tuple[str, ...], *, strategy: str = ""
) -> tuple[Scenario, ...]:
    """Return the scenarios of these names, or all; raise UnknownScenario for a name that is not there.

    With a strategy, they are searched by that in place of their own.
    """
    for name in names:
        if name not in scenarios:
            raise UnknownScenario(f"there is no scenario {name!r}; there are {', '.join(sorted(scenarios))}")
    chosen = tuple(scenarios[name] for name in names) or tuple(scenarios.values())
    return tuple(searched_by(strategy, scenario) for scenario in chosen)


def searched_by(strategy: str, scenario: Scenario) -> Scenario:
    """Return the scenario with this strategy in place of its own; with none, as it is."""
    return attrs.evolve(scenario, strategy=strategy) if strategy else scenario
