"""The pytest plugin as an installed environment has it."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from kelpie_sim import pytest_plugin

ROOT = Path(__file__).parents[2]
FAILING = """
from kelpie_sim.agents.scenarios import SCENARIOS
import attrs
import pytest

async def run(world):
    world.check(world.seed % 2, "odd: the seed is even")

@pytest.mark.parametrize("scenario", [attrs.evolve(SCENARIOS[0], run=run)], ids=["odd"])
def test_scenario(scenario, simulate):
    simulate(scenario)
"""


def pytest_run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest as a user of the installed package does, without naming the plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DST_", "PYTEST_"))}
    return subprocess.run(command, cwd=folder, env=env | environment, capture_output=True, text=True, timeout=120)


def test_plugin_is_installed():
    """The distribution names the plugin, so that pytest loads it wherever Kelpie is installed."""
    (plugin,) = (point for point in entry_points(group="pytest11") if point.name == "kelpie_sim")
    assert plugin.load() is pytest_plugin


def test_first_line_of_a_failure_reproduces_it(tmp_path):
    """A failing scenario's account begins with a command that fails with the same seed, and a sound seed passes."""
    (tmp_path / "test_odd.py").write_text(FAILING)
    failed = pytest_run(tmp_path)
    lines = failed.stdout.splitlines()
    (line,) = (text for text in lines if text.startswith("DST_SEED="))
    assert line == lines[next(n for n, text in enumerate(lines) if "test_scenario[odd]" in text and "___" in text) + 1]
    variable, _, test = line.partition(" pytest ")
    again = pytest_run(tmp_path, test.strip("'"), DST_SEED=variable.partition("=")[2])
    assert (1, True) == (again.returncode, line in again.stdout.splitlines())
    assert 0 == pytest_run(tmp_path, test.strip("'"), DST_SEED="12345").returncode


def test_one_seed_of_one_scenario():
    """DST_SEED runs one seed of one scenario of Kelpie."""
    test = "tests/swarm/test_scenarios.py::test_scenario[mixed]"
    done = pytest_run(ROOT, test, DST_SEED="12345")
    assert (0, "1 passed") == (done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0])
