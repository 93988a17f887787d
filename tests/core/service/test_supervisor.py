"""The turns that live in a process, and how they leave it."""

import asyncio
from typing import Any

import pytest

from kelpie_core.errors import FellBehind, LeaseLost, StoreError
from kelpie_core.limits import LISTENER_EVENTS_MAX
from kelpie_core.model.run import RunStatus
from kelpie_core.service.drafts import TurnOptions
from kelpie_core.service.messages import TurnResult
from kelpie_core.service.recovery import take_up
from kelpie_core.service.supervisor import Supervisor
from kelpie_core.service.turn_events import Delta, MessageStored, RunStarted, TurnEnded, TurnEvent
from kelpie_core.service.turn_start import make_start
from tests.house import House, gist, house, said
from tests.twins import Harm, Reply, virtual


async def at_work(home: House, **options: Any) -> "asyncio.Future[TurnResult]":
    """Return a turn of the first process that waits for its model."""
    agent = await home.agent()
    turn = asyncio.ensure_future(home.main.messages.send(agent.id, [said()], TurnOptions(**options)))
    await home.clock.sleep(1)
    return turn


@virtual
async def test_closing_waits_for_turns() -> None:
    """A turn that ends within the grace ends as usual, and closing takes no longer than it."""
    home = house(Reply(text="late", seconds=5))
    turn = await at_work(home)
    await home.main.aclose()
    assert (5, ["assistant: late"]) == (asyncio.get_running_loop().time(), gist((await turn).messages))


@virtual
async def test_closing_does_not_wait_for_ever() -> None:
    """A turn that outlasts the grace is broken off where it stands; its sender hears that it left this process."""
    home = house(Reply(text="late", seconds=100))
    turn = await at_work(home)
    await home.main.aclose()
    assert 11 == asyncio.get_running_loop().time()
    with pytest.raises(LeaseLost):
        await turn
    assert not turn.cancelled()


@virtual
async def test_turn_that_left_goes_on_at_once() -> None:
    """The next process need not wait for the lease: it was given back."""
    home = house(Reply(text="late", seconds=20))
    turn = await at_work(home)
    await home.main.aclose()
    await asyncio.wait((turn,))
    assert isinstance(turn.exception(), LeaseLost)
    other = home.kelpie(grace_seconds=100)
    assert 1 == await other.recover()
    await other.aclose()
    (run,) = await other.runs.list()
    assert (RunStatus.COMPLETED, 31) == (run.status, asyncio.get_running_loop().time())


@virtual
async def test_closing_with_a_broken_store() -> None:
    """If the lease cannot be given back the sender hears of the store; the turn is recovered when the lease ends."""
    home = house(Reply(text="late", seconds=20))
    turn = await at_work(home)
    home.store.arm(Harm.FAIL_ON)
    await home.main.aclose()
    with pytest.raises(StoreError, match="the disk is full"):
        await turn
    other = home.kelpie(grace_seconds=100)
    assert 0 == await other.recover()
    await home.clock.sleep(30)
    assert 1 == await other.recover()
    await other.aclose()
    assert [RunStatus.COMPLETED] == [run.status for run in await other.runs.list()]


@virtual
async def test_closing_without_turns() -> None:
    """With nothing at work there is nothing to wait for."""
    home = house()
    await home.main.aclose()
    await home.main.aclose()
    assert 0 == asyncio.get_running_loop().time()


@virtual
async def test_listeners_all_hear_the_same() -> None:
    """Whoever listens from the start hears every event; a later one hears what comes after."""
    home = house(Reply(text="so late", seconds=5))
    agent = await home.agent()
    supervisor = Supervisor(home.ports())
    started = await make_start(home.ports(), home.main.actor, "h", agent.id, (said(),), TurnOptions()).commit()
    assert started.lease is not None
    supervisor.start(started.run, started.lease, tokens=True)
    first, second = supervisor.listen(started.run.id), supervisor.listen(started.run.id)
    assert first is not None
    assert second is not None
    heard: list[TurnEvent] = [event async for event in first]
    assert heard == [event async for event in second]
    assert [Delta, Delta, MessageStored, TurnEnded] == [type(event) for event in heard]


@virtual
async def test_turn_that_does_not_live_here() -> None:
    """Nobody can listen to it, and stopping it does nothing."""
    home = house()
    supervisor = Supervisor(home.ports())
    supervisor.stop("run-x")
    assert (None, False) == (supervisor.listen("run-x"), supervisor.is_live("run-x"))


@virtual
async def test_turn_lives_until_its_end() -> None:
    """A turn is live from its start to its end, and no longer."""
    home = house(Reply(text="late", seconds=5))
    turn = await at_work(home)
    supervisor = home.main._supervisor
    (run,) = await home.main.runs.list()
    assert supervisor.is_live(run.id)
    await turn
    assert not supervisor.is_live(run.id)


@virtual
async def test_live_turn_is_not_taken_up_by_its_own_process() -> None:
    """A turn that is at work here keeps its lease, however late the lease is."""
    home = house(Reply(text="late", seconds=60))
    turn = await at_work(home)
    home.store.arm(Harm.FAIL_ON)
    await home.clock.sleep(40)
    home.store.arm(None)
    assert 0 == await home.main.recover(takeover=True)
    assert ["assistant: late"] == gist((await turn).messages)
    (run,) = await home.main.runs.list()
    assert None is await take_up(home.ports(), "other", run.id)


@virtual
async def test_nothing_begins_while_closing() -> None:
    """Once the process is about to leave, beginning a turn is refused, and asking again elsewhere helps."""
    home = house()
    agent = await home.agent()
    await home.main.aclose()
    with pytest.raises(StoreError, match="stopping") as caught:
        await home.main.messages.send(agent.id, [said()])
    assert (True, False) == (caught.value.retriable, caught.value.uncertain)
    assert [] == await home.main.runs.list()


@virtual
async def test_waiter_does_not_begin_behind_closing() -> None:
    """Who waits for a busy agent when the process leaves is refused, and has begun nothing."""
    home = house(Reply(text="late", seconds=2))
    first = await at_work(home)
    (run,) = await home.main.runs.list()
    waiting = asyncio.ensure_future(home.main.messages.send(run.agent_id, [said()], TurnOptions(wait_seconds=100)))
    await home.clock.sleep(0.1)
    await home.main.aclose()
    with pytest.raises(StoreError, match="stopping"):
        await waiting
    assert [run.id] == [one.id for one in await home.main.runs.list()]
    assert run.id == (await first).run.id


@virtual
async def test_what_is_just_being_begun_is_waited_for() -> None:
    """A turn whose commit is under way when closing begins is one of those that may end."""
    home = house(Reply(text="late", seconds=5))
    supervisor = home.main._supervisor
    agent = await home.agent()
    with supervisor.claiming("run-x") as ours:
        closing = asyncio.ensure_future(home.main.aclose())
        await home.clock.sleep(1)
        assert (True, False) == (ours, closing.done())
        with pytest.raises(StoreError), supervisor.claiming("run-y"):
            raise AssertionError("claimed")
        with supervisor.claiming("run-x") as again:
            assert not again
        started = await make_start(home.ports(), home.main.actor, "h", agent.id, (said(),), TurnOptions()).commit()
        assert started.lease is not None
        supervisor.start(started.run, started.lease)
    await closing
    assert (RunStatus.COMPLETED, 6) == (
        (await home.main.runs.get(started.run.id)).status,
        asyncio.get_running_loop().time(),
    )


@virtual
async def test_what_begins_too_late_is_left_to_recovery() -> None:
    """What was still being begun at the end of the grace is not begun here: its input may be stored."""
    home = house()
    supervisor = Supervisor(home.ports())
    agent = await home.agent()
    with supervisor.claiming("run-x"):
        await supervisor.aclose(1)
        started = await make_start(home.ports(), home.main.actor, "h", agent.id, (said(),), TurnOptions()).commit()
        assert started.lease is not None
        with pytest.raises(StoreError) as caught:
            supervisor.start(started.run, started.lease)
    assert (True, 0, 1) == (caught.value.uncertain, supervisor.live_turns, asyncio.get_running_loop().time())


@virtual
async def test_listener_that_falls_behind() -> None:
    """A listener that takes nothing is told that it fell behind; the turn and the others go on."""
    home = house(Reply(text="word " * LISTENER_EVENTS_MAX))
    agent = await home.agent()
    slow = home.main.messages.stream(agent.id, [said()], TurnOptions(tokens=True))
    assert isinstance(await anext(slow), RunStarted)
    (run,) = await home.main.runs.list()
    await home.clock.sleep(1)
    with pytest.raises(FellBehind) as caught:
        await anext(slow)
    assert LISTENER_EVENTS_MAX == caught.value.events_max
    assert RunStatus.COMPLETED is (await home.main.runs.get(run.id)).status


@virtual
async def test_log_of_a_live_turn() -> None:
    """A turn in the background has a writer of its log as long as it lives; no other turn has one."""
    home = house(Reply(text="late", seconds=5))
    supervisor = home.main._supervisor
    plain = await at_work(home)
    (run,) = await home.main.runs.list()
    assert (None, None) == (supervisor.log_of(run.id), supervisor.log_of("run-x"))
    kept = await home.main.messages.begin((await home.agent()).id, [said()], TurnOptions(background=True))
    writer = supervisor.log_of(kept.id)
    assert writer is not None
    assert writer.is_writing
    await home.main.aclose()
    assert None is supervisor.log_of(kept.id)
    assert RunStatus.COMPLETED is (await plain).run.status
