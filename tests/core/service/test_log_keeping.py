"""Logs that are owed something, and logs that are to go."""

import datetime as dt

import attrs

from kelpie_core.limits import LEASE_SECONDS, PAGE_ITEMS_MAX
from kelpie_core.model.event_log import EventLog, LogState
from kelpie_core.model.run import RunStatus
from kelpie_core.records import EVENT_CHUNKS, EVENT_LOGS, RUNS
from kelpie_core.service.drafts import ConversationDraft, TurnOptions
from kelpie_core.service.event_log import chunk_of
from kelpie_core.service.log_keeping import keep_logs, purge_logs
from tests.core.service.test_event_log import begun, events_of, log_of, piece
from tests.house import House, everything, house, said
from tests.twins import NOON, virtual

DAY = 24 * 3_600


async def put(home: House, *logs: EventLog) -> None:
    """Store logs, each with one event."""
    for log in logs:
        async with home.memory.transaction() as tx:
            await tx.put(EVENT_LOGS, log)
            await tx.put(EVENT_CHUNKS, chunk_of(log.run_id, [piece(1)]))


async def left(home: House) -> tuple[list[str], list[str]]:
    """Return the runs of the logs that are there, and of the chunks."""
    found = await everything(home.memory)
    logs, chunks = found.get("event_logs", []), found.get("event_chunks", [])
    return [one.run_id for one in logs], [one.run_id for one in chunks]  # type: ignore[attr-defined]


def log(run_id: str, state: LogState, age_seconds: float = 0, agent_id: str = "a") -> EventLog:
    """Return a log that has been in its state for so long."""
    since = NOON - dt.timedelta(seconds=age_seconds)
    return EventLog(run_id=run_id, agent_id=agent_id, state=state, since=since)


@virtual
async def test_old_logs_go() -> None:
    """A log goes when it ended so long ago, and when its purge broke off; one that is open or younger stays."""
    home = house()
    ended = (log("old", LogState.ENDED, DAY + 1), log("young", LogState.ENDED, DAY))
    await put(home, *ended, log("open", LogState.OPEN, 9 * DAY), log("gone", LogState.GONE))
    await keep_logs(home.ports(), DAY)
    assert (["open", "young"], ["open", "young"]) == await left(home)


@virtual
async def test_many_logs_are_looked_at() -> None:
    """More logs than fit in a page are all seen to."""
    home = house()
    for number in range(PAGE_ITEMS_MAX + 1):
        async with home.memory.transaction() as tx:
            await tx.put(EVENT_LOGS, log(f"run-{number}", LogState.ENDED, DAY + 1))
    await keep_logs(home.ports(), DAY)
    assert ([], []) == await left(home)


@virtual
async def test_owed_logs_are_completed() -> None:
    """A log whose run ended long enough ago gets its end; its writer has had the time of a lease for it."""
    home = house()
    started = await begun(home)
    await keep_logs(home.ports(), DAY)
    assert LogState.OPEN is (await log_of(home, started.run.id)).state
    async with home.memory.transaction() as tx:
        run = await tx.get(RUNS, (started.run.id,))
        assert run is not None
        await tx.put(RUNS, attrs.evolve(run, status=RunStatus.CANCELLED, completed_at=NOON))
    await home.clock.sleep(LEASE_SECONDS)
    await keep_logs(home.ports(), DAY)
    assert LogState.OPEN is (await log_of(home, started.run.id)).state
    await home.clock.sleep(1)
    await keep_logs(home.ports(), DAY)
    assert ["ping", "stop_reason", "usage_statistics"] == [one.kind for one in await events_of(home, started.run.id)]


@virtual
async def test_logs_of_an_owner() -> None:
    """The logs of an agent go, or of a thread, and no others."""
    home = house()
    beside = attrs.evolve(log("k", LogState.ENDED), conversation_id="conv")
    await put(home, log("a", LogState.ENDED), beside, log("b", LogState.OPEN, agent_id="b"))
    await purge_logs(home.ports(), "by_thread", "conv")
    assert ["a", "b"] == (await left(home))[0]
    await purge_logs(home.ports(), "by_agent", "a")
    assert (["b"], ["b"]) == await left(home)


@virtual
async def test_logs_go_with_their_agent_and_conversation() -> None:
    """What is deleted takes its streams with it."""
    home = house()
    agent = await home.agent()
    made = await home.main.conversations.create(agent.id, ConversationDraft())
    key = made.conversation.id
    options = TurnOptions(background=True)
    beside = await home.main.messages.send(agent.id, [said()], options, conversation_id=key)
    plain = await home.main.messages.send(agent.id, [said()], options)
    await home.main.aclose()
    assert sorted((beside.run.id, plain.run.id)) == sorted((await left(home))[0])
    await home.main.conversations.delete(key)
    await home.main.recover()
    assert [plain.run.id] == (await left(home))[0]
    await home.main.agents.delete(agent.id)
    await home.main.recover()
    assert ([], []) == await left(home)
