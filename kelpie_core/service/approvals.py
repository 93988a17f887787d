"""Answers to calls that wait for approval: whether they fit what waits, and calls that are withdrawn.

The answers come as the first messages of an input. All calls that ask are answered at once, each by a verdict or by
what the call gave where the client ran it. Answers to what does not wait any more are refused, but for mere denials
and failures before further messages: they change nothing, and a client that was interrupted sends them to be sure.
"""

import datetime as dt
from collections.abc import Sequence

import attrs

from kelpie_core.errors import ApprovalMismatch, ApprovalPending
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.approval import Answer, PendingApproval, Verdict, answers_of
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.model.turn import Turn
from kelpie_core.ports import Transaction
from kelpie_core.records import MESSAGES
from kelpie_core.service.drafts import MessageDraft
from kelpie_core.turn.conduct import conduct_of, forgets
from kelpie_core.turn.events import AnswersArrived, InputArrived
from kelpie_core.turn.machine import error_return, transition
from kelpie_core.turn.window import extended

NOTHING_WAITS = "Cannot process approval response: No tool call is currently awaiting approval."
WITHDRAWN = "this call was cancelled while it waited for approval, and was not made"


def check_waiting(head: AgentHead, drafts: Sequence[MessageDraft]) -> None:
    """Raise unless these drafts may begin a turn on that head: ApprovalPending, ApprovalMismatch."""
    responses = [draft for draft in drafts if draft.role is Role.APPROVAL]
    if head.pending is None:
        if responses and (len(responses) == len(drafts) or not all(map(_changes_nothing, responses))):
            raise ApprovalMismatch(NOTHING_WAITS)
    elif not responses:
        raise ApprovalPending(head.pending.message_id, tuple(call.id for call in head.pending.asked))
    else:
        _check_complete(head.pending, responses)


def begun(turn: Turn, agent: Agent, head: AgentHead, inputs: Sequence[Message]) -> tuple[Turn, tuple[Message, ...]]:
    """Return the turn after its first transition, and the inputs that are to be stored with it.

    Without answers that are waited for, these are all of them. Else messages behind the answers go into the turn:
    they come after the returns.
    """
    if head.pending is None:
        return transition(turn, InputArrived(), conduct_of(agent))[0], tuple(inputs)
    responses = tuple(message for message in inputs if message.role is Role.APPROVAL)
    arrived = AnswersArrived(
        pending=head.pending,
        answers=_complete(head.pending, responses),
        follow_ups=tuple(message for message in inputs if message.role is not Role.APPROVAL),
    )
    return transition(turn, arrived, conduct_of(agent))[0], responses


async def withdraw(
    tx: Transaction, agent: Agent, head: AgentHead, message_id: str, now: dt.datetime, words: str = WITHDRAWN
) -> AgentHead:
    """Answer the calls that wait with errors, and return the head without them; the caller puts it.

    For a cancel, on a head that no turn holds. The returns are of no run:
    the one that asked has ended, and what it gave was told.
    """
    waited = head.pending
    assert waited is not None, "only what waits can be withdrawn"
    message = Message(
        id=message_id,
        agent_id=head.agent_id,
        conversation_id=head.conversation_id,
        organization_id=agent.organization_id,
        seq=head.seq_next,
        role=Role.TOOL,
        tool_returns=(*waited.returns, *(error_return(call, words) for call in waited.calls)),
        step_id=waited.step_id,
        created_at=now,
    )
    await tx.put(MESSAGES, message)
    window = () if forgets(agent) else extended(head.window, message.seq, message.seq + 1)
    return attrs.evolve(head, pending=None, seq_next=message.seq + 1, window=window)


def _changes_nothing(response: MessageDraft) -> bool:
    """Return whether a response only denies, or tells of failures."""
    if not response.approvals:
        return response.approve is False
    return all(
        answer.status is ToolStatus.ERROR if isinstance(answer, ToolReturn) else not answer.approve
        for answer in answers_of(response.approvals)
    )


def _check_complete(waited: PendingApproval, responses: Sequence[MessageDraft]) -> None:
    wanted = [call.id for call in waited.asked]
    for response in responses:
        if not response.approvals and response.approval_request_id not in (None, waited.message_id, *wanted):
            _mismatch(wanted, [str(response.approval_request_id)])
    given = [str(answer.tool_call_id) for answer in _complete(waited, responses)]
    if sorted(given) != sorted(wanted):
        _mismatch(wanted, given)


def _mismatch(wanted: Sequence[str], given: Sequence[str]) -> None:
    raise ApprovalMismatch(f"Invalid tool call IDs: expected {', '.join(wanted)}, but received {', '.join(given)}")


def _complete(waited: PendingApproval, responses: Sequence[Message | MessageDraft]) -> tuple[Answer, ...]:
    """Return the answers of responses; one that names no calls speaks of all that wait."""
    answers: list[Answer] = []
    for response in responses:
        if response.approvals:
            answers += answers_of(response.approvals)
        else:
            approve, reason = response.approve is True, response.denial_reason
            answers += [Verdict(tool_call_id=call.id, approve=approve, reason=reason) for call in waited.asked]
    return tuple(answers)
