"""The command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from kelpie_core.limits import AGENT_FILE_BYTES_DEFAULT
from kelpie_server.__main__ import main
from kelpie_server.config import VERSION
from tests.server.far_sides import unknown
from tests.server.server_process import ServerProcess

FILE = {
    "agents": [
        {
            "id": "agent-0",
            "name": "Ada",
            "agent_type": "letta_v1_agent",
            "system": "s",
            "messages": [{"id": "message-0", "role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "in_context_message_ids": ["message-0"],
            "tool_ids": [],
            "block_ids": ["block-0"],
        }
    ],
    "blocks": [{"id": "block-0", "label": "human", "value": "Bo"}],
    "groups": [],
    "files": [],
    "sources": [],
    "tools": [],
    "mcp_servers": [],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the working folder, with an agent file in it and no database yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ada.af").write_text(json.dumps(FILE))
    yield tmp_path
    structlog.reset_defaults()  # a server that was started here has set up the log


def test_there_and_back(folder, capsys):
    """A file is imported into the database in the working folder, and exported from it."""
    assert 0 == main(["import", "ada.af", "--name", "Cy", "--model", "a/b"])
    agent_id = capsys.readouterr().out.strip()
    assert 0 == main(["export", agent_id, "-o", "out.af"])
    assert 0 == main(["export", agent_id])
    (printed,), (written,) = (
        json.loads(text)["agents"] for text in (capsys.readouterr().out, (folder / "out.af").read_text())
    )
    assert printed == written
    assert ("Cy", "a/b", 1) == (written["name"], written["model"], len(written["messages"]))
    assert {"ada.af", "kelpie.db", "out.af"} == {path.name for path in folder.iterdir()}


def test_options_of_an_import(folder, capsys):
    """Names, histories and tools are treated as asked; several files give a line for each agent."""
    assert 0 == main(["import", "ada.af", "ada.af", "--no-copy-suffix", "--strip-messages", "--keep-tools"])
    first, second = capsys.readouterr().out.split()
    assert first != second
    assert 0 == main(["export", second])
    (agent,) = json.loads(capsys.readouterr().out)["agents"]
    assert ("Ada", []) == (agent["name"], agent["messages"])


def test_a_bad_file(folder, capsys):
    """A file that is none is refused with its name and what is wrong, after those before it were stored."""
    (folder / "bad.af").write_text('{"agents": 5}')
    assert 1 == main(["import", "ada.af", "bad.af"])
    told = capsys.readouterr()
    assert 1 == len(told.out.split())
    assert ("bad.af was not stored" in told.err, "$.agents" in told.err) == (True, True)


def test_what_is_not_there(folder, capsys):
    """An unknown agent, a malformed id and a missing file are told apart from success, and leave no file behind."""
    assert 1 == main(["export", unknown("agent"), "-o", "out.af"])
    assert 1 == main(["export", "nope", "-o", "out.af"])
    assert 3 == main(["import", "nothing.af"])
    assert "nothing.af" in capsys.readouterr().err
    assert {"ada.af", "kelpie.db"} == {path.name for path in folder.iterdir()}


def test_a_failed_export_keeps_the_old_file(folder):
    """A file that is there already stays as it was when the export fails."""
    (folder / "out.af").write_text("old")
    assert 1 == main(["export", unknown("agent"), "-o", "out.af"])
    assert "old" == (folder / "out.af").read_text()


def test_through_a_server(folder, capsys):
    """While a server has the database, it is asked by its address; the file itself is in use."""
    server = ServerProcess(folder)
    try:
        assert 3 == main(["import", "ada.af"])
        assert "in use" in capsys.readouterr().err
        assert 0 == main(["import", "ada.af", "--url", server.url, "--name", "Cy"])
        agent_id = capsys.readouterr().out.strip()
        assert 0 == main(["export", agent_id, "--url", server.url, "-o", "out.af"])
        assert 1 == main(["export", unknown("agent"), "--url", server.url, "-o", "out2.af"])
    finally:
        server.stop()
    assert "Cy" == json.loads((folder / "out.af").read_text())["agents"][0]["name"]
    assert not (folder / "out2.af").exists()


def test_a_taken_address(folder, capsys):
    """A server that cannot listen says so, with the exit code of a failing world."""
    server = ServerProcess(folder)
    try:
        port = server.url.rpartition(":")[2]
        assert 3 == main(["serve", "--port", port, "--data", "other.db"])
    finally:
        server.stop()
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["serve", "--port", "x"], ["serve", "--port", "-1"], ["import"], ["export", "a", "--url"]],
)
def test_a_wrong_command_line(arguments, capsys):
    """A command line that makes no sense ends with 2 and says how it goes."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert 2 == caught.value.code
    assert "usage: kelpie" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ("serve", "doctor", "import", "export", "exit codes")),
        (["doctor", "--help"], ("--config", "--data", "KELPIE_DATA")),
        (["serve", "--help"], ("--host", "--port", "--data", "--log-level", "echo")),
        (["import", "--help"], ("FILE", "--url", "--strip-messages")),
        (["export", "--help"], ("ID", "--output")),
        (["--version"], (VERSION,)),
    ],
)
def test_help(arguments, words, capsys):
    """Help names what there is."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    told = capsys.readouterr().out
    assert (0, []) == (caught.value.code, [word for word in words if word not in told])


def test_an_interrupt_is_an_exit_code(folder, capsys, monkeypatch):
    """Ctrl-C ends a command with an exit code and no traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "read_bytes", interrupted)
    assert 3 == main(["import", "ada.af"])
    assert "interrupted" in capsys.readouterr().err


def test_a_file_above_the_default_size_goes_into_an_open_database(folder, capsys):
    """A server bounds what its clients send; who owns the database may import any file that fits into memory."""
    big = FILE | {"notes": "x" * AGENT_FILE_BYTES_DEFAULT}
    (folder / "big.af").write_text(json.dumps(big))
    assert 0 == main(["import", "big.af"])
    assert 1 == len(capsys.readouterr().out.split())


def test_settings_from_everywhere(folder, capsys, monkeypatch):
    """Import and export use the database that file or environment name; a setting that nobody knows ends with 2."""
    (folder / "kelpie.toml").write_text('data = "of-the-file.db"\n')
    monkeypatch.setenv("KELPIE_CONFIG", "kelpie.toml")
    assert 0 == main(["import", "ada.af"])
    agent_id = capsys.readouterr().out.strip()
    assert (folder / "of-the-file.db").exists()
    monkeypatch.setenv("KELPIE_DATA", "of-the-environment.db")
    assert 1 == main(["export", agent_id])
    assert 0 == main(["export", agent_id, "--data", "of-the-file.db"])
    monkeypatch.setenv("KELPIE_DATUM", "x")
    with pytest.raises(SystemExit) as caught:
        main(["serve"])
    assert (2, True) == (caught.value.code, "did you mean KELPIE_DATA?" in capsys.readouterr().err)
