"""A step."""

from kelpie_core.model.step import Step
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.records import STEPS
from tests.twins import NOON


def test_step_comes_back_equal() -> None:
    """What is stored is read back equal."""
    step = Step(
        id="step-1",
        run_id="run-1",
        agent_id="agent-1",
        organization_id="org-1",
        number=1,
        usage=Usage(prompt_tokens=3, cached_input_tokens=2),
        stop_reason=StopReason.END_TURN,
        created_at=NOON,
    )
    assert step == STEPS.decode(STEPS.encode(step))
