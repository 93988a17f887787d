"""The laws of the stored state: each breaks exactly on a history that breaks it."""

from typing import Any

import attrs
import pytest

from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import Span
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.message import Role
from kelpie_core.model.run import RunStatus
from kelpie_core.optimistic import Commit
from kelpie_core.records import AGENTS, MESSAGES
from kelpie_sim.agents.invariants import LAWS, StoredState
from tests.contracts.made import agent
from tests.sim.agents.worlds import (
    AGENT,
    HOLDER,
    block,
    commit,
    finding_of,
    head,
    message,
    outcome_of,
    result_of,
    returned,
    run_record,
    said,
    write,
)

OTHER = "server-2/1"
OPEN, ANSWERED, ENDED = 2, 4, 5
GONE_ON = attrs.evolve(run_record(), turn=attrs.evolve(run_record().turn, serial=1))
WISH = attrs.evolve(run_record(), cancel_requested=True)
FIRST, SECOND = Span(first=0, end=5), Span(first=5, end=6)
WAITS = PendingApproval(
    message_id="m", run_id="run-1", step_id="s", calls=said(1, "a", "b").tool_calls, created_at=run_record().created_at
)
# What a turn with two calls commits, in order: (who, what). OPEN of them leave the calls open, ENDED end the turn.
SOUND = (
    (HOLDER, commit(message(0), run_record(), head(1))),
    (HOLDER, commit(said(1, "a", "b"), run_record(), head(2))),
    (HOLDER, commit(message(2, Role.APPROVAL), head(3))),
    (HOLDER, commit(returned(3, "a"), returned(4, "b"), run_record(), head(5))),
    (HOLDER, commit(said(5), run_record(RunStatus.COMPLETED), head(6, holder=None))),
    (
        OTHER,
        commit(message(6, run_id="run-2"), run_record(key="run-2"), head(7, token=2, holder=OTHER, run_id="run-2")),
    ),
    (OTHER, commit(said(7, run_id="imported"), head(8, token=2, holder=OTHER, run_id="run-2"))),
    (OTHER, commit(block("0123456789"))),
    (OTHER, Commit(writes=(attrs.evolve(write(message(0), version=1), body=None),))),
)
# law, behind how many sound commits, who commits what, what is said of it
BROKEN = (
    ("order", 1, HOLDER, commit(said(2), head(3)), "message 2 was stored where 1 was next"),
    ("order", 1, HOLDER, commit(said(1), head(1)), "the head says 1 is next, the messages say 2"),
    ("order", 1, HOLDER, commit(head(2)), "the head says 2 is next, the messages say 1"),
    ("order", 1, HOLDER, Commit(writes=(write(message(1), version=1), write(head(2)))), "message 1 was changed"),
    ("pairing", OPEN, HOLDER, commit(returned(2, "c"), head(3)), "a tool message answers 1 of 2 open calls"),
    ("pairing", OPEN, HOLDER, commit(said(2), head(3)), "a assistant message answers 0 of 2 open calls"),
    ("pairing", OPEN, HOLDER, commit(message(2), head(3)), "a user message answers 0 of 2 open calls"),
    ("pairing", ANSWERED, HOLDER, commit(returned(5, "a"), head(6)), "a tool message answers 1 of 0 open calls"),
    ("fencing", ENDED, HOLDER, commit(head(6, token=0, holder=None)), "the token fell from 1 to 0"),
    ("fencing", ANSWERED, OTHER, commit(said(5), head(6)), "a assistant message came from who does not hold the lease"),
    ("fencing", ENDED, HOLDER, commit(said(6), head(7)), "a assistant message came from who does not hold the lease"),
    (
        "one turn",
        1,
        HOLDER,
        commit(run_record(key="run-2")),
        "a run began while another of the same thread was not ended",
    ),
    ("fencing", ANSWERED, OTHER, commit(GONE_ON), "a run was changed by who does not hold the lease"),
    (
        "fencing",
        ANSWERED,
        OTHER,
        commit(run_record(RunStatus.CANCELLED), head(5, token=2, holder=OTHER)),
        "a run was changed by who does not hold the lease",
    ),
    ("fencing", ANSWERED, OTHER, commit(head(5)), "the head was moved by who does not hold the lease"),
    ("fencing", ENDED, HOLDER, commit(head(6)), "the head was moved by who does not hold the lease"),
    (
        "fencing",
        ANSWERED,
        HOLDER,
        commit(head(5, token=2, holder=OTHER)),
        "a lease was granted to another than who asked for it",
    ),
    (
        "fencing",
        ANSWERED,
        HOLDER,
        commit(head(5, token=2, holder=None)),
        "a lease was granted to another than who asked for it",
    ),
    (
        "window",
        ANSWERED,
        HOLDER,
        commit(said(5), head(6, window=(SECOND,))),
        "of the messages up to 6 some are not in the window any more",
    ),
    (
        "window",
        ANSWERED,
        HOLDER,
        commit(said(5), head(6, window=(FIRST,))),
        "of the messages up to 6 some are not in the window any more",
    ),
    (
        "window",
        ANSWERED,
        HOLDER,
        commit(head(5, window=())),
        "of the messages up to 5 some are not in the window any more",
    ),
    ("one turn", ENDED, HOLDER, commit(run_record(RunStatus.FAILED)), "a run that was completed became failed"),
    ("fencing", ANSWERED, HOLDER, commit(head(5, cleared=FIRST)), "a thread was reset while a turn held it"),
    ("waiting", 1, HOLDER, commit(head(1, pending=WAITS)), "2 calls wait for approval, 0 are open"),
    ("waiting", OPEN, HOLDER, commit(head(2, holder=None)), "0 calls wait for approval, 2 are open"),
    ("limit", 0, HOLDER, commit(block("0123456789+")), "block note has 11 of 10 characters"),
)


async def commit_all(world, *commits):
    """Take commits into account, each by its holder, and return the state."""
    state = StoredState(world, MemoryStore())
    for holder, made in commits:
        state.committed(holder, made)
    return state


def test_sound_history_breaks_no_law():
    """A turn with two calls and what may follow it breaks nothing, and every law was looked at each time."""
    outcome = outcome_of(lambda world: commit_all(world, *SOUND))
    assert outcome.finding is None
    assert dict.fromkeys(LAWS, len(SOUND)) == outcome.invariants


ALLOWED = (
    ((OTHER, commit(WISH)),),
    ((OTHER, commit(head(5, token=2, holder=OTHER))), (OTHER, commit(run_record(RunStatus.FAILED)))),
    ((HOLDER, commit(said(5), head(6, window=(SECOND, FIRST)))),),
    (
        (HOLDER, commit(said(5, "a", "b"), head(6, holder=None, pending=WAITS))),
        (OTHER, commit(returned(6, "a", run_id=None), returned(7, "b", run_id=None), head(8, holder=None))),
    ),
    (
        (HOLDER, commit(said(5, "a", "b"), head(6, holder=None, pending=WAITS))),
        (OTHER, commit(head(6, holder=None, cleared=FIRST))),
    ),
    (
        (OTHER, commit(attrs.evolve(agent(AGENT), message_buffer_autoclear=True))),
        (HOLDER, commit(said(5), head(6, holder=None, window=()))),
    ),
)


@pytest.mark.parametrize(
    "more", ALLOWED, ids=["wish to cancel", "takeover", "window in two spans", "withdrawal", "reset", "autoclear"]
)
def test_what_others_may_do_breaks_no_law(more):
    """A wish to cancel, who takes the run over, a window in pieces, and an agent that is to forget, break nothing."""
    assert outcome_of(lambda world: commit_all(world, *SOUND[:ANSWERED], *more)).finding is None


def test_threads_are_accounted_apart():
    """The same history in a conversation, while the agent's own turn goes on, breaks no law."""
    apart: dict[str, Any] = {"conversation_id": "conv-1", "run_id": "run-2"}
    beside = (
        (OTHER, commit(message(0, **apart), run_in("run-2"), head(1, holder=OTHER, **apart))),
        (OTHER, commit(said(1, "a", "b", **apart), head(2, holder=OTHER, **apart))),
    )
    mixed = [pair for pairs in zip(SOUND, beside, strict=False) for pair in pairs]
    state = result_of(lambda world: commit_all(world, *mixed))
    assert [("a", "b"), ("a", "b")] == [state.account(key).open_calls for key in (AGENT, "conv-1")]
    twice = (OTHER, commit(run_in("run-3")))
    finding = finding_of(lambda world: commit_all(world, *mixed, twice))
    assert "one turn: a run began while another of the same thread was not ended" == finding.message


def run_in(key):
    """Return a run of the conversation."""
    return attrs.evolve(run_record(key=key), conversation_id="conv-1")


@pytest.mark.parametrize(("law", "sound", "holder", "broken", "words"), BROKEN, ids=[f"{b[0]}-{b[4]}" for b in BROKEN])
def test_broken_law_is_named(law, sound, holder, broken, words):
    """A commit that breaks a law ends the run with the law's name and the case."""
    finding = finding_of(lambda world: commit_all(world, *SOUND[:sound], (holder, broken)))
    assert f"{law}: {words}" == finding.message


def test_every_law_has_a_history_that_breaks_it():
    """No law stands without a history that it fails."""
    assert set(LAWS) == {law for law, *_ in BROKEN}


def test_open_calls_are_accounted():
    """The account of an agent names the calls that nobody has answered yet, in order."""
    assert ("a", "b") == result_of(lambda world: commit_all(world, *SOUND[:OPEN])).account(AGENT).open_calls
    assert () == result_of(lambda world: commit_all(world, *SOUND[:ANSWERED])).account(AGENT).open_calls


async def seen(world, told, *stored):
    """Hold a message that a stream told as stored against a store with these records."""
    store = MemoryStore()
    async with store.transaction() as tx:
        for table, record in stored:
            await tx.put(table, record)
    await StoredState(world, store).check_seen(told)


ALIVE = (AGENTS, agent(AGENT))


@pytest.mark.parametrize("stored", [(ALIVE,), (ALIVE, (MESSAGES, message(0, name="other")))], ids=["absent", "other"])
def test_message_that_is_told_and_not_stored_so_is_found(stored):
    """A stream that tells a message which is not there, or there otherwise, is found out."""
    finding = finding_of(lambda world: seen(world, message(0), *stored))
    assert "sight: a stream called a message stored that is not stored so" == finding.message


@pytest.mark.parametrize("stored", [(ALIVE, (MESSAGES, message(0))), ()], ids=["equal", "agent deleted"])
def test_message_that_is_stored_may_be_told(stored):
    """A message that is there as it was told, or whose agent was deleted meanwhile, is no finding."""
    assert outcome_of(lambda world: seen(world, message(0), *stored)).finding is None
