"""Spans by OpenTelemetry."""

import asyncio
import contextvars
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from letta_client import Letta
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from kelpie_server.spans_otel import SERVICE, OpenTelemetrySpans, make
from tests.server.server_process import ServerProcess


def collected() -> tuple[OpenTelemetrySpans, InMemorySpanExporter]:
    """Return spans, and where they are collected."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetrySpans(provider.get_tracer(SERVICE)), exporter


def finished(exporter: InMemorySpanExporter) -> dict[str, Any]:
    """Return the spans that ended, by name."""
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_lasting_span_is_above_what_follows():
    """What a task begins after a lasting span is under it; after another span it is not."""
    spans, exporter = collected()

    async def work() -> None:
        outer = spans.start("outer", {"a": 1}, lasting=True)
        spans.start("beside", {}).end()
        await asyncio.create_task(inner())
        outer.end({"b": "c"})

    async def inner() -> None:
        spans.start("inner", {}).end()

    contextvars.copy_context().run(asyncio.run, work())
    found = finished(exporter)
    outer = found["outer"].context.span_id
    assert [outer, outer] == [found[name].parent.span_id for name in ("beside", "inner")]
    assert {"a": 1, "b": "c"} == dict(found["outer"].attributes)


def test_an_error_is_noted():
    """A span that failed says with what."""
    spans, exporter = collected()
    spans.start("a", {}).end(error="llm_timeout")
    (span,) = exporter.get_finished_spans()
    assert (StatusCode.ERROR, "llm_timeout") == (span.status.status_code, span.status.description)


def test_an_endpoint_is_asked_for_by_itself():
    """With an endpoint, spans have a provider of their own, and nothing of the process is set."""
    assert isinstance(make("http://127.0.0.1:9"), OpenTelemetrySpans)
    assert isinstance(make(None), OpenTelemetrySpans)


class _Collector(BaseHTTPRequestHandler):
    """A collector that keeps what it is sent."""

    def do_POST(self) -> None:
        """Take it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_sends_its_spans(tmp_path: Path):
    """A real server sends the spans of a turn to the collector, all of them by the time it has ended."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as collector:
        collector.taken = taken = list[tuple[str, bytes]]()  # type: ignore[attr-defined]
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        server = ServerProcess(tmp_path, "--otlp-endpoint", f"http://127.0.0.1:{collector.server_port}/")
        with Letta(base_url=server.url, api_key="any", max_retries=0) as letta:
            agent = letta.agents.create()
            run_ids = letta.agents.messages.create(agent.id, input="hi").usage.run_ids or []
        assert 0 == server.stop(), server.log
        collector.shutdown()
        thread.join()
    told = b"".join(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for _, body in taken)
    assert {"/v1/traces"} == {path for path, _ in taken}
    wanted = [b"request", b"turn", b"step", b"model_call", run_ids[0].encode(), agent.id.encode()]
    assert [] == [word for word in wanted if word not in told]
