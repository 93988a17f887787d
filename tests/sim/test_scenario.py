"""Scenarios as values, and how they are found."""

import sys
from types import ModuleType

import pytest

from kelpie_sim.options import Swarm
from kelpie_sim.scenario import Scenario, UnknownScenario, load_scenarios, no_faults, pick_scenarios
from kelpie_sim.seed import Streams
from tests.sim import toy


@pytest.mark.parametrize("fields", [{"name": "With Spaces"}, {"name": ""}, {"seeds": 0}, {"step_limit": 0}])
def test_bad_scenario_is_refused(fields):
    """A name is a word for the command line, and bounds are positive."""
    with pytest.raises(ValueError, match=r"."):
        Scenario(**{"name": "quiet", "run": toy.quiet, **fields})


def test_scenario_has_no_faults_by_default():
    """Nothing goes wrong unless the scenario says so."""
    assert no_faults(Swarm(Streams(1).stream("options"))) == ()


def test_scenarios_are_loaded_by_module_and_name():
    """A module's SCENARIOS come by name, in their order."""
    assert load_scenarios("tests.sim.toy") == {scenario.name: scenario for scenario in toy.SCENARIOS}


def test_missing_module_is_named():
    """A module that does not exist is a usage error."""
    with pytest.raises(UnknownScenario, match=r"there is no module tests\.sim\.nowhere with scenarios"):
        load_scenarios("tests.sim.nowhere")


def test_missing_import_of_a_module_is_not_hidden(tmp_path, monkeypatch):
    """If the module is there and what it imports is not, that very error is raised."""
    (tmp_path / "broken_scenarios.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load_scenarios("broken_scenarios")


def module_with(monkeypatch, scenarios: tuple[Scenario, ...]) -> str:
    module = ModuleType("made_scenarios")
    module.SCENARIOS = scenarios  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_scenarios", module)
    return "made_scenarios"


def test_two_scenarios_of_one_name_are_refused(monkeypatch):
    """A name means one scenario."""
    with pytest.raises(UnknownScenario, match="made_scenarios has two scenarios named quiet"):
        load_scenarios(module_with(monkeypatch, (toy.QUIET, toy.QUIET)))


def test_module_without_scenarios_is_refused(monkeypatch):
    """A module with nothing to run is a mistake, not a success."""
    with pytest.raises(UnknownScenario, match="made_scenarios has no scenarios"):
        load_scenarios(module_with(monkeypatch, ()))


def test_scenarios_are_picked_by_name():
    """Named ones come in the order of the names; no name means all."""
    scenarios = load_scenarios("tests.sim.toy")
    assert pick_scenarios(scenarios, ("sets", "count")) == (toy.SETS, toy.COUNT)
    assert pick_scenarios(scenarios, ()) == toy.SCENARIOS


def test_unknown_name_lists_the_known():
    """Whoever mistypes a name is shown the right ones."""
    with pytest.raises(UnknownScenario, match="there is no scenario 'cuont'; there are count, count-once, mail, sets"):
        pick_scenarios(load_scenarios("tests.sim.toy"), ("cuont",))
