"""Running small programs in a world with Kelpie's operations, and records for what is checked there."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

from kelpie_core.model.agent import Agent, AgentHead, Lease, Span
from kelpie_core.model.block import Block
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import StopReason, Turn
from kelpie_core.optimistic import ABSENT, Commit, Write
from kelpie_core.records import AGENTS, BLOCKS, HEADS, MESSAGES, RUNS, Table
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.faults import Fault
from kelpie_sim.outcome import Finding, Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from tests.twins import NOON

AGENT = "agent-1"
HOLDER = "server-1/1"
RUN_ID = "run-1"
_TABLES: dict[type, Table[Any]] = {
    Agent: AGENTS,
    AgentHead: HEADS,
    Block: BLOCKS,
    Message: MESSAGES,
    Run: RUNS,
}


def outcome_of(
    program: Callable[[World], Awaitable[object]], *faults: Fault, sometimes: tuple[str, ...] = ()
) -> Outcome:
    """Return what a run of the program came to."""

    async def main(world: World) -> None:
        await program(world)

    scenario = Scenario(name="small", run=main, faults=lambda swarm: faults, operations=OPERATIONS, sometimes=sometimes)
    return simulate(scenario, 1)


def result_of(program: Callable[[World], Awaitable[object]], *faults: Fault, sometimes: tuple[str, ...] = ()) -> Any:
    """Return what the program returns; the run must be without a finding."""
    results: list[object] = []

    async def main(world: World) -> None:
        results.append(await program(world))

    outcome = outcome_of(main, *faults, sometimes=sometimes)
    assert outcome.finding is None, outcome.finding
    return results[0]


def finding_of(program: Callable[[World], Awaitable[object]], *faults: Fault) -> Finding:
    """Return what the run finds wrong; there must be something."""
    finding = outcome_of(program, *faults).finding
    assert finding is not None
    return finding


def write(record: object, *, version: int = ABSENT) -> Write:
    """Return the write of a record that replaces that version."""
    table = _TABLES[type(record)]
    return Write(table=table, key=table.key_of(record), version=version, body=table.encode(record))


def commit(*records: object) -> Commit:
    """Return a commit that creates these records."""
    return Commit(writes=tuple(write(record) for record in records))


def message(seq: int, role: Role = Role.USER, **fields: Any) -> Message:
    """Return a message of the agent."""
    given: dict[str, Any] = {"id": f"message-{seq}", "agent_id": AGENT, "created_at": NOON, **fields}
    return Message(seq=seq, role=role, **given)


def said(seq: int, *calls: str, **fields: Any) -> Message:
    """Return a step's reply that asks for these calls."""
    tool_calls = tuple(ToolCall(id=call, name="look", arguments="{}") for call in calls)
    fields = {"run_id": RUN_ID, "step_id": "step-1"} | fields
    return message(seq, Role.ASSISTANT, tool_calls=tool_calls, **fields)


def returned(seq: int, *calls: str, status: ToolStatus = ToolStatus.SUCCESS, run_id: str | None = RUN_ID) -> Message:
    """Return a message that answers these calls."""
    returns = tuple(ToolReturn(tool_call_id=call, status=status, text="") for call in calls)
    return message(seq, Role.TOOL, tool_returns=returns, run_id=run_id, step_id="step-1")


def head(
    seq_next: int,
    *,
    token: int = 1,
    holder: str | None = HOLDER,
    run_id: str = RUN_ID,
    window: tuple[Span, ...] | None = None,
    **fields: Any,
) -> AgentHead:
    """Return the agent's head, leased unless nobody holds it, with all messages in the window unless it is given."""
    lease = holder and Lease(holder=holder, token=token, run_id=run_id, expires_at=NOON + dt.timedelta(seconds=30))
    window = (Span(first=0, end=seq_next),) if window is None else window
    return AgentHead(agent_id=AGENT, seq_next=seq_next, window=window, token_last=token, lease=lease or None, **fields)


def run_record(status: RunStatus = RunStatus.RUNNING, *, key: str = RUN_ID, reason: StopReason | None = None) -> Run:
    """Return a run of the agent."""
    return Run(
        id=key,
        agent_id=AGENT,
        organization_id="org",
        created_by_id="user",
        status=status,
        turn=Turn(steps_max=1, tool_calls_max=1, tokens_max=1),
        stop_reason=reason,
        created_at=NOON,
        updated_at=NOON,
    )


def block(value: str = "", *, limit: int = 10) -> Block:
    """Return a block."""
    return Block(
        id="block-1",
        organization_id="org",
        created_by_id="user",
        label="note",
        value=value,
        limit=limit,
        created_at=NOON,
        updated_at=NOON,
    )
