"""The list of scenarios: what `make simulate` runs when nobody says otherwise."""

import importlib
import pkgutil

from kelpie_sim.agents import scenarios
from kelpie_sim.agents.scenarios import SCENARIOS, mixed
from kelpie_sim.scenario import load_scenarios

SEEDS_MIN = 2_000
NAMES = [module.name for module in pkgutil.iter_modules(scenarios.__path__, f"{scenarios.__name__}.")]
MODULES = [module for name in NAMES if hasattr(module := importlib.import_module(name), "SCENARIOS")]


def test_every_scenario_is_listed_once():
    """The list holds the scenarios of every module, under names of their own."""
    listed = [s for module in MODULES for s in module.SCENARIOS]
    assert sorted(s.name for s in listed) == sorted(load_scenarios(scenarios.__name__))
    assert len(listed) == len(SCENARIOS)


def test_campaign_is_wide_enough():
    """All scenarios together run at least two thousand seeds by default."""
    assert sum(scenario.seeds for scenario in SCENARIOS) >= SEEDS_MIN


def test_every_scenario_is_told():
    """Each scenario stands in its module's docstring, or is that module's only one."""
    for module in MODULES:
        told = module.__doc__ or ""
        if module is not mixed:
            assert [] == [s.name for s in module.SCENARIOS if s.name.removesuffix("-faults") not in told]
    assert len(mixed.SCENARIOS) == 1
