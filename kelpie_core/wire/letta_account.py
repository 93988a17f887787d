"""What was done and what it cost, in the shapes of Letta's API: filters of runs and steps, usage, metrics, traces.

A trace is made from what is stored, as OpenTelemetry writes spans: one for the run, one for each of its steps, one for
the tools of a step. Requests to the provider are not kept, so a step has no trace of those.
"""

import datetime as dt
from collections.abc import Sequence

import attrs

from kelpie_core.errors import InvalidInput
from kelpie_core.ids import check_id, is_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.step import Feedback, Step
from kelpie_core.model.turn import StopReason
from kelpie_core.service.runs import UNFINISHED, RunFilter, StepFilter, StepTimes
from kelpie_core.wire.letta_conversation import DEFAULT, in_utc
from kelpie_core.wire.letta_fields import typed
from kelpie_core.wire.letta_query import Query, flag_of, one_of
from kelpie_core.wire.letta_run import stop_reason_of

_STOP_REASONS_OF_OTHERS = ("insufficient_credits", "context_window_overflow_in_system_prompt")
_METRICS_NEVER_SET = ("provider_id", "base_template_id", "template_id", "project_id")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@attrs.frozen(kw_only=True)
class FeedbackFields:
    """What the body of a feedback may hold."""

    feedback: Feedback | None = None
    tags: tuple[str, ...] | None = None


def run_filter(query: Query) -> RunFilter:
    """Return which runs a query asks for; raise InvalidInput."""
    given = (*query.get("agent_ids", ()), *query.get("agent_id", ()))
    agent_ids = tuple(dict.fromkeys(check_id("agent", one, path="$.agent_id") for one in given if one))
    statuses = _statuses(query.get("statuses", ()))
    if flag_of(query, "active", default=False):
        statuses = UNFINISHED if statuses is None else statuses & UNFINISHED
    background = None if one_of(query, "background") is None else flag_of(query, "background", default=False)
    return RunFilter(
        agent_ids=agent_ids,
        thread_id=_thread_id(one_of(query, "conversation_id"), agent_ids),
        statuses=statuses,
        stop_reasons=stop_reasons_of(one_of(query, "stop_reason")),
        background=background,
    )


def step_filter(query: Query) -> StepFilter | None:
    """Return which steps a query asks for, None for none: no step here has a trace id or a project.

    Raises InvalidInput.
    """
    if any(query.get("trace_ids", ())) or one_of(query, "project_id") is not None:
        return None
    agent_id = one_of(query, "agent_id")
    rated = None if one_of(query, "has_feedback") is None else flag_of(query, "has_feedback", default=False)
    return StepFilter(
        agent_id=None if agent_id is None else check_id("agent", agent_id, path="$.agent_id"),
        model=one_of(query, "model"),
        feedback=typed({"feedback": one_of(query, "feedback")}, FeedbackFields).feedback,
        has_feedback=rated,
        tags=frozenset(tag for tag in query.get("tags", ()) if tag),
        start=_time(query, "start_date"),
        end=_time(query, "end_date"),
    )


def step_feedback(raw: JsonObject) -> FeedbackFields:
    """Return the feedback that a body gives; raise InvalidInput."""
    return typed(raw, FeedbackFields)


def run_usage_json(run: Run) -> JsonObject:
    """Return what a run has used so far."""
    usage = run.turn.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_read_tokens": usage.cached_input_tokens,
            "cache_creation_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def metrics_json(step: Step, times: StepTimes | None) -> JsonObject:
    """Return how long a step took; without times (its messages are gone) that is not known any more."""
    began = None if times is None else _nanoseconds(times.began_at)
    return {
        "id": step.id,
        "organization_id": step.organization_id,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "step_start_ns": began,
        "llm_request_start_ns": began,
        "llm_request_ns": None if times is None else _between(times.began_at, times.answered_at),
        "tool_execution_ns": None if times is None else _between(times.answered_at, times.ended_at),
        "step_ns": None if times is None else _between(times.began_at, times.ended_at),
    } | dict.fromkeys(_METRICS_NEVER_SET)


def trace_json(run: Run, steps: Sequence[Step], messages: Sequence[Message], limit: int) -> list[JsonObject]:
    """Return the spans of a run, its own first, at most `limit` of them."""
    ended = run.completed_at or run.updated_at
    about: JsonObject = {"agent.id": run.agent_id, "run.status": run.status.value}
    about["run.stop_reason"] = stop_reason_of(run.stop_reason)
    spans = [_span(run, run.id, None, "run", (run.created_at, ended), about)]
    for step in steps:
        own = [message for message in messages if message.step_id == step.id]
        before = [message.created_at for message in messages if own and message.seq < own[0].seq]
        answered = own[0].created_at if own else step.created_at
        began, end = before[-1] if before else answered, own[-1].created_at if own else answered
        spans.append(_span(run, step.id, run.id, "agent_step", (began, end), _about(step)))
        for message in own:
            if message.tool_returns:
                answers = [f"{one.tool_call_id}: {one.status.value}" for one in message.tool_returns]
                when = (answered, message.created_at)
                spans.append(_span(run, message.id, step.id, "tool_execution", when, {"tool.returns": answers}))
    return spans[:limit]


def _about(step: Step) -> JsonObject:
    return {
        "gen_ai.request.model": step.model,
        "gen_ai.usage.input_tokens": step.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": step.usage.completion_tokens,
    }


def _span(
    run: Run, key: str, parent: str | None, name: str, when: tuple[dt.datetime, dt.datetime], about: JsonObject
) -> JsonObject:
    return {
        "trace_id": run.id,
        "span_id": key,
        "parent_span_id": parent,
        "name": name,
        "start_time_unix_nano": _nanoseconds(when[0]),
        "end_time_unix_nano": _nanoseconds(when[1]),
        "duration_ns": _between(*when),
        "attributes": about,
    }


def _statuses(words: Sequence[str]) -> frozenset[RunStatus] | None:
    known = {status.value for status in RunStatus}
    for word in words:
        if word not in known:
            raise InvalidInput(f"no run has the status {word[:80]!r}", path="$.statuses")
    return frozenset(map(RunStatus, words)) if words else None


def stop_reasons_of(word: str | None, *, path: str = "$.stop_reason") -> frozenset[StopReason] | None:
    """Return the stop reasons that the API calls by a word; none for a word that this server never gives."""
    if word is None:
        return None
    reasons = frozenset(reason for reason in StopReason if stop_reason_of(reason) == word)
    if not reasons and word not in _STOP_REASONS_OF_OTHERS:
        raise InvalidInput(f"no run stops for {word[:80]!r}", path=path)
    return reasons


def _thread_id(word: str | None, agent_ids: tuple[str, ...]) -> str | None:
    if word == DEFAULT:
        if len(agent_ids) != 1:
            raise InvalidInput("is required with the conversation 'default'", path="$.agent_id")
        return agent_ids[0]
    return word if word is None or is_id("agent", word) else check_id("conv", word, path="$.conversation_id")


def _time(query: Query, name: str) -> dt.datetime | None:
    word = one_of(query, name)
    if word is None:
        return None
    try:
        time = dt.datetime.fromisoformat(word)
    except ValueError as error:
        raise InvalidInput(f"expected an ISO date, got {word[:80]!r}", path=f"$.{name}") from error
    return in_utc(time, f"$.{name}")


def _nanoseconds(time: dt.datetime) -> int:
    return (time - _EPOCH) // dt.timedelta(microseconds=1) * 1_000


def _between(first: dt.datetime, last: dt.datetime) -> int:
    return _nanoseconds(last) - _nanoseconds(first)
