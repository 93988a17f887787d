"""What Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from kelpie_server.metrics import OTHER, PROVIDERS_MAX, Metrics


def values(metrics: Metrics, *, live_turns: int = 0) -> dict[tuple[str, str], float]:
    """Return the samples of a page by name and labels (by their names), without buckets and times of creation."""
    page = metrics.page(live_turns).decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def test_requests_are_counted_by_route():
    """A request is counted under its method, its route and its status, with the time it took."""
    metrics = Metrics()
    metrics.request("GET", "/v1/agents", 200, 0.25)
    metrics.request("GET", "/v1/agents", 200, 0.5)
    metrics.request("BREW", "unmatched", 405, 0.1)
    found = values(metrics)
    assert 2 == found["kelpie_requests_total", "GET,/v1/agents,200"]
    assert 0.75 == found["kelpie_request_seconds_sum", "GET,/v1/agents"]
    assert 1 == found["kelpie_requests_total", f"{OTHER},unmatched,405"]


def test_streams_and_turns_that_live_are_gauges():
    """A stream that ended is no longer counted; live turns are those of the moment of asking."""
    metrics = Metrics()
    for change in (1, 1, -1):
        metrics.stream(change)
    assert 1 == values(metrics)["kelpie_live_streams", ""]
    assert [3, 2] == [values(metrics, live_turns=number)["kelpie_live_turns", ""] for number in (3, 2)]


def test_what_turns_do_is_counted():
    """Turns, runs by how they ended, steps and their tokens, commits, models and tools have their counters."""
    metrics = Metrics()
    metrics.turn_started()
    metrics.run_ended("failed", "error", 2.0)
    metrics.step(10, 4)
    metrics.transaction("conflict", 0.001)
    metrics.model_call("openai", "llm_timeout", 1.0)
    metrics.tool_call("custom", "success", 0.5)
    found = values(metrics)
    expected = {
        ("kelpie_turns_started_total", ""): 1,
        ("kelpie_runs_ended_total", "failed,error"): 1,
        ("kelpie_run_seconds_sum", ""): 2.0,
        ("kelpie_steps_total", ""): 1,
        ("kelpie_tokens_total", "prompt"): 10,
        ("kelpie_tokens_total", "completion"): 4,
        ("kelpie_store_transactions_total", "conflict"): 1,
        ("kelpie_store_commit_seconds_count", ""): 1,
        ("kelpie_model_calls_total", "llm_timeout,openai"): 1,
        ("kelpie_model_call_seconds_sum", "openai"): 1.0,
        ("kelpie_tool_calls_total", "custom,success"): 1,
        ("kelpie_tool_call_seconds_sum", ""): 0.5,
    }
    assert expected == {key: found[key] for key in expected}


def test_names_that_callers_choose_are_bounded():
    """However many providers agents name, only the first ones have a label of their own."""
    metrics = Metrics()
    for number in range(PROVIDERS_MAX + 10):
        metrics.model_call(f"p{number}", "ok", 0.1)
    found = {labels: value for (name, labels), value in values(metrics).items() if name == "kelpie_model_calls_total"}
    assert (PROVIDERS_MAX + 1, 10) == (len(found), found[f"ok,{OTHER}"])


def test_two_servers_of_one_process_do_not_mix():
    """Each app counts for itself."""
    one, other = Metrics(), Metrics()
    one.turn_started()
    assert (1, 0) == (
        values(one)["kelpie_turns_started_total", ""],
        values(other)["kelpie_turns_started_total", ""],
    )
