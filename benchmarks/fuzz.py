"""Requests made from the OpenAPI document, by the thousand: no error of the server, no hang, no other shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from tests.server.fuzzing import fuzz
from tests.server.live_server import LiveServer

CASES = 20_000


def figures() -> Iterator[Figure]:
    """Yield how many answers were wrong."""
    with TemporaryDirectory() as folder:
        server = LiveServer(Path(folder))
        found = fuzz(server.url, CASES + CASES // 10)  # an operation with few shapes of request runs out of cases
        server.end()
    against = "; ".join(found.failures[:3]) or f"{found.taken:,} requests were taken"
    yield Figure(name="wrong answers", value=len(found.failures), unit="answers", ceiling=0, against=against)
    yield Figure(name="requests made", value=found.cases, unit="requests", floor=CASES)
