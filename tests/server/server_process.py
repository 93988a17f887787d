"""A real server in a process of its own, on a free port of the loopback."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUCK = "tests.server.stuck_server"
SERVE = "kelpie_server"


class ServerProcess:
    """A server on the database in `folder`. `module` says which program: the real one, or one whose model is stuck."""

    def __init__(self, folder: Path, *options: str, module: str = SERVE) -> None:
        command = [sys.executable, "-m", module, *(["serve"] if module == SERVE else [])]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--data", str(folder / "kelpie.db"), *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self.url = self._wait_until_up()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL and return the exit code."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        self.log += (self._process.communicate(timeout=30)[1] or "").splitlines()
        return self._process.returncode

    def _wait_until_up(self) -> str:
        assert self._process.stderr is not None
        url = ""
        for line in self._process.stderr:
            self.log.append(line)
            if found := re.search(r"url='(\S+)'", line):
                url = found[1]
            if "startup complete" in line:
                return url
        raise AssertionError("the server did not start:\n" + "".join(self.log))
