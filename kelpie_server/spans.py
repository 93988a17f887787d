"""Spans of requests, turns, steps, model calls and tool calls, with their ids: where they go is somebody else's choice.

Without the extra kelpie[otel] nobody collects them, and they cost next to nothing.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from kelpie_core.errors import Unsupported

Attributes = Mapping[str, str | int]


class Span(Protocol):
    """A span that is open."""

    def end(self, attributes: Attributes | None = None, *, error: str | None = None) -> None:
        """End it, with more said about it; as failed if there is an error."""


class Spans(Protocol):
    """Where spans go."""

    def start(
        self, name: str, attributes: Attributes, *, lasting: bool = False, since: dt.datetime | None = None
    ) -> Span:
        """Begin a span under the present one. If it is `lasting`, all that this task begins from now on is under it.

        It began `since` then, now if nothing is said.
        """


class NoSpan:
    """A span that nobody collects."""

    def end(self, attributes: Attributes | None = None, *, error: str | None = None) -> None:
        """Do nothing."""


class NoSpans:
    """Spans that nobody collects."""

    def start(
        self, name: str, attributes: Attributes, *, lasting: bool = False, since: dt.datetime | None = None
    ) -> Span:
        """Return a span that says nothing."""
        return _NO_SPAN


_NO_SPAN = NoSpan()


def make_spans(endpoint: str | None) -> Spans:
    """Return where spans go: to the collector at `endpoint`, else to whoever set OpenTelemetry up in this process.

    Raise Unsupported if there is an endpoint and the extra is not installed.
    """
    try:
        from kelpie_server import spans_otel
    except ImportError as error:
        if endpoint is not None:
            raise Unsupported("otlp_endpoint without the extra kelpie[otel]") from error
        return NoSpans()
    return spans_otel.make(endpoint)
