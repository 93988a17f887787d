"""A run: the stored account of a turn, with the turn machine's state in it, so that a turn outlives the process."""

import datetime as dt
from enum import StrEnum

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import TURN_SECONDS_DEFAULT
from kelpie_core.model.agent import Agent
from kelpie_core.model.checks import aware_utc
from kelpie_core.model.turn import StopReason, Turn, Usage


class RunStatus(StrEnum):
    """Where a run stands, in the wire's words."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class RunError:
    """Why a run failed. `type` is the wire's word for it."""

    type: str
    message: str


@attrs.frozen(kw_only=True)
class Run:
    """One turn's account. `seq_first` is the first message it stored; `cancel_requested` is a caller's wish.

    `model`, `model_settings` and `system` are used in place of the agent's: the request's own, else the conversation's.
    """

    id: str
    agent_id: str
    conversation_id: str | None = None
    organization_id: str
    created_by_id: str
    status: RunStatus
    turn: Turn
    background: bool = False
    cancel_requested: bool = False
    seq_first: int = 0
    seconds_max: int = TURN_SECONDS_DEFAULT
    model: str | None = None
    model_settings: JsonObject | None = None
    system: str | None = None
    stop_reason: StopReason | None = None
    error: RunError | None = None
    usage: Usage = Usage()
    metadata: JsonObject = attrs.field(factory=dict)
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    updated_at: dt.datetime = attrs.field(validator=aware_utc)
    completed_at: dt.datetime | None = attrs.field(default=None, validator=aware_utc)

    @property
    def thread_id(self) -> str:
        """Return the conversation's id, or on the default thread the agent's."""
        return self.conversation_id or self.agent_id

    def configured(self, agent: Agent) -> Agent:
        """Return the agent as this run uses it: with the run's own model, if it has one, and its settings."""
        if self.model is not None:
            return attrs.evolve(agent, model=self.model, model_settings=self.model_settings, llm_config=None)
        return agent if self.model_settings is None else attrs.evolve(agent, model_settings=self.model_settings)
