"""What was done and what it cost, in the shapes of Letta's API."""

import datetime as dt
from typing import Any

import attrs
import pytest
from letta_client.types.runs import UsageRetrieveResponse
from letta_client.types.steps import MetricRetrieveResponse

from kelpie_core.errors import InvalidInput
from kelpie_core.model.message import Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.service.runs import UNFINISHED, RunFilter, StepFilter, StepTimes
from kelpie_core.wire.letta_account import (
    FeedbackFields,
    metrics_json,
    run_filter,
    run_usage_json,
    step_feedback,
    step_filter,
    trace_json,
)
from tests.core.wire.letta_samples import (
    AGENT_ID,
    MESSAGE_ID,
    NOW,
    ORGANIZATION,
    RUN_ID,
    STEP_ID,
    message,
    read_by_sdk,
    run,
)

OTHER_ID = "agent-00000000-0000-4000-8000-000000000001"
CONVERSATION_ID = "conv-9b2d813f-0f6b-4776-97a4-ba14c7af9636"
STEP = Step(id=STEP_ID, run_id=RUN_ID, agent_id=AGENT_ID, organization_id=ORGANIZATION, number=1, created_at=NOW)


def later(seconds: int) -> dt.datetime:
    """Return a time so many seconds on."""
    return NOW + dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, RunFilter()),
        ({"agent_id": [AGENT_ID]}, RunFilter(agent_ids=(AGENT_ID,))),
        ({"agent_ids": [OTHER_ID, AGENT_ID], "agent_id": [AGENT_ID]}, RunFilter(agent_ids=(OTHER_ID, AGENT_ID))),
        ({"statuses": ["failed"]}, RunFilter(statuses=frozenset((RunStatus.FAILED,)))),
        ({"active": ["true"]}, RunFilter(statuses=UNFINISHED)),
        ({"active": ["true"], "statuses": ["failed"]}, RunFilter(statuses=frozenset())),
        ({"active": ["false"]}, RunFilter()),
        ({"background": ["true"]}, RunFilter(background=True)),
        ({"background": ["false"]}, RunFilter(background=False)),
        ({"stop_reason": ["end_turn"]}, RunFilter(stop_reasons=frozenset((StopReason.END_TURN,)))),
        ({"stop_reason": ["insufficient_credits"]}, RunFilter(stop_reasons=frozenset())),
        ({"conversation_id": [CONVERSATION_ID]}, RunFilter(thread_id=CONVERSATION_ID)),
        ({"conversation_id": [AGENT_ID]}, RunFilter(thread_id=AGENT_ID)),
        (
            {"conversation_id": ["default"], "agent_id": [AGENT_ID]},
            RunFilter(agent_ids=(AGENT_ID,), thread_id=AGENT_ID),
        ),
    ],
)
def test_a_query_filters_runs(query, expected):
    """Each filter of a query is a filter of the list, and no other."""
    assert expected == run_filter(query)


def test_a_stop_reason_stands_for_all_that_are_shown_so():
    """Our own bounds are shown as the nearest word, and found by it."""
    reasons = run_filter({"stop_reason": ["max_steps"]}).stop_reasons
    assert frozenset((StopReason.MAX_STEPS, StopReason.MAX_TOOL_CALLS, StopReason.MAX_SECONDS)) == reasons


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"agent_id": ["x"]}, "$.agent_id"),
        ({"agent_ids": ["x"]}, "$.agent_id"),
        ({"statuses": ["running", "asleep"]}, "$.statuses"),
        ({"active": ["perhaps"]}, "$.active"),
        ({"background": ["perhaps"]}, "$.background"),
        ({"stop_reason": ["boredom"]}, "$.stop_reason"),
        ({"conversation_id": ["x"]}, "$.conversation_id"),
        ({"conversation_id": ["default"]}, "$.agent_id"),
    ],
)
def test_a_wrong_filter_of_runs_is_refused(query, path):
    """A filter that nobody knows is refused with its path."""
    with pytest.raises(InvalidInput) as caught:
        run_filter(query)
    assert path == caught.value.path


def test_a_query_filters_steps():
    """Each filter of a query is a filter of the list; dates without a zone are in UTC."""
    assert StepFilter() == step_filter({})
    query = {
        "agent_id": [AGENT_ID],
        "model": ["m"],
        "feedback": ["positive"],
        "has_feedback": ["true"],
        "tags": ["a", "b"],
        "start_date": ["2026-01-01T01:00:00+01:00"],
        "end_date": ["2026-01-02T00:00:00"],
    }
    expected = StepFilter(
        agent_id=AGENT_ID,
        model="m",
        feedback="positive",
        has_feedback=True,
        tags=frozenset("ab"),
        start=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        end=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    )
    assert expected == step_filter(query)


@pytest.mark.parametrize("query", [{"trace_ids": ["x"]}, {"project_id": ["x"]}])
def test_no_step_has_a_trace_or_a_project(query):
    """A filter by what no step here has finds none."""
    assert None is step_filter(query)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent_id", "x"),
        ("feedback", "so-so"),
        ("has_feedback", "perhaps"),
        ("start_date", "yesterday"),
        ("end_date", "0001-01-01T00:00:00+02:00"),
    ],
)
def test_a_wrong_filter_of_steps_is_refused(name, value):
    """A filter that nobody knows is refused with its path."""
    with pytest.raises(InvalidInput) as caught:
        step_filter({name: [value]})
    assert f"$.{name}" == caught.value.path


def test_feedback():
    """A body gives feedback, tags, or takes it back; another word is refused."""
    assert FeedbackFields(feedback="negative", tags=("a",)) == step_feedback({"feedback": "negative", "tags": ["a"]})
    assert FeedbackFields() == step_feedback({"feedback": None})
    with pytest.raises(InvalidInput, match=r"\$\.feedback"):
        step_feedback({"feedback": "so-so"})


def test_usage_of_a_run():
    """The SDK reads what a run has used so far, whether it has ended or not."""
    usage = Usage(prompt_tokens=7, completion_tokens=3, reasoning_tokens=2, cached_input_tokens=4, cache_write_tokens=1)
    value = run(status=RunStatus.RUNNING)
    value = attrs.evolve(value, turn=attrs.evolve(value.turn, usage=usage))
    shown: Any = read_by_sdk(UsageRetrieveResponse, run_usage_json(value))
    assert (7, 3, 10) == (shown.prompt_tokens, shown.completion_tokens, shown.total_tokens)
    assert (4, 4, 1, 2) == (
        shown.prompt_tokens_details.cached_tokens,
        shown.prompt_tokens_details.cache_read_tokens,
        shown.prompt_tokens_details.cache_creation_tokens,
        shown.completion_tokens_details.reasoning_tokens,
    )


def test_metrics_of_a_step():
    """The SDK reads how long a step took; of one whose messages are gone that is not known."""
    times = StepTimes(began_at=NOW, answered_at=later(2), ended_at=later(5))
    shown = read_by_sdk(MetricRetrieveResponse, metrics_json(STEP, times))
    assert (STEP_ID, RUN_ID, AGENT_ID) == (shown.id, shown.run_id, shown.agent_id)
    assert (2_000_000_000, 3_000_000_000, 5_000_000_000) == (
        shown.llm_request_ns,
        shown.tool_execution_ns,
        shown.step_ns,
    )
    began = round(NOW.timestamp() * 1_000_000) * 1_000
    assert (began, began) == (shown.step_start_ns, shown.llm_request_start_ns)
    gone = read_by_sdk(MetricRetrieveResponse, metrics_json(STEP, None))
    assert (STEP_ID, None, None, None) == (gone.id, gone.step_ns, gone.llm_request_ns, gone.step_start_ns)


def test_trace_of_a_run():
    """A run's spans are its own, one for each step, one for a step's tools; each lies in its parent."""
    answer = ToolReturn(tool_call_id="c1", status=ToolStatus.SUCCESS, text="done")
    told = (
        message(Role.USER, "hi", seq=1, step_id=None),
        message(Role.ASSISTANT, "well", seq=2, created_at=later(1)),
        message(Role.TOOL, seq=3, id="message-2", tool_returns=(answer,), created_at=later(3)),
    )
    ended = run(completed_at=later(4))
    spans = trace_json(ended, (STEP,), told, 10)
    assert [
        ("run", RUN_ID, None, 4_000_000_000),
        ("agent_step", STEP_ID, RUN_ID, 3_000_000_000),
        ("tool_execution", "message-2", STEP_ID, 2_000_000_000),
    ] == [(span["name"], span["span_id"], span["parent_span_id"], span["duration_ns"]) for span in spans]
    assert {"tool.returns": ["c1: success"]} == spans[2]["attributes"]
    assert spans[:2] == trace_json(ended, (STEP,), told, 2)


def test_trace_of_what_is_gone():
    """A step whose messages are gone has a span without a length; a run at work ends where it was changed last."""
    at_work = run(status=RunStatus.RUNNING, stop_reason=None, completed_at=None)
    first, second = trace_json(at_work, (STEP,), (), 10)
    assert (0, 0) == (first["duration_ns"], second["duration_ns"])
    alone = trace_json(at_work, (STEP,), (message(Role.ASSISTANT, "x", id=MESSAGE_ID),), 10)
    assert 0 == alone[1]["duration_ns"]
