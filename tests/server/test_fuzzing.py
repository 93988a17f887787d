"""The real server, asked what nobody would ask."""

import json
import subprocess
import sys

from tests.server.live_server import ROOT, LiveServer

CASES = 400
SECONDS_MAX = 300


def test_every_answer_is_in_the_document(tmp_path):
    """Whatever is sent, no answer is an error of the server, and each has a status, a type and a shape of its own."""
    server = LiveServer(tmp_path)
    command = [sys.executable, "-m", "tests.server.fuzzing", server.url, str(CASES)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    finally:
        server.end()
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert [] == found["failures"]
    assert CASES // 20 < found["taken"], "hardly any request was taken: the cases are too wild to tell anything"
