"""The start of a tool's process. What it does as a process is tested through the runner; here, its words."""

import subprocess
import sys

import pytest

from kelpie_server.world.sandbox.child.bootstrap import text_of
from kelpie_server.world.sandbox.process import OWN_PATH


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ({"a": "é"}, '{"a": "é"}'),
        ([1, "a"], '[1, "a"]'),
        ((1, 2), "(1, 2)"),
        ([{1}], "[{1}]"),
    ],
)
def test_text_of_a_value(value, expected):
    """What a tool returns is told as text: JSON where that fits."""
    assert expected == text_of(value)


def test_only_the_standard_library_is_loaded():
    """The interpreter of tools need not have anything of the server's: only the child's own modules are loaded."""
    script = (
        f"import sys; sys.path.insert(0, {OWN_PATH!r})\n"
        "from kelpie_server.world.sandbox.child import bootstrap\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, check=True, text=True)
    assert "['kelpie_server']" == done.stdout.strip()
