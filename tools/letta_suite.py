"""Run the tests of a V1 checkout against a fresh server of ours, and print how many pass.

    make letta-suite LETTA_REPO=path          all tests below path/tests
    python -m tools.letta_suite path [PYTEST ARGUMENTS ...]

The server is new and empty, with a scripted model endpoint (scripted_endpoint.py) as its OpenAI. The tests learn of it
as they do of any: LETTA_SERVER_URL, LETTA_BASE_URL, LETTA_API_KEY, OPENAI_API_KEY, OPENAI_BASE_URL. Nothing is
deselected: what cannot even be collected counts as failed. Exit code 0 if the suite could be run, whatever it found.
"""

import argparse
import os
import socket
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import attrs

ROOT = Path(__file__).parents[1]
START_SECONDS_MAX = 30
NO_TESTS = 5
"""Pytest's exit code when it collected nothing."""


@attrs.frozen
class Tally:
    """How the tests ended; `failed` counts errors of set-up and of collection too."""

    passed: int
    failed: int
    skipped: int

    @property
    def percentage(self) -> float:
        """How many of those that ran passed, in per cent."""
        ran = self.passed + self.failed
        return 100 * self.passed / ran if ran else 0.0

    def told(self) -> str:
        """Return the tally as a line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped: {self.percentage:.1f} %"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite and print the tally; return the exit code."""
    parser = argparse.ArgumentParser(prog="letta_suite", description="Run a V1 checkout's tests against our server.")
    parser.add_argument("repository", type=Path, help="the checkout; its folder tests/ is run")
    options, rest = parser.parse_known_args(arguments)
    tests = options.repository / "tests"
    if not tests.is_dir():
        print(f"letta-suite: there are no tests in {tests}", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder, _served(Path(folder)) as environment:
        tally = run_suite(tests, Path(folder) / "report.xml", environment, rest)
    if tally is None:
        return 1
    print(f"letta-suite: {tally.told()}")
    return 0


def run_suite(tests: Path, report: Path, environment: dict[str, str], rest: Sequence[str]) -> Tally | None:
    """Run the tests with their own configuration and return the tally, None if pytest could not even report."""
    command = [sys.executable, "-m", "pytest", str(tests), f"--junitxml={report}", "--continue-on-collection-errors"]
    done = subprocess.run([*command, "-p", "no:cacheprovider", *rest], cwd=tests.parent, env=environment, check=False)
    if not report.exists() or done.returncode == NO_TESTS:
        print("letta-suite: pytest found no tests it could report", file=sys.stderr)
        return None
    return tally_of(report)


def tally_of(report: Path) -> Tally:
    """Return the tally of a JUnit report."""
    suites = ET.parse(report).getroot().iter("testsuite")
    counts = [
        {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")} for suite in suites
    ]
    total = {name: sum(count[name] for count in counts) for name in ("tests", "failures", "errors", "skipped")}
    failed = total["failures"] + total["errors"]
    return Tally(total["tests"] - failed - total["skipped"], failed, total["skipped"])


@contextmanager
def _served(folder: Path) -> Iterator[dict[str, str]]:
    """Run the model endpoint and the server, and give the environment in which the tests find both."""
    model_port, port = _free_port(), _free_port()
    model_url, url = f"http://127.0.0.1:{model_port}/v1", f"http://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "scripted", "OPENAI_BASE_URL": model_url}
    endpoint = [sys.executable, "-m", "tools.scripted_endpoint", "--port", str(model_port)]
    serve = [sys.executable, "-m", "kelpie_server", "serve", "--port", str(port), "--data", str(folder / "kelpie.db")]
    serve += ["--model-default", "openai/gpt-4o-mini", "--log-level", "warning"]
    with _running(endpoint, f"{model_url}/models", environment), _running(serve, f"{url}/v1/health", environment):
        named = {"LETTA_SERVER_URL": url, "LETTA_BASE_URL": url, "LETTA_API_KEY": "any"}
        yield {**environment, **named, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


@contextmanager
def _running(command: Sequence[str], url: str, environment: dict[str, str]) -> Iterator[None]:
    """Run a server and wait until it answers; raise RuntimeError if it does not."""
    process = subprocess.Popen(command, env=environment)
    try:
        _wait(process, url)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline_s = monotonic() + START_SECONDS_MAX
    while monotonic() < deadline_s and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            sleep(0.05)
        else:
            return
    raise RuntimeError(f"no answer from {url}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
