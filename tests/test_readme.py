"""The README's programs run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import follow

PAGE = Path(__file__).parents[1] / "README.md"
README = PAGE.read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(program: str) -> None:
    """An embedded Kelpie answers, in the lines that the README shows."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("echo: hello\n", "")


def test_readme_has_a_program() -> None:
    """The README shows how to embed."""
    assert len(PROGRAMS) == 1


def test_simulation_prints_what_the_page_shows(tmp_path: Path) -> None:
    """Whoever saves the simulation test and runs it sees its failure, told as the README tells it."""
    assert 1 == follow(PAGE, tmp_path)
