"""What an operator may choose."""

import tomllib
from pathlib import Path

import pytest

from kelpie_server.config import VERSION, Config


def test_the_version_is_the_distribution_s():
    """The server tells the version that is released."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize(
    "setting",
    [
        {"port": -1},
        {"port": 65_536},
        {"log_level": "loud"},
        {"ping_seconds": 0},
        {"recover_seconds": 0},
        {"drain_seconds": -1},
        {"busy_wait_seconds": 601},
        {"import_bytes_max": 0},
        {"import_bytes_max": 4 * 1024**3 + 1},
        {"body_bytes_max": 0},
    ],
)
def test_nonsense_is_refused(setting):
    """A value that makes no sense is an error at once, not when it is used."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        Config(**setting)
