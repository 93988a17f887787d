"""The audit: each of its laws fails on a history that breaks it, and a sound one passes."""

from typing import Any

import attrs
import pytest

from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.tool import ToolCall, ToolReturn, ToolStatus
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.records import AGENTS, BLOCKS, MESSAGES, RUNS, STEPS, SWEEPS
from kelpie_core.service.tool_calls import INTERRUPTED
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import (
    RESET,
    audit,
    check_accounts,
    check_calm,
    check_edits,
    check_effects,
    check_interruptions,
    check_returns,
    check_sends,
    check_shared,
    check_told,
    history_of,
    records_of,
)
from kelpie_sim.agents.client import SEND, Client
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.scenarios.common import set_up
from kelpie_sim.outcome import FindingKind
from tests.contracts.made import agent as owner
from tests.contracts.made import put, sweep
from tests.sim.agents.worlds import (
    AGENT,
    RUN_ID,
    block,
    finding_of,
    message,
    outcome_of,
    result_of,
    returned,
    run_record,
    said,
)
from tests.twins import NOON

SCRIPT = "say all is well"
ASKED = message(0, content=(TextPart(text=SCRIPT),), run_id=RUN_ID)
ANSWERED = said(1, content=(TextPart(text="all is well "),))
TURN = (ASKED, ANSWERED)
OK = {"run": RUN_ID, "failed": False, "reason": StopReason.END_TURN, "messages": (1,)}
MAX_STEPS = OK | {"reason": StopReason.MAX_STEPS}
FAILED = {"run": RUN_ID, "failed": True, "reason": None, "messages": ()}


def sent(outcome, stored, result):
    """Return a program that checks one send, of which a client was told this, against a history."""

    async def program(world):
        cluster = Cluster(world)
        op = world.history.invoke("client", SEND, agent=AGENT, mark="m1", script=SCRIPT)
        if outcome == "ok":
            op.ok(**result)
        elif outcome == "fail":
            op.fail("refused")
        else:
            op.info("nobody knows")
        check_sends(cluster, AGENT, list(stored))

    return program


BROKEN_SENDS: tuple[tuple[str, tuple[Message, ...], dict[str, Any], str], ...] = (
    ("fail", TURN, {}, "refused: a message is stored although its sender was told no"),
    ("info", (ASKED, attrs.evolve(ASKED, seq=1)), {}, "once: a message is stored twice"),
    ("ok", (), OK, "kept: a message that was told as taken is not stored once"),
    ("ok", (ASKED, attrs.evolve(ASKED, seq=1)), OK, "kept: a message that was told as taken is not stored once"),
    ("ok", (), FAILED, "kept: a message that was told as taken is not stored once"),
    ("ok", (ASKED,), OK, "kept: the messages of a turn do not read back as they were told"),
    ("ok", (*TURN, said(2)), OK, "kept: the messages of a turn do not read back as they were told"),
    ("ok", (ASKED, said(1)), OK, "kept: a turn that ended well gave half an answer"),
)
SOUND_SENDS: tuple[tuple[str, tuple[Message, ...], dict[str, Any]], ...] = (
    ("fail", (), {}),
    ("info", (), {}),
    ("info", TURN, {}),
    ("ok", TURN, OK),
    ("ok", (ASKED, said(1)), MAX_STEPS),
    ("ok", (ASKED,), FAILED),
)


@pytest.mark.parametrize(("outcome", "messages", "result", "words"), BROKEN_SENDS)
def test_send_that_was_told_otherwise_is_found(outcome, messages, result, words):
    """What a client was told of a send and what is stored contradict each other: a finding that names the law."""
    assert words == finding_of(sent(outcome, messages, result)).message


@pytest.mark.parametrize(("outcome", "messages", "result"), SOUND_SENDS)
def test_send_that_was_told_as_it_is_passes(outcome, messages, result):
    """What agrees with what was told is no finding."""
    assert outcome_of(sent(outcome, messages, result)).finding is None


def test_send_to_another_agent_is_not_this_ones():
    """An agent's history answers only for what was sent to it."""

    async def program(world):
        world.history.invoke("client", SEND, agent="agent-2", mark="m1", script=SCRIPT).ok(**OK)
        check_sends(Cluster(world), AGENT, [])

    assert outcome_of(program).finding is None


def test_send_to_a_conversation_is_held_against_it():
    """What was sent to a conversation is looked for there, and not on the agent's own thread."""

    async def program(world):
        cluster = Cluster(world)
        world.history.invoke("client", SEND, agent=AGENT, thread="conv-1", mark="m1", script=SCRIPT).ok(**OK)
        check_sends(cluster, AGENT, [])
        check_sends(cluster, "conv-1", [])

    assert "kept: a message that was told as taken is not stored once" == finding_of(program).message


def reset(*, sent_first, outcome, stored):
    """Return a program that checks a send against a history that a reset came behind, or before."""

    async def program(world):
        cluster = Cluster(world)

        def send():
            world.history.invoke("client", SEND, agent=AGENT, mark="m1", script=SCRIPT).ok(**OK)

        if sent_first:
            send()
        getattr(world.history.invoke("resetter", RESET, thread=AGENT), outcome)(*([] if outcome == "ok" else ["why"]))
        if not sent_first:
            send()
        check_sends(cluster, AGENT, list(stored))

    return program


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sent_first": True, "outcome": "ok", "stored": TURN}, "reset: a message that was taken away is there again"),
        (
            {"sent_first": True, "outcome": "info", "stored": (ASKED, attrs.evolve(ASKED, seq=1))},
            "reset: a message that was taken away is there again",
        ),
        (
            {"sent_first": True, "outcome": "fail", "stored": ()},
            "kept: a message that was told as taken is not stored once",
        ),
        (
            {"sent_first": False, "outcome": "ok", "stored": ()},
            "kept: a message that was told as taken is not stored once",
        ),
    ],
)
def test_what_a_reset_left_or_took_too_much_is_found(fields, words):
    """What was reset away and is there, and what came after a reset, or one that was refused, and is not."""
    assert words == finding_of(reset(**fields)).message


@pytest.mark.parametrize(
    "fields",
    [
        {"sent_first": True, "outcome": "ok", "stored": ()},
        {"sent_first": True, "outcome": "info", "stored": TURN},
        {"sent_first": True, "outcome": "info", "stored": ()},
        {"sent_first": False, "outcome": "ok", "stored": TURN},
    ],
)
def test_what_a_reset_took_is_not_missed(fields):
    """What was reset away is not there; where nobody knows it may be."""
    assert outcome_of(reset(**fields)).finding is None


def read_back(*messages):
    """Return a program that checks a send of which a client was told these messages against the history TURN."""

    async def program(world):
        cluster = Cluster(world)
        op = world.history.invoke("client", SEND, agent=AGENT, mark="m1", script=SCRIPT)
        op.ok(**OK)
        cluster.state.told[op.index] = messages
        check_sends(cluster, AGENT, list(TURN))

    return program


def test_message_that_reads_back_otherwise_is_found():
    """A message under the number that was told, but with another content, is a finding."""
    finding = finding_of(read_back(attrs.evolve(ANSWERED, content=(TextPart(text="all is lost "),))))
    assert "kept: a message does not read back as it was told" == finding.message


def test_message_that_reads_back_as_it_was_told_passes():
    """A message that is stored equal to what was told is no finding."""
    assert outcome_of(read_back(ANSWERED)).finding is None


CALLING = 'call look {"text": "a"} & note {"text": "b"}\nsay well'
ENDED_WELL = said(3, content=(TextPart(text="well "),))


def call_of(key, name, text):
    """Return a call of a scripted tool."""
    return ToolCall(id=key, name=name, arguments=f'{{"text": "{text}"}}')


def called(*calls):
    """Return a program that checks a turn which ended well, asked for two calls, and made these."""

    async def program(world):
        cluster = Cluster(world)
        op = world.history.invoke("client", SEND, agent=AGENT, mark="m1", script=CALLING)
        op.ok(**OK | {"messages": (1, 3)})
        asked = message(0, content=(TextPart(text=CALLING),), run_id=RUN_ID)
        check_sends(cluster, AGENT, [asked, attrs.evolve(said(1), tool_calls=calls), ENDED_WELL])

    return program


LOOK, NOTE = call_of("1", "look", "a"), call_of("2", "note", "b")


@pytest.mark.parametrize("calls", [(), (LOOK,), (NOTE, LOOK), (LOOK, call_of("2", "note", "c"))])
def test_turn_that_made_other_calls_is_found(calls):
    """A turn that ended well without just the calls that its script asks for is a finding."""
    assert "scripted: a turn that ended well did not make the calls of its script" == finding_of(called(*calls)).message


def test_turn_that_made_the_calls_of_its_script_passes():
    """A turn that made the calls that were asked for is no finding."""
    assert outcome_of(called(LOOK, NOTE)).finding is None


def gave(name, text, status=ToolStatus.SUCCESS):
    """Return a program that checks what a scripted tool, asked with the text "a", is stored to have returned."""

    async def program(world):
        answer = ToolReturn(tool_call_id="1", status=status, text=text)
        calls = attrs.evolve(said(0), tool_calls=(call_of("1", name, "a"),))
        check_returns(Cluster(world), [calls, attrs.evolve(returned(1), tool_returns=(answer,))])

    return program


@pytest.mark.parametrize(("name", "text"), [("look", "b"), ("look", None), ("note", "a")])
def test_return_that_the_tool_did_not_give_is_found(name, text):
    """A return of a scripted tool that differs from what the tool gives is a finding."""
    assert "scripted: a tool's return is not what the tool gave" == finding_of(gave(name, text)).message


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("look", "a", ToolStatus.SUCCESS),
        ("note", "noted", ToolStatus.SUCCESS),
        ("look", "timed out", ToolStatus.ERROR),
        ("shout", "ha", ToolStatus.SUCCESS),
    ],
)
def test_return_that_the_tool_gave_passes(name, text, status):
    """What the tool gave, an error, and a tool that has no such rule, are no findings."""
    assert outcome_of(gave(name, text, status)).finding is None


def used(tokens):
    """Return what so many tokens of a prompt are accounted as."""
    return Usage(prompt_tokens=tokens)


def accounted(run, *steps, there=True):
    """Return a program that holds a run of two replies against these steps, its agent there or not."""

    async def program(world):
        store = MemoryStore()
        await put(store, MESSAGES, said(1, step_id="step-1"), said(2, step_id="step-2"), returned(3, "a"))
        await put(store, AGENTS, *([owner(AGENT)] if there else []))
        await put(store, STEPS, *steps)
        await put(store, RUNS, run)
        await check_accounts(Cluster(world, store))

    return program


def step_of(number, tokens):
    """Return a step of the run."""
    return Step(
        id=f"step-{number}",
        run_id=RUN_ID,
        agent_id=AGENT,
        organization_id="org",
        number=number,
        usage=used(tokens),
        created_at=NOON,
    )


ENDED = attrs.evolve(run_record(RunStatus.COMPLETED), usage=used(3))
STEP_MISSED = "accounted: a run has not one step for each of its replies"
USE_MISSED = "accounted: a run did not use what its steps used"


@pytest.mark.parametrize(
    ("run", "steps", "words"),
    [
        (ENDED, (step_of(1, 3),), STEP_MISSED),
        (ENDED, (step_of(1, 1), step_of(3, 2)), STEP_MISSED),
        (ENDED, (step_of(1, 1), step_of(2, 2), step_of(3, 0)), STEP_MISSED),
        (ENDED, (step_of(1, 1), step_of(2, 1)), USE_MISSED),
        (run_record(RunStatus.CANCELLED), (step_of(1, 1), step_of(2, 2)), USE_MISSED),
    ],
)
def test_run_that_is_not_accounted_is_found(run, steps, words):
    """A run that ended and whose steps are not those of its replies, or did not use the same, is a finding."""
    assert words == finding_of(accounted(run, *steps)).message


@pytest.mark.parametrize(
    ("run", "steps", "there"),
    [(ENDED, (step_of(1, 1), step_of(2, 2)), True), (run_record(), (), True), (ENDED, (), False)],
    ids=["accounted", "not ended", "agent deleted"],
)
def test_run_that_is_accounted_passes(run, steps, there):
    """A run with the steps of its replies, one that has not ended, and one whose agent is gone, are no findings."""
    assert outcome_of(accounted(run, *steps, there=there)).finding is None


def told(failed, *runs, agent=True):
    """Return a program that holds one told turn against these stored runs of an agent that is there, or not."""

    async def program(world):
        cluster = Cluster(world)
        world.history.invoke("client", SEND, agent=AGENT, script=SCRIPT).ok(run=RUN_ID, failed=failed)
        store = cluster.ports_of(cluster.server.host).store
        owned: dict[str, Any] = {
            "organization_id": "org",
            "created_by_id": "user",
            "created_at": NOON,
            "updated_at": NOON,
        }
        await put(store, AGENTS, *([Agent(id=AGENT, name="Ada", **owned)] if agent else []))
        await put(store, RUNS, *runs)
        await check_told(cluster)

    return program


@pytest.mark.parametrize(("failed", "status"), [(False, RunStatus.FAILED), (True, RunStatus.COMPLETED)])
def test_run_that_is_accounted_otherwise_is_found(failed, status):
    """A turn told as done whose run says failed, or the other way round, is a finding."""
    finding = finding_of(told(failed, run_record(status)))
    assert "kept: a run is accounted otherwise than its sender was told" == finding.message


def test_run_that_was_told_and_is_lost_is_found():
    """A turn that was told and whose run is not there is a finding."""
    finding = finding_of(told(False, run_record(RunStatus.COMPLETED, key="run-other")))
    assert "kept: a run is accounted otherwise than its sender was told" == finding.message


def test_run_of_a_deleted_conversation_is_not_missed():
    """A turn that was told and whose conversation is gone has no account any more."""

    async def program(world):
        cluster = Cluster(world)
        said_there = world.history.invoke("client", SEND, agent=AGENT, thread="conv-1", script=SCRIPT)
        said_there.ok(run=RUN_ID, failed=False)
        await put(cluster.ports_of(cluster.server.host).store, AGENTS, owner(AGENT))
        await check_told(cluster)

    assert outcome_of(program).finding is None


def test_run_of_a_deleted_agent_is_not_missed():
    """A turn that was told and whose agent is gone has no account any more."""
    assert outcome_of(told(False, agent=False)).finding is None


@pytest.mark.parametrize(("failed", "status"), [(True, RunStatus.FAILED), (False, RunStatus.CANCELLED)])
def test_run_that_is_accounted_as_told_passes(failed, status):
    """A run that says what its sender was told is no finding."""
    assert outcome_of(told(failed, run_record(status))).finding is None


def edit_call(key, line):
    """Return a call that appends a line to the shared block."""
    return ToolCall(id=key, name="core_memory_append", arguments=f'{{"label": "shared", "content": "{line}"}}')


def edits(*, done, value):
    """Return a program that holds a block's value against two reported edits, the second of them done or not."""

    async def program(world):
        cluster = Cluster(world)
        calls = attrs.evolve(said(0), tool_calls=(edit_call("a", "one"), edit_call("b", "two")))
        first = returned(1, "a")
        second = returned(2, "b", status=ToolStatus.SUCCESS if done else ToolStatus.ERROR)
        check_edits(cluster, AGENT, [calls, first, second])
        check_shared(cluster, value)
        return [(line, was) for _, line, was in cluster.reported_edits]

    return program


BROKEN_EDITS = (
    (True, "one", "edits: a reported edit is not in the block once"),
    (True, "one\ntwo\ntwo", "edits: a reported edit is not in the block once"),
    (False, "one\ntwo", "edits: the block holds a line that nobody reported"),
    (False, "one\nthree", "edits: the block holds a line that nobody reported"),
    (True, "one\ntwo\nthree", "edits: the block holds a line that nobody reported"),
)


@pytest.mark.parametrize(("done", "value", "words"), BROKEN_EDITS)
def test_block_that_differs_from_the_reports_is_found(done, value, words):
    """An edit that was reported and is missing or doubled, or is there and was not reported, is a finding."""
    assert words == finding_of(edits(done=done, value=value)).message


@pytest.mark.parametrize(("done", "value"), [(True, "one\ntwo"), (True, "two\none"), (False, "one")])
def test_block_as_reported_passes(done, value):
    """A block that holds what was reported, in any order, is no finding."""
    reported = result_of(edits(done=done, value=value))
    assert [True, done] == [was for _, was in reported]


@pytest.mark.parametrize(
    ("notes", "words"), [(["a", "b"], ""), (["a", "b", "a"], "effects: a tool that must not run twice did")]
)
def test_effect_that_happened_twice_is_found(notes, words):
    """A note that stands twice in the ledger is a finding, notes that differ are none."""

    async def program(world):
        cluster = Cluster(world)
        cluster.ledger.notes.extend(notes)
        check_effects(cluster)

    finding = outcome_of(program).finding
    assert words == (finding.message if finding else "")


GIVEN_UP = attrs.evolve(
    returned(1, "a"), tool_returns=(ToolReturn(tool_call_id="a", status=ToolStatus.ERROR, text=INTERRUPTED),)
)


def given_up(*, crashed=False, doubted=False, servers=1, messages=(GIVEN_UP,)):
    """Return a program that looks for calls that were given up, after what may have been a reason."""

    async def program(world):
        cluster = Cluster(world, servers=servers)
        op = world.history.invoke("client", SEND, agent=AGENT, script=SCRIPT)
        if doubted:
            op.info("nobody knows")
        else:
            op.ok(**OK)
        if crashed:
            cluster.server.host.restart()
        check_interruptions(cluster, list(messages))

    return program


def test_call_that_was_given_up_for_nothing_is_found():
    """A call that is given up as interrupted although no driver was lost is a finding."""
    assert "interrupted: a call was given up although nothing had stopped" == finding_of(given_up()).message


@pytest.mark.parametrize(
    "reason", [{"crashed": True}, {"doubted": True}, {"servers": 2}, {"messages": (returned(1, "a"),)}], ids=str
)
def test_call_that_was_given_up_for_a_reason_passes(reason):
    """A crash, a doubt that was told, or another server that may have taken over, is a reason to give a call up."""
    assert outcome_of(given_up(**reason)).finding is None


def calm(outcome, *, failed=False, harmed=False):
    """Return a program in which a client was told this, after a fault or without any."""

    async def program(world):
        cluster = Cluster(world)
        op = world.history.invoke("client", SEND, agent=AGENT, script=SCRIPT)
        if outcome == "ok":
            op.ok(**OK | {"failed": failed})
        elif outcome == "fail":
            op.fail("refused")
        else:
            op.info("nobody knows")
        if harmed:
            await put(cluster.ports_of(cluster.server.host).store, BLOCKS, block())
        check_calm(cluster)

    return program


@pytest.mark.parametrize("told", [("ok", True), ("info", False)], ids=["failed", "in doubt"])
def test_failure_in_a_calm_world_is_found(told):
    """A turn that fails, or whose sender is left in doubt, where nothing went wrong is a finding."""
    outcome, failed = told
    assert "calm: a turn failed although nothing went wrong" == finding_of(calm(outcome, failed=failed)).message


@pytest.mark.parametrize("told", ["ok", "fail"])
def test_calm_world_may_refuse(told):
    """A turn that ended well, or was refused, needs no fault."""
    assert outcome_of(calm(told)).finding is None


def test_failure_under_a_fault_is_no_finding():
    """Where a fault fired, a turn may fail."""
    fault = f.StorageLatency(on="commit", latency_ms=1)
    assert outcome_of(calm("info", harmed=True), fault).finding is None


def audited(spoil):
    """Return a program that lets an agent take a turn, spoils something behind everybody's back, and audits."""

    async def program(world):
        cluster = Cluster(world)
        (agent,) = await set_up(cluster, ("Ada",))
        await Client(cluster, "client").send(agent.id, "m1", SCRIPT)
        await spoil(cluster, agent.id)
        await audit(cluster)

    return program


async def nothing(cluster, agent_id):
    """Spoil nothing."""


async def stray_message(cluster, agent_id):
    """Store a message of an agent that is not there."""
    await put(cluster.durable, MESSAGES, message(0, agent_id="agent-gone"))


async def stray_run(cluster, agent_id):
    """Store a run of an agent that is not there."""
    await put(cluster.durable, RUNS, attrs.evolve(run_record(RunStatus.COMPLETED), agent_id="agent-gone"))


async def open_call(cluster, agent_id):
    """Leave a call open."""
    cluster.state.account(agent_id).open_calls = ("call-1",)


async def second_message(cluster, agent_id):
    """Store the sender's message once more."""
    seq = cluster.state.account(agent_id).seq_next
    again = message(seq, Role.USER, agent_id=agent_id, content=(TextPart(text=SCRIPT),))
    await put(cluster.durable, MESSAGES, again)


async def twice(cluster, agent_id):
    """Let a tool take effect twice."""
    cluster.ledger.notes.extend(("a", "a"))


async def sweep_in_a_year(cluster, agent_id):
    """Leave something that is to vanish, in a year."""
    await put(cluster.durable, SWEEPS, attrs.evolve(sweep("sweep-1", 0), due_at=NOON.replace(year=2027)))


SPOILT = (
    (stray_message, "settled: messages of an agent that is not there are left"),
    (stray_run, "settled: runs of an agent that is not there are left"),
    (open_call, "paired: a tool call is open at the end"),
    (second_message, "kept: a message that was told as taken is not stored once"),
    (twice, "effects: a tool that must not run twice did"),
)


def test_sound_run_is_audited():
    """A turn that nobody spoils passes."""
    assert outcome_of(audited(nothing)).finding is None


@pytest.mark.parametrize(("spoil", "words"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_spoilt_store_is_found(spoil, words):
    """What does not fit what clients were told, or is left over, is found at the end."""
    assert words == finding_of(audited(spoil)).message


def test_what_never_settles_is_a_finding():
    """What is left to vanish longer than any deadline is a finding of liveness."""
    finding = finding_of(audited(sweep_in_a_year))
    assert (FindingKind.LIVENESS, True) == (finding.kind, finding.message.startswith("every run ends: not within"))


def test_history_is_read_page_by_page():
    """The history through the list, and the records straight from the store, are all there are."""

    async def program(world):
        cluster = Cluster(world)
        (agent,) = await set_up(cluster, ("Ada",))
        for number in range(4):
            await Client(cluster, "client").send(agent.id, f"m{number}", f"say {number}")
        messages = await cluster.server.call(lambda kelpie: history_of(kelpie, agent.id))
        stored = await records_of(cluster, MESSAGES)
        return [listed.seq for listed in messages], messages == stored, len(await records_of(cluster, STEPS))

    assert (list(range(9)), True, 4) == result_of(program)
