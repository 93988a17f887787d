"""Listening to a background run by its log: from any event on, here and elsewhere."""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from kelpie_core.errors import InvalidInput, NotFound, StoreError
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.event_log import LogEnded, LoggedEvent, LogState
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.records import EVENT_LOGS, RUNS
from kelpie_core.service.drafts import TurnOptions
from kelpie_core.service.event_log import purge
from kelpie_core.service.streams import Resumption
from tests.core.service.test_event_log import events_of, log_of
from tests.house import OTHERS, House, house, said
from tests.twins import Harm, Reply, virtual

KEPT = TurnOptions(background=True, tokens=True)


async def listened(kelpie: Kelpie, run_id: str, after: int = 0, **fields: float) -> list[LoggedEvent]:
    """Return the events of a run behind that one, to the end of its log."""
    resumption = Resumption(after=after, **fields)  # type: ignore[arg-type]
    found, events = await kelpie.streams.resume(run_id, resumption)
    assert run_id == found.id
    heard = [event async for event in events]
    assert LogEnded() == heard[-1]
    return heard[:-1]  # type: ignore[return-value]


async def at_work(home: House, kelpie: Kelpie | None = None, options: TurnOptions = KEPT) -> Run:
    """Return a background run that has begun."""
    agent = await home.agent()
    return await (kelpie or home.main).messages.begin(agent.id, [said()], options)


def words(events: list[LoggedEvent]) -> str:
    """Return the assistant's words."""
    return "".join(event.data.get("content", "") for event in events)


@virtual
async def test_live_run_is_heard_to_its_end() -> None:
    """Where the run lives its events come as they are stored, and then the end; later they are told again alike."""
    home = house(Reply(text="so late", seconds=5))
    run = await at_work(home)
    heard = await listened(home.main, run.id)
    assert [1, 2, 3, 4, 5] == [event.seq_id for event in heard]
    assert "so late" == words(heard)
    assert 5 == asyncio.get_running_loop().time()
    assert heard == await listened(home.main, run.id) == await events_of(home, run.id)


@virtual
async def test_going_on_from_any_event() -> None:
    """Whatever was heard last, the rest follows, each event once; behind the last event only the end."""
    home = house()
    run = await at_work(home)
    whole = await listened(home.main, run.id)
    for after in range(len(whole) + 2):
        assert whole[after:] == await listened(home.main, run.id, after)
        assert whole[after:] == await listened(home.kelpie(), run.id, after, chunks=1)


@virtual
async def test_only_what_is_wanted_is_told() -> None:
    """The kinds of messages that the run's request left out are left out for whoever resumes; numbers show gaps."""
    home = house()
    run = await at_work(home, options=attrs.evolve(KEPT, types=frozenset(("tool_call_message",))))
    heard = await listened(home.main, run.id)
    assert ["ping", "stop_reason", "usage_statistics"] == [event.kind for event in heard]
    assert [1, 4, 5] == [event.seq_id for event in heard]


@virtual
async def test_run_that_lives_elsewhere() -> None:
    """Another process follows by looking into the store, as often as it is told to but not more often than allowed."""
    home = house(Reply(text="so late", seconds=5))
    run = await at_work(home)
    other = home.kelpie()
    slow, quick = await asyncio.gather(
        listened(other, run.id, poll_seconds=2.0), listened(other, run.id, poll_seconds=0.000_001)
    )
    assert slow == quick == await events_of(home, run.id)
    assert 6 == round(asyncio.get_running_loop().time(), 6)


@virtual
async def test_run_whose_process_died() -> None:
    """Who listens takes the run up when its lease runs out, and hears what the first process told, then the rest."""
    home = house(Reply(text="here again"))
    run = await at_work(home)
    home.store.arm(Harm.DIE_AFTER, 3)  # the log is opened, the window is read, the pieces are in the log
    await home.store.died.wait()
    other = home.kelpie(grace_seconds=100)
    heard = await listened(other, run.id)
    assert list(range(1, len(heard) + 1)) == [event.seq_id for event in heard]
    told = {str(event.data["id"]): None for event in heard if event.kind == "assistant_message"}
    assert ["here again"] * 2 == [words([one for one in heard if one.data.get("id") == key]) for key in told]
    await other.aclose()


@virtual
async def test_log_whose_writer_died() -> None:
    """The end that a dead process owes is put in by who listens, and told."""
    home = house()
    run = await at_work(home)
    await home.main.aclose()
    whole = await events_of(home, run.id)
    async with home.memory.transaction() as tx:
        log = await tx.get(EVENT_LOGS, (run.id,))
        assert log is not None
        await tx.put(EVENT_LOGS, attrs.evolve(log, state=LogState.OPEN))
    heard = await listened(home.kelpie(), run.id, poll_seconds=1.0)
    assert whole == heard[: len(whole)]
    assert LogState.ENDED is (await log_of(home, run.id)).state
    assert 1 == asyncio.get_running_loop().time()


@virtual
async def test_what_cannot_be_resumed() -> None:
    """A run in the foreground, one of others, one whose log is gone, and places that make no sense."""
    home = house()
    agent = await home.agent()
    plain = await home.main.messages.send(agent.id, [said()])
    with pytest.raises(InvalidInput, match="background: true"):
        await home.main.streams.resume(plain.run.id)
    run = await at_work(home)
    with pytest.raises(NotFound):
        await home.main.acting_as(OTHERS).streams.resume(run.id)
    with pytest.raises(InvalidInput, match="starting_after"):
        await home.main.streams.resume(run.id, Resumption(after=-1))
    with pytest.raises(InvalidInput, match="batch_size"):
        await home.main.streams.resume(run.id, Resumption(chunks=0))
    with pytest.raises(InvalidInput, match="poll_interval"):
        await home.main.streams.resume(run.id, Resumption(poll_seconds=0))
    await listened(home.main, run.id)
    await purge(home.ports(), run.id)
    with pytest.raises(NotFound, match="stream of run"):
        await home.main.streams.resume(run.id)


@virtual
async def test_log_that_goes_meanwhile() -> None:
    """Who listens to a log that is purged hears that it is gone."""
    home = house(Reply(text="late", seconds=5))
    run = await at_work(home)
    _, events = await home.kelpie().streams.resume(run.id)
    first = await anext(events)
    assert isinstance(first, LoggedEvent)
    await purge(home.ports(), run.id)
    with pytest.raises(NotFound):
        await drained(events)


async def drained(events: "AsyncIterator[LoggedEvent | LogEnded]") -> int:
    """Return how many more events come."""
    return len([event async for event in events])


@virtual
async def test_listening_while_the_process_leaves() -> None:
    """A listener is told that this process stops; another process takes the run up, and goes on with the numbers."""
    home = house(Reply(text="so late", seconds=20))
    run = await at_work(home)
    listening = asyncio.ensure_future(listened(home.main, run.id))
    await home.clock.sleep(1)
    await home.main.aclose()
    with pytest.raises(StoreError, match="stopping"):
        await listening
    other = home.kelpie(grace_seconds=100)
    heard = await listened(other, run.id)
    assert ([1, 2, 3, 4, 5], "so late") == ([event.seq_id for event in heard], words(heard))
    async with home.memory.transaction() as tx:
        stored = await tx.get(RUNS, (run.id,))
    assert stored is not None
    assert stored.status is RunStatus.COMPLETED
