"""Secrets stay where they are: a canary is planted in each kind of them, and looked for wherever something is told."""

import json
from pathlib import Path

import httpx
import pytest

from kelpie_core.ids import uuid4_of
from kelpie_server.__main__ import main
from kelpie_server.config import Config
from kelpie_server.settings import fields
from tests.server.server_process import ServerProcess

CANARY = "canary"
TOKEN, SECRET, KEY = f"{CANARY}-token-1", f"{CANARY}-secret-2", f"sk-{CANARY}-key-3"
ORGANIZATION = f"org-{uuid4_of(1)}"
ENVIRONMENT = {"KELPIE_TOKENS": f"{TOKEN}={ORGANIZATION}", "KELPIE_OPENAI_API_KEY": KEY, "KELPIE_LOG_LEVEL": "debug"}


@pytest.fixture
def server(tmp_path: Path) -> ServerProcess:
    """Return a server with secrets of all kinds; its model cannot be reached."""
    options = ("--openai-base-url", "http://127.0.0.1:1/v1")
    return ServerProcess(tmp_path, *options, environment=ENVIRONMENT)


def answers(http: httpx.Client) -> dict[str, str]:
    """Return what the server tells to a life of an agent with secrets, errors among it."""
    found: dict[str, httpx.Response] = {}
    body = {"name": "Ada", "model": "openai/gpt", "secrets": {"API": SECRET}}
    body["tool_exec_environment_variables"] = {"OTHER": SECRET}
    found["create"] = http.post("/v1/agents", json=body)
    agent_id = found["create"].json()["id"]
    found["get"] = http.get(f"/v1/agents/{agent_id}")
    found["list"] = http.get("/v1/agents?include=all")
    found["update"] = http.patch(f"/v1/agents/{agent_id}", json={"secrets": {"API": SECRET}})
    found["turn"] = http.post(f"/v1/agents/{agent_id}/messages", json={"input": "hi"})
    found["stream"] = http.post(f"/v1/agents/{agent_id}/messages/stream", json={"input": "hi"})
    found["export"] = http.get(f"/v1/agents/{agent_id}/export")
    found["bad secret"] = http.post("/v1/agents", json={"secrets": {"API": [SECRET]}})
    found["bad body"] = http.post("/v1/agents", content=f'{{"secrets": {{"API": "{SECRET}"')
    found["messages"] = http.get(f"/v1/agents/{agent_id}/messages")
    found["runs"] = http.get("/v1/runs")
    found["metrics"] = http.get("/metrics")
    found["openapi"] = http.get("/openapi.json")
    found["docs"] = http.get("/docs")
    found["not found"] = http.get(f"/v1/nothing/{TOKEN}", headers={"authorization": f"Bearer x{TOKEN}"})
    found["path"] = http.get(f"/v1/agents/{TOKEN}")
    return {name: answer.text + str(answer.headers) for name, answer in found.items()}


def test_no_answer_and_no_line_of_the_log_holds_a_secret(server, tmp_path):
    """What a server answers, exports, counts and logs holds no value of a secret, whatever went wrong."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        told = answers(http)
    assert 0 == server.stop(), server.log
    told.pop("path")  # what the caller says in the path is told back to the caller
    assert [] == [name for name, text in told.items() if CANARY in text]
    assert "API" in told["export"]
    assert [] == [line for line in server.log if CANARY in line]
    assert [] != [line for line in server.log if "operation" in line]


def test_no_help_and_no_diagnosis_holds_a_secret(tmp_path, capsys, monkeypatch):
    """Neither --help nor the doctor nor an error about a setting shows what is secret."""
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KELPIE_OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    main(["doctor", "--port", "0"])
    for arguments in (["serve", "--help"], ["doctor", "--help"], ["serve", "--port", "x"]):
        with pytest.raises(SystemExit):
            main(arguments)
    monkeypatch.setenv("KELPIE_TOKENS", f"{TOKEN}=org-wrong")
    with pytest.raises(SystemExit):
        main(["doctor"])
    (tmp_path / "k.toml").write_text(f"openai_api_key = ['{KEY}']")
    monkeypatch.setenv("KELPIE_TOKENS", TOKEN)
    with pytest.raises(SystemExit):
        main(["doctor", "--config", "k.toml"])
    printed = capsys.readouterr()
    assert (False, False) == (CANARY in printed.out, CANARY in printed.err)


def test_the_configuration_does_not_show_its_secrets():
    """What is marked as secret is not in the configuration's own text."""
    secret = [field.name for field in fields() if field.said.secret]
    assert {"tokens", "openai_api_key"} <= set(secret)
    assert CANARY not in repr(Config(tokens=(TOKEN,), openai_api_key=KEY))


def test_the_import_of_an_export_has_the_names_only(server):
    """An agent's file carries the names of its secrets and not their values, and so does what is made of it."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        agent_id = http.post("/v1/agents", json={"secrets": {"API": SECRET}}).json()["id"]
        file = http.get(f"/v1/agents/{agent_id}/export").text
        made = http.post("/v1/agents/import", files={"file": ("a.af", file)}).json()["agent_ids"]
        copy = http.get(f"/v1/agents/{made[0]}").json()
    assert 0 == server.stop(), server.log
    assert CANARY not in file
    assert [("API", "")] == [(one["key"], one["value"]) for one in copy["secrets"]]
    assert json.loads(file)["agents"]
