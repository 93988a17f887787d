"""Runs, steps, usage and the answer to a message, in the shapes of Letta's API."""

from kelpie_core.json_types import JsonObject
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.turn import StopReason, Usage

# The API has no words for our own stop reasons: its clients read them as the bound that is nearest.
_NEAREST = {StopReason.MAX_TOOL_CALLS: StopReason.MAX_STEPS, StopReason.MAX_SECONDS: StopReason.MAX_STEPS}


def stop_reason_of(reason: StopReason | None) -> str | None:
    """Return a stop reason in words that Letta's clients know."""
    return None if reason is None else _NEAREST.get(reason, reason).value


def stop_reason_json(run: Run) -> JsonObject:
    """Return why a run stopped, as an event of a stream or a part of an answer."""
    reason = run.stop_reason or StopReason.ERROR
    return {"message_type": "stop_reason", "stop_reason": stop_reason_of(reason)}


def usage_json(run: Run) -> JsonObject:
    """Return what a run used."""
    return {
        "message_type": "usage_statistics",
        **_tokens_json(run.usage),
        "step_count": run.turn.steps,
        "run_ids": [run.id],
        "cache_write_tokens": run.usage.cache_write_tokens,
        "context_tokens": None,
    }


def run_json(run: Run) -> JsonObject:
    """Return a run. What the API has no field for, an error and our own stop reasons, is in its metadata."""
    took = None if run.completed_at is None else run.completed_at - run.created_at
    return {
        "id": run.id,
        "agent_id": run.agent_id,
        "conversation_id": run.conversation_id,
        "status": run.status.value,
        "background": run.background,
        "stop_reason": stop_reason_of(run.stop_reason),
        "metadata": {**run.metadata, **_account(run)},
        "created_at": run.created_at.isoformat(),
        "completed_at": None if run.completed_at is None else run.completed_at.isoformat(),
        "total_duration_ns": None if took is None else round(took.total_seconds() * 1_000_000) * 1_000,
    } | dict.fromkeys(_RUN_NEVER_SET)


_RUN_NEVER_SET = (
    "base_template_id", "request_config", "callback_url", "callback_sent_at",
    "callback_status_code", "callback_error", "ttft_ns",
)  # fmt: skip


def _account(run: Run) -> JsonObject:
    account: JsonObject = {}
    if run.error is not None:
        account["error"] = {"type": run.error.type, "message": run.error.message}
    if run.stop_reason in _NEAREST:
        account["stop_reason"] = run.stop_reason.value
    if run.cancel_requested and run.status is RunStatus.RUNNING:
        account["cancel_requested"] = True
    return account


def step_json(step: Step) -> JsonObject:
    """Return a step. It is stored with the model's answer, so it is a success whatever its tools returned."""
    provider, _, model = (step.model or "").rpartition("/")
    return {
        "id": step.id,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "organization_id": step.organization_id,
        "model": model or None,
        "model_handle": step.model,
        "provider_name": provider or None,
        "provider_category": "base",
        **_tokens_json(step.usage),
        "completion_tokens_details": {"reasoning_tokens": step.usage.reasoning_tokens},
        "prompt_tokens_details": {"cached_tokens": step.usage.cached_input_tokens},
        "stop_reason": stop_reason_of(step.stop_reason),
        "status": "success",
        "feedback": step.feedback,
        "tags": list(step.tags),
        "messages": [],
    } | dict.fromkeys(_STEP_NEVER_SET)


_STEP_NEVER_SET = (
    "origin", "provider_id", "model_endpoint", "context_window_limit", "cache_write_tokens", "tid", "trace_id",
    "request_id", "project_id", "error_type", "error_data",
)  # fmt: skip


def _tokens_json(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
    }
