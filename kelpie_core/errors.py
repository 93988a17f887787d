"""The errors of the core, split by whose fault they are.

    KelpieError
    ├── CallerError            the caller's: typed, expected, tested
    │   ├── InvalidInput       a value has a wrong type or form; `path` says where
    │   ├── NotFound           no such thing, or not the caller's
    │   ├── AlreadyExists      a name or id is taken
    │   ├── Refused            the thing is in a state that does not allow it
    │   │   ├── AgentBusy      another turn of this agent is running; `run_id` says which
    │   │   ├── ApprovalPending    calls wait for an answer, and none was given
    │   │   └── ApprovalMismatch   an answer does not fit the calls that wait
    │   ├── LimitExceeded      more than a bound of limits.py or of the object
    │   └── Unsupported        not implemented here; `operation` names it
    └── WorldError             the outside world's: retried by policy, then reported
        ├── StoreError         `uncertain` when the write may have happened all the same
        │   ├── Conflict       somebody else committed first; retry the whole transaction
        │   └── LeaseLost      another process has taken the turn up; it goes on there
        ├── ModelError         `kind` in the wire's words: llm_error, llm_rate_limit, llm_timeout, ..., and
        │                      llm_context_overflow: the window is too long for the model
        │   └── TurnFailed     a turn ended as failed; `run_id` says which
        ├── ToolError          the runner failed (a tool that fails by itself is a return, not an error)
        └── FellBehind         who listens to a turn takes its events too slowly
    InvariantBroken            ours: never caught by the core, ends the request with 500 and the run as failed

`retriable` on a WorldError says that the same call may succeed later.
"""


class KelpieError(Exception):
    """The root of all errors that the core raises on purpose."""


class CallerError(KelpieError):
    """The caller asked for something that cannot be done."""


class InvalidInput(CallerError):
    """A value has a wrong type or form. `path` is where it stands in the caller's document, as `$.agents[0].id`."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message if path == "$" else f"{path}: {message}")
        self.path = path


class NotFound(CallerError):
    """No such thing. `kind` is its noun, `key` what was asked for."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key!r} was not found")
        self.kind = kind
        self.key = key


class AlreadyExists(CallerError):
    """A name or id is taken."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key!r} exists already")
        self.kind = kind
        self.key = key


class Refused(CallerError):
    """The thing exists but is in a state that does not allow the operation."""


class AgentBusy(Refused):
    """Another turn of this agent is running."""

    def __init__(self, agent_id: str, run_id: str | None) -> None:
        super().__init__(f"agent {agent_id} is busy: another request is currently being processed (run {run_id})")
        self.agent_id = agent_id
        self.run_id = run_id


class ApprovalPending(Refused):
    """Calls of tools wait for an answer, and no turn begins without it. `request_id` is the message that asks."""

    def __init__(self, request_id: str, call_ids: tuple[str, ...]) -> None:
        super().__init__(
            f"Cannot send a new message: the agent is waiting for approval of {', '.join(call_ids)} (asked in "
            f"{request_id}). Approve or deny it, or cancel."
        )
        self.request_id = request_id


class ApprovalMismatch(Refused):
    """An answer does not fit the calls that wait, or none waits."""


class LimitExceeded(CallerError):
    """More than a bound allows; the message names the bound."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message if path == "$" else f"{path}: {message}")
        self.path = path


class Unsupported(CallerError):
    """Not implemented here; `operation` names what."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation} is not implemented")
        self.operation = operation


class WorldError(KelpieError):
    """The outside world failed. `retriable`: the same call may succeed later."""

    def __init__(self, message: str, *, retriable: bool = True) -> None:
        super().__init__(message)
        self.retriable = retriable


class StoreError(WorldError):
    """The store failed. `uncertain`: the transaction may have been committed all the same."""

    def __init__(self, message: str, *, retriable: bool = True, uncertain: bool = False) -> None:
        super().__init__(message, retriable=retriable)
        self.uncertain = uncertain


class Conflict(StoreError):
    """Somebody else committed first; nothing was written. Retry the whole transaction."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retriable=True, uncertain=False)


class ModelError(WorldError):
    """The language model failed. `kind` is the wire's word for it, as `llm_rate_limit`.

    `retry_after_seconds` is how long the provider asks to be left alone.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "llm_error",
        retriable: bool = True,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retriable=retriable)
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds


class LeaseLost(StoreError):
    """Another process has taken the turn up: it goes on there, and nothing of ours was written."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} is driven by another process now", retriable=False)
        self.run_id = run_id


class TurnFailed(ModelError):
    """A turn ended as failed, and its run says so too."""

    def __init__(self, run_id: str, *, kind: str, message: str) -> None:
        super().__init__(message, kind=kind, retriable=False)
        self.run_id = run_id


class ToolError(WorldError):
    """The tool runner failed, not the tool."""


class FellBehind(WorldError):
    """Who listens to a turn has left `events_max` events untaken, and hears no more of them. The turn goes on."""

    def __init__(self, events_max: int) -> None:
        super().__init__(f"the listener fell {events_max} events behind the turn, which goes on", retriable=False)
        self.events_max = events_max


class InvariantBroken(KelpieError):
    """Ours: the core found itself in a state that must not exist. Never caught by the core."""
