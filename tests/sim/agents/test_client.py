"""Clients: what they were told is written down as it was told, and a stream that tells half a story is found out."""

import attrs
import pytest

from kelpie_core.errors import StoreError
from kelpie_core.model.content import TextPart
from kelpie_core.model.run import RunError, RunStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import TextDelta
from kelpie_core.records import MESSAGES
from kelpie_core.service.drafts import BlockDraft
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded, TurnEvent
from kelpie_sim.agents import client as client_module
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.audit import records_of
from kelpie_sim.agents.client import SEND, Client, Heard, draft
from kelpie_sim.agents.cluster import Cluster, Server
from kelpie_sim.agents.scenarios.common import set_up
from tests.sim.agents.worlds import RUN_ID, finding_of, outcome_of, result_of, run_record, said
from tests.twins import NOON

SCRIPT = "say hello"
DONE = run_record(RunStatus.COMPLETED, reason=StopReason.END_TURN)
FAILED = attrs.evolve(run_record(RunStatus.FAILED), error=RunError(type="llm_error", message="down"))
HELLO = said(1, content=(TextPart(text="hello"),))


def delta(text: str) -> Delta:
    """Return a piece of the message HELLO."""
    return Delta(message_id=HELLO.id, run_id=RUN_ID, step_id="step-1", created_at=NOON, part=TextDelta(text=text))


async def asked(world, way, *, agent_id=None):
    """Send a script plainly or as a stream, and return what the history says of it."""
    world.faults.active = False
    cluster = Cluster(world)
    (agent,) = await set_up(cluster, ("Ada",))
    world.faults.active = True
    client = Client(cluster, "client")
    ask = client.send if way == "send" else client.stream
    op = await ask(agent_id or agent.id, "m1", SCRIPT)
    assert op is world.history.of(SEND)[0]
    return op.outcome, op.result.get("failed"), op.error.partition(":")[0]


@pytest.mark.parametrize("way", ["send", "stream"])
def test_turn_that_ended_well_is_ok(way):
    """A turn that ended well is ok, with its run, its end and the numbers of its messages."""

    async def program(world):
        await asked(world, way)
        (op,) = world.history.of(SEND)
        assert op.arguments["script"] == SCRIPT
        return op.result["failed"], op.result["reason"], op.result["messages"]

    assert (False, StopReason.END_TURN, (2,)) == result_of(program)


@pytest.mark.parametrize("way", ["send", "stream"])
def test_messages_are_kept_as_they_were_told(way):
    """What the client was told of a turn's messages is kept whole, for the audit."""

    async def program(world):
        cluster = Cluster(world)
        (agent,) = await set_up(cluster, ("Ada",))
        client = Client(cluster, "client")
        op = await (client.send if way == "send" else client.stream)(agent.id, "m1", SCRIPT)
        stored = [message for message in await records_of(cluster, MESSAGES) if message.seq == 2]
        return list(cluster.state.told[op.index]) == stored

    assert result_of(program) is True


TOLD = (
    (f.LlmFailure(on=f.MODEL_CALL), ("ok", True, "")),
    (f.DiskFull(on="run_write"), ("info", None, "StoreError")),
    (f.CrashAfterCommit(on="commit"), ("info", None, "ServerGone")),
    (f.CrashBeforeCommit(on="commit", after=2), ("info", None, "ServerGone")),
)


@pytest.mark.parametrize("way", ["send", "stream"])
@pytest.mark.parametrize(("fault", "told"), TOLD, ids=[f"{fault.kind}-{fault.after}" for fault, _ in TOLD])
def test_failure_is_written_down_as_told(way, fault, told):
    """A failed turn is ok with `failed`; an error of the world, or a server that died, leaves it unknown."""
    assert told == result_of(lambda world: asked(world, way), fault)


@pytest.mark.parametrize("way", ["send", "stream"])
def test_refusal_is_a_fail(way):
    """What is refused certainly did not happen."""
    assert ("fail", None, "NotFound") == result_of(lambda world: asked(world, way, agent_id="agent-nobody"))


class Teller(Server):
    """A server whose streams tell what they were told to."""

    events: tuple[TurnEvent, ...] = ()

    async def stream(self, events):
        """Tell the events."""
        for event in self.events:
            yield event


def listened(*told):
    """Return a program that listens to a stream which tells this."""

    async def program(world):
        cluster = Cluster(world)
        teller = Teller(cluster, world.host("teller"))
        teller.events = told
        op = await Client(cluster, "client").stream("agent-1", "m1", SCRIPT, server=teller)
        return op.outcome, op.result["failed"], op.result["messages"]

    return program


STARTED = RunStarted(run=run_record())
HALF = (
    ((), "stream: it ended without an end or an error"),
    ((STARTED, MessageStored(message=HELLO)), "stream: it ended without an end or an error"),
    ((MessageStored(message=HELLO), TurnEnded(run=DONE)), "stream: it did not begin with its run"),
    ((STARTED, delta("hel"), TurnEnded(run=DONE)), "stream: the pieces do not add up to the stored message"),
    (
        (STARTED, delta("hel"), MessageStored(message=HELLO), TurnEnded(run=DONE)),
        "stream: the pieces do not add up to the stored message",
    ),
)


@pytest.mark.parametrize(("events", "words"), HALF)
def test_stream_that_tells_half_is_found(events, words):
    """A stream without its beginning, its end, or a message of which pieces were told, is a finding."""
    assert words == finding_of(listened(*events)).message


def test_whole_stream_is_ok():
    """Pieces that add up to the stored message, between beginning and end, are sound."""
    events = (STARTED, delta("hel"), delta("lo"), MessageStored(message=HELLO), TurnEnded(run=DONE))
    assert ("ok", False, (1,)) == result_of(listened(*events))


def test_pieces_of_a_failed_turn_need_no_message():
    """What was told of a reply that broke off is provisional."""
    assert ("ok", True, ()) == result_of(listened(STARTED, delta("hel"), TurnEnded(run=FAILED)))


def test_pieces_of_calls_are_their_arguments():
    """A reply's pieces are its words and its calls' arguments, in order."""
    heard = Heard()
    for event in (delta("a"), delta("b")):
        heard.hear(event)
    assert {HELLO.id: "ab"} == heard.pieces


async def block_made(kelpie):
    """Create a block and return its value."""
    return (await kelpie.blocks.create(BlockDraft(label="note", value="v"))).value


def test_client_tries_until_it_is_done():
    """What a scenario needs is tried again through errors of the store and crashes."""
    faults = (f.DiskFull(on="block_write", max_triggers=2), f.CrashAfterCommit(on="commit", max_triggers=1))
    outcome = outcome_of(lambda world: Client(Cluster(world), "setup").until_done(block_made), *faults)
    assert (None, [2, 1]) == (outcome.finding, [report.fired for report in outcome.faults])


def test_client_does_not_try_for_ever(monkeypatch):
    """A server that never manages is a finding, not an endless run."""
    monkeypatch.setattr(client_module, "PATIENCE_SECONDS", 1)
    finding = finding_of(
        lambda world: Client(Cluster(world), "setup").until_done(block_made), f.DiskFull(on="block_write")
    )
    assert "the server never managed to do it" == finding.message


def test_client_does_not_hide_what_is_no_weather():
    """An error that is not the store's ends the run."""

    async def wrong(kelpie):
        raise StoreError("gone") if kelpie is None else KeyError("a mistake")

    assert "KeyError" == finding_of(lambda world: Client(Cluster(world), "c").until_done(wrong)).signature.split()[0]


def test_draft_is_the_users_text():
    """A script is the text of a user's message."""
    assert (TextPart(text=SCRIPT),) == draft(SCRIPT).content
