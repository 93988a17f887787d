"""The ladder and the list, from the command line."""

import platform

from kelpie_sim.cli import main
from tests.sim import toy


def test_every_scenario_named_climbs_the_ladder(capsys):
    """Each scenario that is named climbs, and the last line adds them up."""
    arguments = ["determinism", "--scenarios", "tests.sim.toy", "--seeds", "2", "--jobs", "2"]
    assert main([*arguments, "--scenario", "mail", "--scenario", "count"]) == 0
    assert f"{platform.python_version()}: 4 seeds" in capsys.readouterr().out


def test_the_list_is_in_order(capsys):
    """The list has a line per scenario, in their order."""
    assert main(["list", "--scenarios", "tests.sim.toy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [scenario.name for scenario in toy.SCENARIOS] == [line.split()[0] for line in lines]
