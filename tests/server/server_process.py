"""A real server in a process of its own, on a free port of the loopback."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUCK = "tests.server.stuck_server"
SERVE = "kelpie_server"


def plain_environment() -> dict[str, str]:
    """Return the environment without settings of Kelpie."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KELPIE_")}


class ServerProcess:
    """A server on the database in `folder`. `module` says which program: the real one, or one whose model is stuck."""

    def __init__(
        self, folder: Path, *options: str, module: str = SERVE, environment: dict[str, str] | None = None
    ) -> None:
        command = [sys.executable, "-m", module, *(["serve"] if module == SERVE else [])]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--data", str(folder / "kelpie.db"), *options],
            cwd=folder,
            env={**plain_environment(), **(environment or {}), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self.url = self._wait_until_up()
        # Read on: a server whose words nobody takes stands still once the pipe is full.
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        return self._end(signal.SIGTERM)

    def begin_stop(self) -> None:
        """Send SIGTERM and go on."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL and return the exit code."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(timeout=30)
        self._reader.join()
        return code

    def _read_on(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self.log.extend(lines)

    def _wait_until_up(self) -> str:
        assert self._process.stderr is not None
        url = ""
        for line in self._process.stderr:
            self.log.append(line)
            if found := re.search(r"""url['"]?[=:] ?['"]([^'" ]+)""", line):
                url = found[1]
            if "startup complete" in line:
                return url
        raise AssertionError("the server did not start:\n" + "".join(self.log))
