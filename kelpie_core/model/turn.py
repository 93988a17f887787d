"""The turn's state: what is stored with its run, so that another process can go on where this one stopped."""

from enum import StrEnum

import attrs

from kelpie_core.model.message import Message
from kelpie_core.model.tool import ClientSkill, ClientTool, ToolCall, ToolReturn


class Phase(StrEnum):
    """What the turn waits for."""

    NEW = "new"
    THINKING = "thinking"
    ACTING = "acting"
    DONE = "done"


class StopReason(StrEnum):
    """Why a turn ended, in the wire's words; `max_tool_calls` and `max_seconds` are ours."""

    END_TURN = "end_turn"
    ERROR = "error"
    LLM_API_ERROR = "llm_api_error"
    INVALID_LLM_RESPONSE = "invalid_llm_response"
    MAX_STEPS = "max_steps"
    MAX_TOKENS = "max_tokens_exceeded"
    MAX_TOOL_CALLS = "max_tool_calls"
    MAX_SECONDS = "max_seconds"
    CANCELLED = "cancelled"
    TOOL_RULE = "tool_rule"
    NO_TOOL_CALL = "no_tool_call"
    INVALID_TOOL_CALL = "invalid_tool_call"
    REQUIRES_APPROVAL = "requires_approval"


@attrs.frozen(kw_only=True)
class Usage:
    """Tokens, as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Return prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum of both."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


@attrs.frozen(kw_only=True)
class Turn:
    """The state. `serial` grows by one with every transition: a commit that was lost and found again shows by it.

    In ACTING, `pending` are the calls still to run: only the first batch may have been started, which is one call or,
    at the front, those in `together`. `returned` are the returns of this step so far. `approved` are the calls that
    somebody let run. `called` are the names of the tools called so far and `branch` the tools that the last one's
    return leads to (None: any), for the tool rules; `owed` must be called before the turn ends. `goes_on` and `ends`
    say what the calls of this step want of the turn. `follow_ups` are messages of the input that wait for the returns.
    """

    phase: Phase = Phase.NEW
    serial: int = 0
    steps_max: int
    tool_calls_max: int
    tokens_max: int
    steps: int = 0
    tool_calls: int = 0
    step_id: str | None = None
    pending: tuple[ToolCall, ...] = ()
    returned: tuple[ToolReturn, ...] = ()
    together: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    branch: tuple[str, ...] | None = None
    owed: tuple[str, ...] = ()
    goes_on: bool = False
    ends: bool = False
    follow_ups: tuple[Message, ...] = ()
    client_tools: tuple[ClientTool, ...] = ()
    client_skills: tuple[ClientSkill, ...] = ()
    usage: Usage = Usage()
    stop_reason: StopReason | None = None
