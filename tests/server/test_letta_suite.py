"""An outside suite is run against a fresh server, and its outcome told without a test left out."""

from pathlib import Path

import pytest

from tools.letta_suite import main

CHECKOUT = Path(__file__).parent / "v1_checkout"
OWN_NAMES = ("-o", "python_files=suite_*.py", "-q")


def test_a_small_suite_is_told_as_it_is(capfd):
    """Passed, failed and skipped are counted, and the share of those that ran."""
    assert 0 == main([str(CHECKOUT), *OWN_NAMES])
    assert "letta-suite: 3 passed, 1 failed, 1 skipped: 75.0 %" in capfd.readouterr().out


def test_what_cannot_be_collected_fails(tmp_path, capfd):
    """A module that cannot be imported is a failure, not an absence."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "suite_broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "tests" / "suite_fine.py").write_text("def test_fine():\n    assert 4 == 2 + 2\n")
    assert 0 == main([str(tmp_path), *OWN_NAMES])
    assert "letta-suite: 1 passed, 1 failed, 0 skipped: 50.0 %" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_checkout_without_tests_is_an_error(tmp_path, capfd, name):
    """Where there is nothing to run, no percentage is told."""
    if name == "empty":
        (tmp_path / "tests").mkdir()
    assert 0 < main([str(tmp_path), *OWN_NAMES])
    assert "%" not in capfd.readouterr().out
