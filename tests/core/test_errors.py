"""Errors: whose fault, what they say, what they carry."""

import pytest

from kelpie_core import errors
from kelpie_core.errors import (
    AgentBusy,
    AlreadyExists,
    ApprovalMismatch,
    ApprovalPending,
    CallerError,
    Conflict,
    FellBehind,
    InvalidInput,
    InvariantBroken,
    KelpieError,
    LeaseLost,
    LimitExceeded,
    ModelError,
    NotFound,
    Refused,
    StoreError,
    ToolError,
    TurnFailed,
    Unsupported,
    WorldError,
)

PARENTS = {
    CallerError: KelpieError,
    InvalidInput: CallerError,
    NotFound: CallerError,
    AlreadyExists: CallerError,
    Refused: CallerError,
    AgentBusy: Refused,
    ApprovalPending: Refused,
    ApprovalMismatch: Refused,
    LimitExceeded: CallerError,
    Unsupported: CallerError,
    WorldError: KelpieError,
    StoreError: WorldError,
    Conflict: StoreError,
    LeaseLost: StoreError,
    ModelError: WorldError,
    TurnFailed: ModelError,
    ToolError: WorldError,
    FellBehind: WorldError,
    InvariantBroken: KelpieError,
}


def test_tree_is_as_drawn() -> None:
    """Every class has the parent that the drawing at the head of the module gives it, and the drawing has them all."""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {KelpieError.__name__, *(kind.__name__ for kind in PARENTS)} == classes
    assert PARENTS == {kind: kind.__base__ for kind in PARENTS}
    assert [] == [name for name in sorted(classes) if name not in (errors.__doc__ or "")]


@pytest.mark.parametrize("kind", [InvalidInput, LimitExceeded])
def test_path_leads_the_message(kind: type[InvalidInput] | type[LimitExceeded]) -> None:
    """An error about a place in a document says the place first; one about the whole does not."""
    inner, whole = kind("is bad", path="$.agents[0].id"), kind("is bad")
    assert ("$.agents[0].id: is bad", "$.agents[0].id") == (str(inner), inner.path)
    assert ("is bad", "$") == (str(whole), whole.path)


def test_messages_name_what_they_are_about() -> None:
    """Each error says in words what its fields say."""
    assert "agent 'x' was not found" == str(NotFound("agent", "x"))
    assert "tool 'x' exists already" == str(AlreadyExists("tool", "x"))
    assert "schedules is not implemented" == str(Unsupported("schedules"))
    assert "run r is driven by another process now" == str(LeaseLost("r"))
    assert "agent a is busy: another request is currently being processed (run r)" == str(AgentBusy("a", "r"))


def test_fields_are_carried() -> None:
    """What a program needs to know is in fields, not only in words."""
    busy, missing, taken = AgentBusy("a", "r"), NotFound("agent", "x"), AlreadyExists("tool", "y")
    failed = TurnFailed("r", kind="llm_timeout", message="too slow")
    assert ("a", "r") == (busy.agent_id, busy.run_id)
    assert ("agent", "x", "tool", "y") == (missing.kind, missing.key, taken.kind, taken.key)
    assert "schedules" == Unsupported("schedules").operation
    assert ("r", "llm_timeout", "too slow", False) == (failed.run_id, failed.kind, str(failed), failed.retriable)


def test_world_errors_say_whether_to_try_again() -> None:
    """A failure of the world may pass unless said otherwise; a lost lease never comes back."""
    assert (True, False) == (WorldError("x").retriable, WorldError("x", retriable=False).retriable)
    assert (True, False) == (StoreError("x").retriable, StoreError("x").uncertain)
    assert StoreError("x", uncertain=True).uncertain
    assert (True, False) == (Conflict("x").retriable, Conflict("x").uncertain)
    assert ("llm_error", True) == (ModelError("x").kind, ModelError("x").retriable)
    assert (False, "r") == (LeaseLost("r").retriable, LeaseLost("r").run_id)
