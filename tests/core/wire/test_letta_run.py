"""Runs, steps and usage in the shapes of Letta's API."""

import datetime as dt

import pytest
from letta_client.types import Step as SdkStep
from letta_client.types.agents import LettaResponse
from letta_client.types.agents import Run as SdkRun

from kelpie_core.model.run import RunError, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.wire.letta_run import run_json, step_json, stop_reason_json, stop_reason_of, usage_json
from tests.core.wire.letta_samples import AGENT_ID, NOW, ORGANIZATION, RUN_ID, STEP_ID, read_by_sdk, run


@pytest.mark.parametrize("reason", list(StopReason))
def test_the_sdk_knows_every_stop_reason(reason):
    """Whatever ended a run, the SDK's types read it."""
    value = run(stop_reason=reason)
    shown = read_by_sdk(
        LettaResponse, {"messages": [], "stop_reason": stop_reason_json(value), "usage": usage_json(value)}
    )
    assert stop_reason_of(reason) == shown.stop_reason.stop_reason


def test_own_stop_reasons_are_in_the_metadata():
    """A bound that the API has no word for is shown as the nearest, and named in the metadata."""
    shown = run_json(run(stop_reason=StopReason.MAX_SECONDS, metadata={"k": 1}))
    assert ("max_steps", {"k": 1, "stop_reason": "max_seconds"}) == (shown["stop_reason"], shown["metadata"])


def test_a_run_without_a_reason_stopped_in_error():
    """A run that ended without saying why did not end well."""
    assert "error" == stop_reason_json(run(stop_reason=None))["stop_reason"]


def test_usage():
    """Usage counts tokens and steps."""
    shown = usage_json(run())
    assert (7, 3, 10, 2, [RUN_ID]) == (
        shown["prompt_tokens"],
        shown["completion_tokens"],
        shown["total_tokens"],
        shown["step_count"],
        shown["run_ids"],
    )


def test_the_sdk_reads_a_run():
    """The SDK's type reads a run that has ended, with how long it took."""
    shown = read_by_sdk(SdkRun, run_json(run(completed_at=NOW + dt.timedelta(microseconds=1_500), background=True)))
    assert (RUN_ID, AGENT_ID, "completed", "end_turn") == (shown.id, shown.agent_id, shown.status, shown.stop_reason)
    assert (1_500_000, True) == (shown.total_duration_ns, shown.background)


def test_a_run_at_work():
    """A run that has not ended shows no end, and a wish to cancel it."""
    shown = run_json(run(status=RunStatus.RUNNING, stop_reason=None, cancel_requested=True))
    assert (None, None, None) == (shown["stop_reason"], shown["completed_at"], shown["total_duration_ns"])
    assert {"cancel_requested": True} == shown["metadata"]


def test_a_failed_run_says_why():
    """The error is in the metadata."""
    shown = run_json(run(status=RunStatus.FAILED, error=RunError(type="llm_error", message="no")))
    assert {"error": {"type": "llm_error", "message": "no"}} == shown["metadata"]


@pytest.mark.parametrize(
    ("model", "shown_as"), [("openai/m", ("openai", "m")), ("m", (None, "m")), (None, (None, None))]
)
def test_the_sdk_reads_a_step(model, shown_as):
    """The SDK's type reads a step, with its model and usage."""
    step = Step(
        id=STEP_ID,
        run_id=RUN_ID,
        agent_id=AGENT_ID,
        organization_id=ORGANIZATION,
        number=1,
        model=model,
        usage=Usage(prompt_tokens=5, completion_tokens=2, reasoning_tokens=1),
        created_at=NOW,
    )
    shown = read_by_sdk(SdkStep, step_json(step))
    assert (STEP_ID, RUN_ID, 7, "success") == (shown.id, shown.run_id, shown.total_tokens, shown.status)
    assert shown_as == (shown.provider_name, shown.model)
