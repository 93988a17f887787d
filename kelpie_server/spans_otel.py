"""Spans by OpenTelemetry: imported only where the extra kelpie[otel] is installed."""

import datetime as dt

import attrs
from opentelemetry import context, trace

from kelpie_server.spans import Attributes, Span

SERVICE = "kelpie"


@attrs.define(eq=False)
class OpenSpan:
    """A span of OpenTelemetry."""

    _span: trace.Span

    def end(self, attributes: Attributes | None = None, *, error: str | None = None) -> None:
        """End it, with more said about it; as failed if there is an error."""
        self._span.set_attributes(attributes or {})
        if error is not None:
            self._span.set_status(trace.StatusCode.ERROR, error)
        self._span.end()


@attrs.define(eq=False)
class OpenTelemetrySpans:
    """Spans that a provider of OpenTelemetry takes."""

    _tracer: trace.Tracer

    def start(
        self, name: str, attributes: Attributes, *, lasting: bool = False, since: dt.datetime | None = None
    ) -> Span:
        """Begin a span under the present one. If it is `lasting`, all that this task begins from now on is under it.

        It began `since` then, now if nothing is said.
        """
        start_ns = None if since is None else int(since.timestamp() * 1e9)
        span = self._tracer.start_span(name, attributes=attributes, start_time=start_ns)
        if lasting:
            # Never taken off again: a turn's span is ended by another task than the one that began it, and a request
            # has a task of its own.
            context.attach(trace.set_span_in_context(span))
        return OpenSpan(span)


def make(endpoint: str | None) -> OpenTelemetrySpans:
    """Return spans that go to the collector at `endpoint`, else to the provider that is set up in this process."""
    provider = trace.get_tracer_provider() if endpoint is None else _collected_at(endpoint)
    return OpenTelemetrySpans(provider.get_tracer(SERVICE))


def _collected_at(endpoint: str) -> trace.TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    return provider
