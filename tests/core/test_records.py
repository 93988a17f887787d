"""The list of tables: what they store is read back equal, and every port call has its one name."""

import datetime as dt
from typing import Any, cast

import attrs
import msgspec
import pytest

from kelpie_core.keys import encode_key
from kelpie_core.model.agent import Agent, AgentHead, AgentType, LastRun, Lease, Span, TurnLimits
from kelpie_core.model.block import Block
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.departure import Departure
from kelpie_core.model.event_log import EventChunk, EventLog, LoggedEvent, LogState
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunError, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.sweep import Cleared, Sweep
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn, ToolStatus, ToolType
from kelpie_core.model.turn import Phase, StopReason, Turn, Usage
from kelpie_core.records import (
    AGENTS,
    BY_KEY,
    CONVERSATIONS,
    HEADS,
    MESSAGES,
    RUNS,
    STORE_OPERATIONS,
    SWEEPS,
    TABLES,
    TOOLS,
    Access,
    Table,
    operation_of,
)

NOW = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, dt.UTC)
OWNED: dict[str, Any] = {"organization_id": "o", "created_by_id": "u", "created_at": NOW, "updated_at": NOW}
CALL = ToolCall(id="c", name="f", arguments='{"a": 1')
RETURN = ToolReturn(tool_call_id=None, status=ToolStatus.ERROR, text="\x00", stdout=("a",), stderr=())
USAGE = Usage(prompt_tokens=1, completion_tokens=2, reasoning_tokens=3, cached_input_tokens=4)
RECORDS: tuple[object, ...] = (
    Agent(
        id="a",
        name="n",
        agent_type=AgentType.SLEEPTIME,
        llm_config={"deep": [{"er": None}, 1.5, "\U0001f99e"]},
        block_ids=("b",),
        tool_ids=("t", "u"),
        tool_rules=({"type": "run_first"},),
        tags=("x", "y", "x"),
        secrets={"KEY": "value"},
        limits=TurnLimits(steps_max=1),
        **OWNED,
    ),
    AgentHead(
        agent_id="a",
        seq_next=9,
        window=(Span(first=0, end=2), Span(first=4, end=9)),
        token_last=3,
        lease=Lease(holder="h", token=3, run_id="r", expires_at=NOW),
        organization_id="o",
        last_run=LastRun(began_at=NOW, completed_at=NOW, stop_reason=StopReason.END_TURN),
    ),
    Block(id="b", label="persona", value="v", hidden=True, metadata={"m": 1}, extra={"e": []}, **OWNED),
    Tool(id="t", name="f", tool_type=ToolType.MEMORY_CORE, json_schema={"type": "object"}, idempotent=True, **OWNED),
    Message(
        id="m",
        agent_id="a",
        seq=0,
        role=Role.ASSISTANT,
        content=(
            TextPart(text="t", signature="s"),
            ReasoningPart(reasoning="r", is_native=False),
            OpaquePart(fields={"type": "image", "source": {"data": "…"}}),
        ),
        tool_calls=(CALL,),
        tool_returns=(RETURN,),
        approve=False,
        approvals=({"type": "approval"},),
        created_at=NOW,
    ),
    Run(
        id="r",
        agent_id="a",
        status=RunStatus.FAILED,
        turn=Turn(
            phase=Phase.ACTING,
            serial=7,
            steps_max=1,
            tool_calls_max=2,
            tokens_max=3,
            pending=(CALL,),
            returned=(RETURN,),
            usage=USAGE,
        ),
        stop_reason=StopReason.LLM_API_ERROR,
        error=RunError(type="llm_error", message="no"),
        usage=USAGE,
        completed_at=NOW,
        **OWNED,
    ),
    Step(id="s", run_id="r", agent_id="a", organization_id="o", number=1, usage=USAGE, created_at=NOW),
    Conversation(id="k", agent_id="a", summary="s", model_settings={"x": [1]}, archived_at=NOW, **OWNED),
    EventLog(run_id="r", agent_id="a", state=LogState.ENDED, types=("ping",), token=3, seq_last=2, since=NOW),
    EventChunk(
        run_id="r",
        seq_last=2,
        events=(LoggedEvent(seq_id=2, kind="error_message", data={"deep": [None, 1.5]}, name="error"),),
    ),
    Departure(id="g", organization_id="o", created_at=NOW, due_at=NOW),
    Sweep(id="w", agent_ids=("a", "b"), cleared=(Cleared(thread_id="a", first=1, end=9),), due_at=NOW),
)


@pytest.mark.parametrize(
    ("table", "record"), list(zip(TABLES, RECORDS, strict=True)), ids=[table.name for table in TABLES]
)
def test_records_are_read_back_equal(table: Table[object], record: object) -> None:
    """A record of each table survives its encoding, in value and in every type within."""
    again = table.decode(table.encode(record))
    assert again == record
    assert repr(again) == repr(record)


def test_stored_form() -> None:
    """The stored bytes are exactly these, for databases hold them: a change needs a new codec version."""
    assert SWEEPS.codec_version == 1
    expected = (
        b'{"agent_ids":["a","b"],"cleared":[{"end":9,"first":1,"thread_id":"a"}],"conversation_ids":[],'
        b'"due_at":"2024-02-29T23:59:59.999999Z","id":"w"}'
    )
    assert SWEEPS.encode(RECORDS[-1]) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "body"),
    [
        (SWEEPS, b""),
        (SWEEPS, b'{"id":"w","agent_ids":[]}'),
        (SWEEPS, b'{"id":"w","agent_ids":[],"due_at":"2024-01-01T00:00:00"}'),
        (MESSAGES, MESSAGES.encode(RECORDS[4]).replace(b'"opaque"', b'"magic"')),  # type: ignore[arg-type]
        (MESSAGES, MESSAGES.encode(RECORDS[4]).replace(b'"assistant"', b'"prompter"')),  # type: ignore[arg-type]
    ],
)
def test_corrupt_bytes_are_refused(table: Table[object], body: bytes) -> None:
    """Bytes that hold no record of the table raise an error of decoding."""
    with pytest.raises(msgspec.DecodeError):
        table.decode(body)


def test_unknown_types_are_refused() -> None:
    """A table of records with a field that nobody taught it to decode names that field's type."""

    class Unknown:
        pass

    @attrs.frozen
    class Holder:
        id: str
        unknown: Unknown

    # Resolved by hand: the class is local, and msgspec looks for its name among the globals of this module.
    Holder.__annotations__["unknown"] = Unknown
    table = Table(name="holders", noun="holder", kind=Holder, key=("id",))
    with pytest.raises(NotImplementedError, match="Unknown"):
        table.decode(b'{"id": "h", "unknown": {}}')


def test_keys() -> None:
    """The key of a record is its key attributes, encoded in order."""
    message, head = RECORDS[4], RECORDS[1]
    assert MESSAGES.key_of(message) == encode_key(("a", 0))  # type: ignore[arg-type]
    assert HEADS.key_of(head) == encode_key(("a",))  # type: ignore[arg-type]
    apart = attrs.evolve(message, conversation_id="k")  # type: ignore[misc]
    assert MESSAGES.key_of(apart) == encode_key(("k", 0))  # type: ignore[arg-type]


def test_entries() -> None:
    """An entry is what the index fixes, the element if there are several, its order, and the key."""
    agent, message, sweep, run = RECORDS[0], RECORDS[4], RECORDS[-1], RECORDS[5]
    cases: tuple[tuple[Table[object], str, object, list[bytes]], ...] = (
        (AGENTS, BY_KEY, agent, [encode_key(("a",))]),
        (AGENTS, "by_name", agent, [encode_key(("o", "n", NOW, "a"))]),
        (AGENTS, "by_tag", agent, [encode_key(("o", tag, NOW, "a")) for tag in "xy"]),
        (HEADS, "by_last_run", RECORDS[1], [encode_key(("o", NOW, "a"))]),
        (AGENTS, "by_block", agent, [encode_key(("b", NOW, "a"))]),
        (MESSAGES, "by_otid", message, [encode_key(("a", None, "a", 0))]),
        (CONVERSATIONS, "by_agent_run", RECORDS[7], [encode_key(("a", NOW, "k"))]),
        (SWEEPS, "by_due", sweep, [encode_key((NOW, "w"))]),
        (RUNS, "by_status", run, [encode_key(("failed", NOW, "r"))]),
    )  # type: ignore[assignment]
    for table, name, record, expected in cases:
        assert list(table.entries_of(table.index(name), record)) == expected


def test_an_unknown_index_is_refused() -> None:
    """Asking for an index that the table has not names both."""
    with pytest.raises(KeyError, match="tools has no index 'by_colour'"):
        TOOLS.index("by_colour")


def test_indexes_name_attributes() -> None:
    """Each key and each index names attributes that the records have, and no name twice in a table."""
    for table in TABLES:
        fields = set(attrs.fields_dict(cast(type[attrs.AttrsInstance], table.kind)))
        fields |= {name for name, value in vars(table.kind).items() if isinstance(value, property)}
        named = {name for index in table.indexes for name in (*index.equals, *index.order)}
        named |= {index.each for index in table.indexes if index.each is not None}
        assert (named | set(table.key)) - fields == set()
        assert len({index.name for index in table.indexes} | {BY_KEY}) == len(table.indexes) + 1


def test_operation_names() -> None:
    """Each access to each table has a name of its own, and the commit has one."""
    assert operation_of(MESSAGES, Access.WRITE) == "message_write"
    assert {"commit", "agent_read", "run_scan", "sweep_delete", "head_write"} <= STORE_OPERATIONS
    assert len(STORE_OPERATIONS) == 4 * len(TABLES) + 1
