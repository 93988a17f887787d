"""What is wrong with a set-up."""

import asyncio
import os
import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import apsw
import attrs
import pytest

from kelpie_core.errors import Unsupported
from kelpie_server import doctor
from kelpie_server.__main__ import main
from kelpie_server.config import Config
from kelpie_server.doctor import FAIL, OK, WARN, examine
from kelpie_server.serving import opened
from kelpie_server.world.sandbox.kernel import Kernel
from tests.server.server_process import ServerProcess

Usage = namedtuple("Usage", "total used free")


def levels(config: Config) -> dict[str, str]:
    """Return what was found, by what was looked at."""
    return {finding.what: finding.level for finding in examine(config)}


def told(config: Config, what: str) -> str:
    """Return the line of what was looked at."""
    return next(str(finding) for finding in examine(config) if finding.what == what)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return settings that work."""
    return Config(data=tmp_path / "k.db", port=0)


def test_all_is_well(config, monkeypatch):
    """A set-up that works has nothing but ok, and nothing was made by looking."""
    monkeypatch.setattr("kelpie_server.world.sandbox.kernel.this_kernel", lambda: Kernel(machine="m", landlock=7))
    assert {OK} == set(levels(config).values())
    assert [] == list(config.data.parent.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    """A data folder that does not exist is a failure that says how to make it."""
    line = told(Config(data=tmp_path / "no" / "k.db"), "data folder")
    assert (True, True) == (line.startswith("fail"), f"mkdir -p {tmp_path / 'no'}" in line)


def test_a_folder_that_cannot_be_written(config, monkeypatch):
    """A folder in which nothing can be made is a failure."""

    def refused(**_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert (FAIL, FAIL) == (levels(config)["data folder"], levels(config)["sync"])


def test_a_disk_that_cannot_sync(config, monkeypatch):
    """A disk whose sync fails is a failure, a slow one a warning."""

    def failing(_: int) -> None:
        raise OSError("no sync")

    monkeypatch.setattr("os.fsync", failing)
    assert FAIL == levels(config)["sync"]
    times = iter((0.0, 1.0))
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    assert "1000 ms" in told(config, "sync")


@pytest.mark.parametrize(("free", "level"), [(10**6, FAIL), (500 * 10**6, WARN), (10**10, OK)])
def test_room_on_the_disk(config, monkeypatch, free, level):
    """A disk that is nearly full is a warning, a full one a failure."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free))
    assert level == levels(config)["disk space"]


def test_a_database_that_is_there(config):
    """A database of ours is read, with its schema, and left as it is."""

    async def make() -> None:
        async with opened(config):
            return

    asyncio.run(make())
    before = config.data.read_bytes()
    assert "has schema" in told(config, "database")
    assert before == config.data.read_bytes()


def test_a_database_of_somebody_else(config):
    """A file of another program, or no database at all, is a failure."""
    apsw.Connection(str(config.data)).execute("CREATE TABLE a (b)")
    assert "another program" in told(config, "database")
    config.data.write_bytes(os.urandom(8192))
    assert FAIL == levels(config)["database"]


def test_a_server_that_runs_is_no_failure(config):
    """Where a server runs on the very settings, database and address are in use, and that is only told."""
    server = ServerProcess(config.data.parent)
    try:
        running = attrs.evolve(config, data=config.data.parent / "kelpie.db", port=int(server.url.rpartition(":")[2]))
        assert (WARN, WARN) == (levels(running)["database"], levels(running)["address"])
    finally:
        server.stop()


def test_an_address_that_somebody_has(config, monkeypatch):
    """A port on which something else listens is a failure."""
    monkeypatch.setattr(doctor, "ASK_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert FAIL == levels(attrs.evolve(config, port=taken.getsockname()[1]))["address"]


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, OK),
        ({"host": "0.0.0.0"}, WARN),
        ({"host": "0.0.0.0", "tokens": ("abcdefgh",)}, OK),
        ({"host": "::"}, WARN),
        ({"host": "localhost"}, OK),
    ],
)
def test_who_may_ask(config, given, level):
    """No tokens where others can reach the server is a warning."""
    assert level == levels(attrs.evolve(config, **given))["access"]


class _Provider(BaseHTTPRequestHandler):
    """A provider that knows one key."""

    def do_GET(self) -> None:
        """Answer a list of models to who has the key."""
        knows = "key-right" in (self.headers.get("authorization") or self.headers.get("x-api-key") or "")
        self.send_response(404 if "lost" in self.path else 200 if knows else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[str]:
    """Give the address of a provider."""
    with HTTPServer(("127.0.0.1", 0), _Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "given", "level"),
    [
        ("openai", {"openai_base_url": "URL/v1", "openai_api_key": "key-right"}, OK),
        ("openai", {"openai_base_url": "URL/v1", "openai_api_key": "key-wrong"}, FAIL),
        ("openai", {"openai_base_url": "URL/lost", "openai_api_key": "key-right"}, OK),
        ("anthropic", {"anthropic_base_url": "URL", "anthropic_api_key": "key-right"}, OK),
        ("anthropic", {"anthropic_base_url": "URL", "anthropic_api_key": "key-wrong"}, FAIL),
        ("ollama", {"ollama_base_url": "http://127.0.0.1:1"}, FAIL),
    ],
)
def test_providers_of_models(config, name, given, level):
    """A provider that answers is ok, one that refuses the key or is not there is a failure; no key is told."""
    with provider() as url:
        values = {key: value.replace("URL", url) for key, value in given.items()}
        found = {finding.what: finding for finding in examine(attrs.evolve(config, **values))}
    assert level == found[f"model {name}"].level
    assert [] == [
        key for key in ("right", "wrong") if f"{key} " in str(found[f"model {name}"]).replace("the right", "")
    ]


def test_models_that_cannot_be_asked(config):
    """An address that is none, and a default model of a provider that is not set up, are failures."""
    assert FAIL == levels(attrs.evolve(config, ollama_base_url="ftp://x"))["models"]
    assert "anthropic is not set up" in told(attrs.evolve(config, model_default="anthropic/claude"), "models")


def test_a_kernel_that_cannot_shut_in(config, monkeypatch):
    """Without isolation the tools of source are refused, and that is a warning."""
    blind = Kernel(machine="m", landlock=0, missing="it is old")
    monkeypatch.setattr("kelpie_server.world.sandbox.kernel.this_kernel", lambda: blind)
    assert WARN == levels(config)["sandbox"]


def test_tools_without_isolation_are_told(config, monkeypatch):
    """Where tools run although nothing shuts them in, that is a warning of its own."""
    blind = Kernel(machine="m", landlock=0, missing="it is old")
    monkeypatch.setattr("kelpie_server.world.sandbox.kernel.this_kernel", lambda: blind)
    assert "runs all the same" in told(attrs.evolve(config, tools_unsandboxed=True), "sandbox")


def test_the_interpreter_of_tools(config):
    """An interpreter for tools that is not there is a failure."""
    assert OK == levels(config)["tools' python"]
    assert FAIL == levels(attrs.evolve(config, tools_python=Path("/no/python")))["tools' python"]


def test_spans_need_their_extra(config, monkeypatch):
    """An endpoint for spans without the extra is a failure, with it it is told."""
    sending = attrs.evolve(config, otlp_endpoint="http://127.0.0.1:1")
    assert OK == levels(sending)["spans"]

    def missing(_: str) -> None:
        raise Unsupported("otlp_endpoint without the extra")

    monkeypatch.setattr("kelpie_server.spans.make_spans", missing)
    assert FAIL == levels(sending)["spans"]


def test_the_command(tmp_path, capsys, monkeypatch):
    """The command prints a line for each finding, with its remedy, and ends with 1 if a server would not work."""
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["doctor", "--port", "0"])
    assert "ok    data folder" in capsys.readouterr().out
    assert 1 == main(["doctor", "--port", "0", "--data", "no/k.db"])
    printed = capsys.readouterr()
    assert ("-> mkdir -p" in printed.out, "would not work" in printed.err) == (True, True)
