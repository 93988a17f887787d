"""A recorded history, held to a law from the command line."""

import pytest

from kelpie_sim.check.history import History
from kelpie_sim.cli import main
from kelpie_sim.trace import Trace


def written(path, read: int):
    """Write a history in which 1 is written and then something is read."""
    history = History(lambda: 0, Trace())
    history.invoke("ada", "write", value=1).ok()
    history.invoke("bob", "read").ok(value=read)
    path.write_text(history.to_jsonl())
    return str(path)


def test_a_history_that_keeps_the_law(capsys, tmp_path):
    """A history that can be explained says so, with exit code 0."""
    assert main(["check", written(tmp_path / "h.jsonl", 1), "--law", "register"]) == 0
    assert "register: an order of the operations explains every answer\n" == capsys.readouterr().out


def test_a_history_that_breaks_it(capsys, tmp_path):
    """A history that cannot be explained is told in words, with exit code 1."""
    assert main(["check", written(tmp_path / "h.jsonl", 2), "--law", "register"]) == 1
    assert "bob: read() ok value=2" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["nonsense", None])
def test_what_is_no_history_is_wrong_usage(capsys, tmp_path, text):
    """A file that is no history, or is not there, is told in one line."""
    path = tmp_path / "h.jsonl"
    if text is not None:
        path.write_text(text)
    assert main(["check", str(path), "--law", "register"]) == 2
    assert capsys.readouterr().err.startswith("kelpie-sim: ")
