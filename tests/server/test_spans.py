"""Where spans go."""

import sys

import pytest

import kelpie_server
from kelpie_core.errors import Unsupported
from kelpie_server.spans import NoSpans, make_spans


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the extra away."""
    monkeypatch.delattr(kelpie_server, "spans_otel", raising=False)
    monkeypatch.delitem(sys.modules, "kelpie_server.spans_otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


def test_without_the_extra_spans_go_nowhere(bare):
    """Spans cost nothing and say nothing where the extra is not installed."""
    spans = make_spans(None)
    assert isinstance(spans, NoSpans)
    one, other = spans.start("a", {}, lasting=True), spans.start("b", {"c": 1})
    one.end({"b": 1}, error="c")
    assert one is other


def test_an_endpoint_needs_the_extra(bare):
    """Who wants spans sent is told what is missing, at the start."""
    with pytest.raises(Unsupported, match=r"kelpie\[otel\]"):
        make_spans("http://127.0.0.1:4318")


def test_with_the_extra_they_go_to_whoever_collects():
    """With the extra and no endpoint they go to what is set up in the process."""
    assert not isinstance(make_spans(None), NoSpans)
