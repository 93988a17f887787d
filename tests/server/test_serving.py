"""A server from its start to its end. What it does while it lives is in test_end_to_end.py."""

import asyncio
import socket
from pathlib import Path

import pytest
import structlog

from kelpie_core.errors import StoreError
from kelpie_core.service.drafts import AgentDraft
from kelpie_server.config import Config
from kelpie_server.serving import bound, opened, serve, set_up_logging


def test_what_was_stored_is_there_when_opened_again(tmp_path: Path):
    """Everything is in the one file, and the file is closed behind whoever opened it."""
    config = Config(data=tmp_path / "k.db")

    async def test() -> str:
        async with opened(config) as kelpie:
            agent = await kelpie.agents.create(AgentDraft(name="Ada"))
        async with opened(config) as kelpie:
            return (await kelpie.agents.get(agent.id)).name

    assert "Ada" == asyncio.run(test())


def test_a_database_has_one_user(tmp_path: Path):
    """A second process, or a second opening, is told that the database is in use."""
    config = Config(data=tmp_path / "k.db")

    async def test() -> None:
        async with opened(config), opened(config):
            raise AssertionError

    with pytest.raises(StoreError, match="in use"):
        asyncio.run(test())


def test_a_taken_address_is_an_error(tmp_path: Path):
    """A server whose address is taken says so, and has not touched a database."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = Config(port=taken.getsockname()[1], data=tmp_path / "k.db")
        with pytest.raises(OSError, match="in use"):
            asyncio.run(serve(config))
    structlog.reset_defaults()
    assert [] == list(tmp_path.iterdir())


def test_answers_are_not_delayed():
    """The listening socket says that it is TCP, without which asyncio does not turn Nagle's delay off."""
    with bound(Config(port=0)) as listening:
        assert socket.IPPROTO_TCP == listening.proto


def test_the_log_is_lines_of_values(capsys: pytest.CaptureFixture[str]):
    """What is logged goes to standard error, from the level on that was asked for, errors with their traceback."""
    set_up_logging("warning")
    try:
        structlog.get_logger().info("quiet")
        structlog.get_logger().error("loud", key="v", exc_info=KeyError("x"))
    finally:
        structlog.reset_defaults()
    told = capsys.readouterr().err
    assert "quiet" not in told
    assert ("event='loud'" in told, "key='v'" in told, "KeyError" in told) == (True, True, True)
