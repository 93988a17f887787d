"""A server in a process of its own, as people run it: its log goes to a file, and the system tells what it costs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SERVE = ("kelpie_server", "serve")
START_SECONDS_MAX = 30
POLL_SECONDS = 0.005


class LiveServer:
    """The server on the database in `folder`, ready. `start_seconds` is how long that took. Raises RuntimeError.

    `command` is what starts it, if not `kelpie serve`.
    """

    def __init__(self, folder: Path, *options: str, command: Sequence[str] = SERVE) -> None:
        self._log = folder / "log"
        start_s = time.perf_counter()
        with self._log.open("w") as log:
            arguments = [sys.executable, "-m", *command, "--port", "0", "--data", "kelpie.db", *options]
            environment = {name: value for name, value in os.environ.items() if not name.startswith("KELPIE_")}
            self._process = subprocess.Popen(
                arguments, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}, stderr=log, stdout=log
            )
        self.url = self._wait(self._said_url)
        self._wait(self._is_ready)
        self.start_seconds = time.perf_counter() - start_s

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the process a signal and return its exit code."""
        self._process.send_signal(number)
        return self._process.wait(START_SECONDS_MAX)

    def _wait(self, look: Callable[[], object]) -> str:
        deadline_s = time.perf_counter() + START_SECONDS_MAX
        while not (found := look()):
            if self._process.poll() is not None or time.perf_counter() > deadline_s:
                raise RuntimeError(f"the server did not start:\n{self._log.read_text()}")
            time.sleep(POLL_SECONDS)
        return str(found)

    def _said_url(self) -> str:
        found = re.search(r"http://[\w.:]+:\d+", self._log.read_text())
        return found[0] if found else ""

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/v1/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process: its own, and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mb(pid: int) -> float:
    """Return the memory of a process that is in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
