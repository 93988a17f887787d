"""Writing the log of a run that lives here."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import LeaseLost, StoreError
from kelpie_core.limits import LOG_BYTES_MAX, LOG_CHUNK_EVENTS_MAX, LOG_PENDING_EVENTS_MAX, LOG_RECENT_BYTES_MAX
from kelpie_core.model.content import TextPart
from kelpie_core.model.event_log import LogState
from kelpie_core.model.message import Message, Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.ports import TextDelta
from kelpie_core.records import EVENT_LOGS
from kelpie_core.service.log_writer import LogWriter
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded
from tests.core.service.test_event_log import begun, chunks_of, events_of, log_of
from tests.house import House, house
from tests.twins import Harm, run, virtual


@attrs.define(eq=False)
class Desk:
    """A writer that has opened the log of a run."""

    home: House
    run: Run
    writer: LogWriter

    def say(self, text: str, key: str = "message-1") -> None:
        """Tell the writer of a piece."""
        now = self.home.clock.now()
        self.writer.hear(
            Delta(message_id=key, run_id=self.run.id, step_id="step-1", created_at=now, part=TextDelta(text=text))
        )

    def store(self, text: str, key: str = "message-1", seq: int = 9) -> None:
        """Tell the writer of a message that is stored."""
        parts, now = (TextPart(text=text),), self.home.clock.now()
        self.writer.hear(
            MessageStored(
                message=Message(
                    id=key, agent_id="a", seq=seq, role=Role.ASSISTANT, content=parts, step_id="s", created_at=now
                )
            )
        )

    def end(self) -> None:
        """Tell the writer of the end."""
        ended = attrs.evolve(self.run, status=RunStatus.COMPLETED, stop_reason=StopReason.END_TURN)
        self.writer.hear(TurnEnded(run=ended))

    async def words(self) -> str:
        """Return the assistant's words in the log."""
        return "|".join(event.data.get("content", "-") for event in await events_of(self.home, self.run.id))


async def desk(*, flaky: bool = False) -> Desk:
    """Return a writer at work."""
    home = house()
    started = await begun(home, tokens=True)
    assert started.lease is not None
    ports = home.ports(home.store if flaky else None)
    writer = LogWriter(ports, started.run, started.lease)
    assert (await writer.open()).tokens
    return Desk(home=home, run=started.run, writer=writer)


@virtual
async def test_events_gather_while_a_chunk_is_stored() -> None:
    """What is heard at once goes in one chunk; the log ends with the run, and the writer with it."""
    at = await desk()
    at.writer.hear(RunStarted(run=at.run))
    at.say("a")
    at.say("b")
    await at.home.clock.sleep(1)
    at.store("ab")
    at.end()
    await at.writer.aclose()
    assert [3, 5] == [chunk.seq_last for chunk in await chunks_of(at.home, at.run.id)]
    assert "-|a|b|-|-" == await at.words()
    assert (LogState.ENDED, 9) == ((log := await log_of(at.home, at.run.id)).state, log.message_seq)
    assert not at.writer.is_writing


@virtual
async def test_events_that_tell_nothing_are_no_chunk() -> None:
    """A message of the caller's is not told, and nothing is stored for it."""
    at = await desk()
    at.say("a")
    await at.home.clock.sleep(1)
    stored = Message(id="m", agent_id="a", seq=8, role=Role.USER, created_at=at.home.clock.now())
    at.writer.hear(MessageStored(message=stored))
    await at.writer.aclose()
    assert [2] == [chunk.seq_last for chunk in await chunks_of(at.home, at.run.id)]


@virtual
async def test_chunks_are_bounded() -> None:
    """However much has gathered, a chunk holds only so many events."""
    at = await desk()
    for _ in range(LOG_CHUNK_EVENTS_MAX + 1):
        at.say("a")
    await at.writer.aclose()
    assert 2 == len(await chunks_of(at.home, at.run.id))


@virtual
async def test_recent_chunks() -> None:
    """A listener is given what it has not heard; nothing before there is anything, None for what is not recent."""
    at = await desk()
    assert () == at.writer.after(0)
    changed = at.writer.changed
    at.say("a")
    await changed.wait()
    assert [2] == [chunk.seq_last for chunk in at.writer.after(0) or ()]
    assert ((), ()) == (at.writer.after(2), at.writer.after(3))
    at.say("b" * LOG_RECENT_BYTES_MAX)
    await at.writer.changed.wait()
    assert (None, None) == (at.writer.after(0), at.writer.after(2))
    at.say("c")
    await at.writer.changed.wait()
    assert None is at.writer.after(2)
    assert [4] == [chunk.seq_last for chunk in at.writer.after(3) or ()]
    await at.writer.aclose()


@virtual
async def test_nothing_is_told_before_it_is_stored() -> None:
    """While the store refuses, listeners hear nothing and the writer tries on; then all of it comes."""
    at = await desk(flaky=True)
    at.home.store.arm(Harm.FAIL_ON)
    at.say("a")
    await at.home.clock.sleep(100)
    assert (0, ()) == ((await log_of(at.home, at.run.id)).seq_last, at.writer.after(0))
    at.home.store.arm(None)
    at.store("ab")
    at.end()
    await at.writer.aclose()
    assert "-|a|b|-|-" == await at.words()


@virtual
async def test_writer_gives_up_after_the_end() -> None:
    """A store that fails on is not waited for once the turn is over: the log is completed later, by somebody."""
    at = await desk(flaky=True)
    at.home.store.arm(Harm.FAIL_ON)
    at.end()
    await at.writer.aclose()
    assert not at.writer.is_writing
    assert (LogState.OPEN, 0) == ((log := await log_of(at.home, at.run.id)).state, log.seq_last)


@virtual
async def test_writer_that_is_shut_out() -> None:
    """It stops at once, and wakes who listens."""
    at = await desk()
    async with at.home.memory.transaction() as tx:
        log = await tx.get(EVENT_LOGS, (at.run.id,))
        assert log is not None
        await tx.put(EVENT_LOGS, attrs.evolve(log, token=9))
    changed = at.writer.changed
    at.say("a")
    await changed.wait()
    assert not at.writer.is_writing
    await at.writer.aclose()
    assert "" == await at.words()


@virtual
async def test_writer_is_cancelled() -> None:
    """It leaves the log as it is."""
    at = await desk()
    at.say("a")
    at.writer.cancel()
    await at.writer.aclose()
    assert ("", False) == (await at.words(), at.writer.is_writing)


@virtual
async def test_writer_that_never_opened() -> None:
    """Without the lease it does not begin, and there is nothing to end."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    writer = LogWriter(home.ports(), started.run, attrs.evolve(started.lease, token=9))
    with pytest.raises(LeaseLost):
        await writer.open()
    assert None is writer.after(0)
    writer.cancel()
    await writer.aclose()


@virtual
async def test_pieces_without_room() -> None:
    """Pieces beyond what may gather are left out, to the end of their message; its rest comes when it is stored."""
    at = await desk(flaky=True)
    at.home.store.arm(Harm.FAIL_ON)
    for _ in range(LOG_PENDING_EVENTS_MAX):
        at.say("a")
    at.say("b")
    at.home.store.arm(None)
    while at.writer.after(0) == ():
        await at.writer.changed.wait()
    at.say("c")
    at.store("a" * LOG_PENDING_EVENTS_MAX + "bcd")
    at.say("e", "message-2")
    await at.writer.aclose()
    assert (await at.words()).endswith("a|bcd|e")


@virtual
async def test_log_is_bounded() -> None:
    """A log that has grown so much takes no more pieces; messages come whole."""
    at = await desk()
    async with at.home.memory.transaction() as tx:
        log = await tx.get(EVENT_LOGS, (at.run.id,))
        assert log is not None
        await tx.put(EVENT_LOGS, attrs.evolve(log, bytes_stored=LOG_BYTES_MAX))
    await at.writer.aclose()
    started_lease_token = log.token
    lease = attrs.evolve(at.writer._lease, token=started_lease_token)
    full = LogWriter(at.home.ports(), at.run, lease)
    await full.open()
    await at.home.clock.sleep(1)
    again = attrs.evolve(at, writer=full)
    again.say("a")
    again.store("ab")
    await full.aclose()
    assert "-|ab" == await again.words()


def test_our_own_mistakes_are_raised() -> None:
    """What nobody expected ends the writer, and is raised where it is closed."""

    async def test() -> None:
        at = await desk()
        at.writer.hear(MessageStored(message=None))  # type: ignore[arg-type]
        await asyncio.sleep(1)
        assert not at.writer.is_writing
        with pytest.raises(AttributeError):
            await at.writer.aclose()

    run(test())


@virtual
async def test_store_that_fails_at_the_opening() -> None:
    """The turn hears of it: a store that cannot open the log could not store the turn either."""
    home = house()
    started = await begun(home)
    assert started.lease is not None
    home.store.arm(Harm.FAIL_ON)
    with pytest.raises(StoreError):
        await LogWriter(home.ports(home.store), started.run, started.lease).open()
