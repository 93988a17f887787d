"""The list of scenarios: what `make simulate` runs when nobody says otherwise."""

from kelpie_sim.agents import scenarios
from kelpie_sim.agents.scenarios import (
    SCENARIOS,
    deletion,
    disk,
    edge,
    mixed,
    resources,
    sharing,
    transfers,
    turns,
    whole_stack,
)
from kelpie_sim.scenario import load_scenarios

SEEDS_MIN = 2_000


def test_every_scenario_is_listed_once():
    """The list holds the scenarios of every module, under names of their own."""
    modules = (transfers, turns, sharing, resources, deletion, disk, edge, mixed, whole_stack)
    listed = [s for module in modules for s in module.SCENARIOS]
    assert sorted(s.name for s in listed) == sorted(load_scenarios(scenarios.__name__))
    assert len(listed) == len(SCENARIOS)


def test_campaign_is_wide_enough():
    """All scenarios together run at least two thousand seeds by default."""
    assert sum(scenario.seeds for scenario in SCENARIOS) >= SEEDS_MIN


def test_every_scenario_is_told():
    """Each scenario stands in its module's docstring, or is that module's only one."""
    for module in (transfers, turns, sharing, resources, deletion, disk, edge, whole_stack):
        missing = [s.name for s in module.SCENARIOS if s.name.removesuffix("-faults") not in (module.__doc__ or "")]
        assert [] == missing
    assert len(mixed.SCENARIOS) == 1
