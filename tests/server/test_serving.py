"""A server from its start to its end. What it does while it lives is in test_end_to_end.py."""

import asyncio
import json
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from letta_client import Letta

from kelpie_core.errors import StoreError
from kelpie_core.service.drafts import AgentDraft
from kelpie_server.__main__ import main
from kelpie_server.config import Config
from kelpie_server.serving import bound, opened, serve
from tests.server.server_process import ServerProcess

# The SDK calls its own method for streams deprecated; people use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


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


def asked(server: ServerProcess, path: str) -> tuple[int, str | None, bytes]:
    """Return status, Retry-After and body of an answer, over a connection of its own."""
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["retry-after"], answer.read()


def test_a_drain_is_noticed_before_it_begins(tmp_path: Path):
    """After SIGTERM readiness says 503 for as long as the notice, and all is served; then nothing is any more."""
    server = ServerProcess(tmp_path, "--drain-notice-seconds", "1.5", "--model-default", "kelpie/echo")
    with Letta(base_url=server.url, api_key="any", max_retries=0) as letta:
        agent = letta.agents.create()
        assert 200 == asked(server, "/v1/ready")[0]
        server.begin_stop()
        deadline = time.monotonic() + 1
        while (ready := asked(server, "/v1/ready"))[0] == 200 and time.monotonic() < deadline:
            continue
        assert (503, "1") == ready[:2]
        answer = letta.agents.messages.create(agent.id, input="hi")
        assert ["assistant_message"] == [one.message_type for one in answer.messages]
    assert 0 == server.stop(), server.log
    with pytest.raises(OSError, match="refused"):
        asked(server, "/v1/health")


def test_requests_in_flight_end_before_the_server_does(tmp_path: Path):
    """A request that is at work when the server is told to stop gets its whole answer."""
    server = ServerProcess(tmp_path, "--busy-wait-seconds", "1")
    with Letta(base_url=server.url, api_key="any", max_retries=0) as letta:
        agent = letta.agents.create()
        letta.agents.messages.create(agent.id, input="hi")
        with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=20)) as connection:
            body = b'{"input": "last words"}'
            connection.putrequest("POST", f"/v1/agents/{agent.id}/messages")
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body[:5])
            assert 200 == asked(server, "/v1/health")[0]  # by now the first bytes have arrived
            server.begin_stop()
            connection.send(body[5:])
            answer = connection.getresponse()
            assert (200, True) == (answer.status, b"echo: last words" in answer.read())
    assert 0 == server.stop(), server.log


def test_metrics_of_a_real_server(tmp_path: Path):
    """A server that served a turn tells so to Prometheus: requests, turns, runs, steps, models and commits."""
    server = ServerProcess(tmp_path)
    with Letta(base_url=server.url, api_key="any", max_retries=0) as letta:
        agent = letta.agents.create()
        letta.agents.messages.create(agent.id, input="hi")
        list(letta.agents.messages.stream(agent.id, input="hi"))
    page = asked(server, "/metrics")[2].decode()
    assert 0 == server.stop(), server.log
    wanted = (
        'kelpie_requests_total{method="POST",route="/v1/agents/{agent_id}/messages",status="200"} 1.0',
        "kelpie_turns_started_total 2.0",
        'kelpie_runs_ended_total{status="completed",stop_reason="end_turn"} 2.0',
        "kelpie_steps_total 2.0",
        'kelpie_model_calls_total{outcome="ok",provider="kelpie"} 2.0',
        "kelpie_live_streams 0.0",
        "kelpie_live_turns 0.0",
    )
    assert [] == [line for line in wanted if line not in page]
    assert "kelpie_store_commit_seconds_count" in page


def test_lines_of_the_log_tell_the_run(tmp_path: Path):
    """The log of a server that is not on a terminal is JSON, and a turn's line names its run and its request."""
    server = ServerProcess(tmp_path)
    with Letta(base_url=server.url, api_key="any", max_retries=0) as letta:
        agent = letta.agents.create()
        headers = {"x-request-id": "mine-1"}
        answer = letta.agents.messages.create(agent.id, input="hi", extra_headers=headers)
    assert 0 == server.stop(), server.log
    lines = [json.loads(line) for line in server.log if line.startswith("{")]
    (line,) = (one for one in lines if one.get("request_id") == "mine-1")
    assert (answer.usage.run_ids, "agents.messages.create") == ([line["run_id"]], line["operation"])


def test_a_server_for_others_needs_tokens_if_so_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Told to be secure, a server that others can reach does not start without tokens, and says what to do."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--host", "0.0.0.0", "--secure", "--data", str(tmp_path / "k.db")])
    assert (2, True) == (caught.value.code, "set 'tokens' too" in capsys.readouterr().err)
    assert [] == list(tmp_path.iterdir())
