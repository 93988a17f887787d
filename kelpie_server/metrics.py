"""What Prometheus reads: counts and durations, kept for one app, so that two apps of one process do not mix.

Every label has few values: route templates and not paths, kinds of tools and not names, and of what callers name
freely only the first few.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"
PROVIDERS_MAX = 32
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._providers: dict[str, None] = {}
        self._live_turns = self._gauge("live_turns", "Turns at work in this process now.")
        self._streams = self._gauge("live_streams", "Streams of events that are open now.")
        self._requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self._request_seconds = self._seconds("request", "Time to the end of an answer.", _SLOW, "method", "route")
        self._turns = self._counter("turns_started", "Turns that began here.")
        self._runs = self._counter("runs_ended", "Runs that ended here.", "status", "stop_reason")
        self._run_seconds = self._seconds("run", "From a run's creation to its end.", _SLOW)
        self._steps = self._counter("steps", "Steps stored.")
        self._tokens = self._counter("tokens", "Tokens that steps used.", "kind")
        self._transactions = self._counter("store_transactions", "Transactions of the store.", "outcome")
        self._commit_seconds = self._seconds("store_commit", "Time that a commit took.", _QUICK)
        self._models = self._counter("model_calls", "Calls of language models.", "provider", "outcome")
        self._model_seconds = self._seconds("model_call", "Time to the end of a reply.", _SLOW, "provider")
        self._tools = self._counter("tool_calls", "Calls of tools that are not builtin.", "kind", "outcome")
        self._tool_seconds = self._seconds("tool_call", "Time of a tool call.", _SLOW)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"kelpie_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"kelpie_{name}", words, registry=self.registry)

    def _seconds(self, name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"kelpie_{name}_seconds", words, labels, registry=self.registry, buckets=buckets)

    def page(self, live_turns: int) -> bytes:
        """Return all metrics as Prometheus reads them."""
        self._live_turns.set(live_turns)
        return generate_latest(self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; a status of 0 is one that was cut before its answer began."""
        known = method if method in METHODS else OTHER
        self._requests.labels(known, route, str(status)).inc()
        self._request_seconds.labels(known, route).observe(seconds)

    def stream(self, change: int) -> None:
        """Count a stream that opened (1) or ended (-1)."""
        self._streams.inc(change)

    def transaction(self, outcome: str, seconds: float) -> None:
        """Count a transaction: ok, conflict, error, uncertain, or rolled_back by what it was to do."""
        self._transactions.labels(outcome).inc()
        self._commit_seconds.observe(seconds)

    def turn_started(self) -> None:
        """Count a turn that began here."""
        self._turns.inc()

    def run_ended(self, status: str, stop_reason: str, seconds: float) -> None:
        """Count a run that ended here."""
        self._runs.labels(status, stop_reason).inc()
        self._run_seconds.observe(seconds)

    def step(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a step and what it used."""
        self._steps.inc()
        self._tokens.labels("prompt").inc(prompt_tokens)
        self._tokens.labels("completion").inc(completion_tokens)

    def model_call(self, provider: str, outcome: str, seconds: float) -> None:
        """Count a call of a model: ok, cut, or the error's kind."""
        known = self._bounded(provider)
        self._models.labels(known, outcome).inc()
        self._model_seconds.labels(known).observe(seconds)

    def tool_call(self, kind: str, outcome: str, seconds: float) -> None:
        """Count a call of a tool: success, error (its own), failed (the runner's) or cut."""
        self._tools.labels(kind, outcome).inc()
        self._tool_seconds.observe(seconds)

    def _bounded(self, provider: str) -> str:
        if len(self._providers) < PROVIDERS_MAX:
            self._providers.setdefault(provider)
        return provider if provider in self._providers else OTHER
