"""Work folders."""

import fcntl
import os
from pathlib import Path

import pytest

from kelpie_core.errors import ToolError
from kelpie_server.world.sandbox.folders import Folders, remove, sweep, used_bytes

ROOT = os.geteuid() == 0


def test_each_call_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """A work folder is empty and its user's alone; the folder around it shows nothing to others."""
    folders = Folders(tmp_path)
    one, two = folders.make(None), folders.make(61_184 if ROOT else None)
    assert (True, 0o700, 0o711) == (one != two, one.stat().st_mode & 0o777, one.parent.stat().st_mode & 0o777)
    assert (61_184 if ROOT else os.getuid()) == two.stat().st_uid
    folders.close()
    folders.close()
    assert [] == list(tmp_path.iterdir())


def test_leavings_of_a_dead_server(tmp_path: Path) -> None:
    """What a server left that died is removed by the next one; what a living one has is not."""
    dead, alive = Folders(tmp_path), Folders(tmp_path)
    left, used = dead.make(None), alive.make(None)
    (left / "x").write_text("x")
    fcntl.flock(dead._lock, fcntl.LOCK_UN)  # as the system does when a process dies
    sweep(tmp_path)
    assert (False, True) == (left.parent.exists(), used.exists())
    os.close(dead._lock)
    alive.close()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Without a place for folders no tool runs."""
    with pytest.raises(ToolError, match="no work folder could be made"):
        Folders(tmp_path / "nowhere").make(None)


def test_folder_is_removed_whatever_its_rights(tmp_path: Path) -> None:
    """A tool that takes all rights from what it made keeps nothing."""
    folder = tmp_path / "work"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").write_text("x")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    remove(folder)
    assert False is folder.exists()


def test_used_bytes(tmp_path: Path) -> None:
    """Files count at every depth, links are not followed, and what vanishes meanwhile counts nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 100_000)
    (tmp_path / "c").symlink_to("/usr")
    assert 100_000 <= used_bytes(tmp_path) < 150_000
    assert 0 == used_bytes(tmp_path / "nowhere")


def test_many_entries_end_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of very many entries is not walked to its end."""
    monkeypatch.setattr("kelpie_server.world.sandbox.folders._ENTRIES_MAX", 1)
    for name in "ab":
        (tmp_path / name / "x").mkdir(parents=True)
    assert used_bytes(tmp_path) < 5 * 4_096
