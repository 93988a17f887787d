"""A run: the account of a turn, with the turn in it."""

import attrs

from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import Phase, StopReason, Turn, Usage
from kelpie_core.records import RUNS
from tests.twins import NOON

RUN = Run(
    id="run-1",
    agent_id="agent-1",
    organization_id="org-1",
    created_by_id="user-1",
    status=RunStatus.RUNNING,
    turn=Turn(
        phase=Phase.ACTING,
        serial=4,
        steps_max=3,
        tool_calls_max=9,
        tokens_max=99,
        step_id="step-1",
        pending=(ToolCall(id="c2", name="f", arguments="{}"),),
        returned=(ToolReturn(tool_call_id="c1", status=ToolStatus.SUCCESS, text="one"),),
        usage=Usage(prompt_tokens=1),
    ),
    created_at=NOON,
    updated_at=NOON,
)


def test_running_turn_comes_back_equal() -> None:
    """The state of a turn in mid-step survives the store: another process can go on with it."""
    assert RUN == RUNS.decode(RUNS.encode(RUN))


def test_ended_run_comes_back_equal() -> None:
    """How a run ended survives too."""
    ended = attrs.evolve(
        RUN,
        status=RunStatus.FAILED,
        stop_reason=StopReason.LLM_API_ERROR,
        error=RunError(type="llm_timeout", message="too slow"),
        completed_at=NOON,
    )
    assert ended == RUNS.decode(RUNS.encode(ended))
