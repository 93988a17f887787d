"""`python -m kelpie_sim`."""

import subprocess
import sys
from pathlib import Path

from kelpie_sim.__main__ import main

ROOT = Path(__file__).parents[2]


def test_module_runs_the_command_line(capsys):
    """The entry point of the distribution runs the command line."""
    assert main(["list", "--scenarios", "tests.sim.toy"]) == 0
    assert capsys.readouterr().out.startswith("count ")


def test_python_m_exits_with_the_code_of_the_command():
    """`python -m kelpie_sim` exits with the command's code, and finds scenarios from the folder it is called in."""
    command = [sys.executable, "-m", "kelpie_sim", "replay", "--scenarios", "tests.sim.toy", "count"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "kelpie-sim: say which scenario and seed, or which --file\n")
