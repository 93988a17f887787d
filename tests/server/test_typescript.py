"""The real server, asked by Letta's TypeScript SDK under node.

Where the machine has no node or the SDK cannot be installed the test is skipped, unless KELPIE_NODE=required.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.server_process import ServerProcess

SDK = "@letta-ai/letta-client@1.12.1"
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", SDK)
SCRIPT = Path(__file__).parent / "typescript" / "life.mjs"
SECONDS_MAX = 120


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the script in a folder in which the SDK is installed."""
    missing = pytest.fail if os.environ.get("KELPIE_NODE") == "required" else pytest.skip
    if shutil.which("npm") is None:
        missing("there is no node here")
    if subprocess.run(INSTALL, cwd=tmp_path, capture_output=True, timeout=SECONDS_MAX, check=False).returncode != 0:
        missing("the TypeScript SDK cannot be installed here")
    return Path(shutil.copy(SCRIPT, tmp_path))


def test_a_life_of_an_agent(script, tmp_path):
    """The SDK makes an agent, talks to it, streams, pages, exports, imports and deletes."""
    server = ServerProcess(tmp_path)
    try:
        done = subprocess.run(
            ["node", script, server.url], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    finally:
        server.stop()
    assert 0 == done.returncode, done.stderr
    assert {
        "agent": {"id": True, "name": "Ada"},
        "update": "kind",
        "reply": [["assistant_message", "echo: hello"]],
        "stop": "end_turn",
        "tokens": True,
        "streamed": "echo: one two",
        "ends": ["stop_reason", "usage_statistics"],
        "listed": ["hello", "one two"],
        "block": "Cy",
        "agents": ["Ada"],
        "copy": "Ada_copy",
        "gone": 404,
    } == json.loads(done.stdout)
