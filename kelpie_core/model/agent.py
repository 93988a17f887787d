"""An agent in two records.

`Agent` is what people configure; `AgentHead` is what every turn moves: the next sequence number, the window, the
lease. They are apart so that renaming an agent does not conflict with its running turn, and so that a step writes a
hundred bytes instead of the whole system prompt.

Every thread of an agent has a head of its own: the default thread, whose id is the agent's, and each conversation. So
turns of two conversations run side by side, and one thread never has two.
"""

import datetime as dt
from enum import StrEnum

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import (
    TURN_SECONDS_DEFAULT,
    TURN_STEPS_DEFAULT,
    TURN_TOKENS_DEFAULT,
    TURN_TOOL_CALLS_DEFAULT,
)
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.checks import aware_utc
from kelpie_core.model.turn import StopReason


class AgentType(StrEnum):
    """The kinds of agent, in the wire's words."""

    MEMGPT = "memgpt_agent"
    MEMGPT_V2 = "memgpt_v2_agent"
    LETTA_V1 = "letta_v1_agent"
    REACT = "react_agent"
    WORKFLOW = "workflow_agent"
    SPLIT_THREAD = "split_thread_agent"
    SLEEPTIME = "sleeptime_agent"
    VOICE_CONVO = "voice_convo_agent"
    VOICE_SLEEPTIME = "voice_sleeptime_agent"


@attrs.frozen(kw_only=True)
class TurnLimits:
    """What one turn may cost at most. Each ends the turn with a stop reason of its own."""

    steps_max: int = TURN_STEPS_DEFAULT
    tool_calls_max: int = TURN_TOOL_CALLS_DEFAULT
    tokens_max: int = TURN_TOKENS_DEFAULT
    seconds_max: int = TURN_SECONDS_DEFAULT


@attrs.frozen(kw_only=True)
class Agent:
    """What people configure. `secrets` are the environment values of its tools: never exported, never logged."""

    id: str
    organization_id: str
    created_by_id: str
    name: str
    agent_type: AgentType = AgentType.LETTA_V1
    system: str = ""
    description: str | None = None
    model: str | None = None
    embedding: str | None = None
    llm_config: JsonObject | None = None
    embedding_config: JsonObject | None = None
    model_settings: JsonObject | None = None
    block_ids: tuple[str, ...] = ()
    tool_ids: tuple[str, ...] = ()
    tool_rules: tuple[JsonObject, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: JsonObject = attrs.field(factory=dict)
    secrets: dict[str, str] = attrs.field(factory=dict, repr=False)
    timezone: str | None = None
    message_buffer_autoclear: bool = False
    hidden: bool | None = None
    limits: TurnLimits = TurnLimits()
    last_updated_by_id: str | None = None
    created_at: dt.datetime = attrs.field(validator=aware_utc)
    updated_at: dt.datetime = attrs.field(validator=aware_utc)
    extra: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Span:
    """The messages with `first <= seq < end`."""

    first: int
    end: int


@attrs.frozen(kw_only=True)
class Lease:
    """The right to move the head until `expires_at`. `token` grows with every grant and is checked in every commit."""

    holder: str
    token: int
    run_id: str
    expires_at: dt.datetime = attrs.field(validator=aware_utc)


@attrs.frozen(kw_only=True)
class LastRun:
    """When the last run of a thread began and ended, and how."""

    began_at: dt.datetime = attrs.field(validator=aware_utc)
    completed_at: dt.datetime = attrs.field(validator=aware_utc)
    stop_reason: StopReason


@attrs.frozen(kw_only=True)
class AgentHead:
    """What every turn of a thread moves. `window` are the spans of messages that the model may see, in order.

    `pending` are calls that wait for somebody's answer: no turn begins without it. `cleared` are the messages that a
    reset took away: they are not there for anybody, although the sweep may not have come to them yet.
    """

    agent_id: str
    conversation_id: str | None = None
    organization_id: str = ""
    seq_next: int = 0
    window: tuple[Span, ...] = ()
    cleared: Span = Span(first=0, end=0)
    token_last: int = 0
    lease: Lease | None = None
    pending: PendingApproval | None = None
    last_run: LastRun | None = None

    @property
    def thread_id(self) -> str:
        """Return the conversation's id, or on the default thread the agent's."""
        return self.conversation_id or self.agent_id

    @property
    def ran_at(self) -> dt.datetime | None:
        """Return when the last run of the thread ended; None before the first."""
        return None if self.last_run is None else self.last_run.completed_at

    def hides(self, seq: int) -> bool:
        """Return whether a reset took that message away."""
        return self.cleared.first <= seq < self.cleared.end
