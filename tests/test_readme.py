"""The README's programs run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(program: str) -> None:
    """An embedded Kelpie answers, in the lines that the README shows."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("echo: hello\n", "")


def test_readme_has_a_program() -> None:
    """The README shows how to embed."""
    assert len(PROGRAMS) == 1
