"""The commit that begins a turn."""

import attrs
import pytest

from kelpie_core.errors import AgentBusy, AlreadyExists, InvalidInput, LimitExceeded, NotFound
from kelpie_core.limits import INPUT_MESSAGES_MAX, LEASE_SECONDS
from kelpie_core.model.agent import Agent, Lease, Span, TurnLimits
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import Phase, Turn
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_core.service.lease import expiry
from kelpie_core.service.recovery import take_up
from kelpie_core.service.turn_start import Abandoned, Started, TurnStart, make_start
from tests.house import OTHERS, House, everything, house, said
from tests.twins import NOON, Harm, virtual


def starting(home: House, agent: Agent, *drafts: MessageDraft, options: TurnOptions | None = None) -> TurnStart:
    """Return the beginning of a turn of the first process."""
    return make_start(
        home.ports(home.store), home.main.actor, "holder", agent.id, drafts or (said(),), options or TurnOptions()
    )


@virtual
async def test_beginning_is_one_commit() -> None:
    """Input, run, lease and window are stored together, before any model is called."""
    home = house()
    agent = await home.agent(limits=TurnLimits(steps_max=7, tool_calls_max=6, tokens_max=5, seconds_max=4))
    home.store.arm(None)
    start = starting(home, agent, said("one", otid="o1"), said("two"), options=TurnOptions(background=True))
    started = await start.commit()
    assert (1, []) == (home.store.commits, home.model.requests)
    lease = Lease(holder="holder", token=1, run_id=start.run_id, expires_at=expiry(NOON))
    run = Run(
        id=start.run_id,
        agent_id=agent.id,
        organization_id=agent.organization_id,
        created_by_id=home.main.actor.user_id,
        status=RunStatus.RUNNING,
        turn=Turn(phase=Phase.THINKING, serial=1, steps_max=7, tool_calls_max=6, tokens_max=5),
        background=True,
        seq_first=1,
        seconds_max=4,
        created_at=NOON,
        updated_at=NOON,
    )
    assert Started(run=run, lease=lease) == started
    messages = await home.main.messages.list(agent.id)
    expected = [
        Message(
            id=key,
            agent_id=agent.id,
            organization_id=agent.organization_id,
            seq=seq,
            run_id=run.id,
            created_at=NOON,
            **attrs.asdict(draft, recurse=False),
        )
        for key, seq, draft in zip(start.message_ids, (1, 2), start.drafts, strict=True)
    ]
    assert expected == messages[1:]
    head = (await home.main.agents.state(agent.id)).head
    assert (3, (Span(first=0, end=3),), 1, lease) == (head.seq_next, head.window, head.token_last, head.lease)


@pytest.mark.parametrize(("asked", "expected"), [(None, 7), (3, 3), (7, 7), (9, 7)])
@virtual
async def test_steps_are_the_lesser(asked: int | None, expected: int) -> None:
    """A caller may ask for fewer steps than the agent allows, not for more."""
    home = house()
    agent = await home.agent(limits=TurnLimits(steps_max=7))
    started = await starting(home, agent, options=TurnOptions(steps_max=asked)).commit()
    assert expected == started.run.turn.steps_max


@virtual
async def test_bad_input_is_refused_unread() -> None:
    """Input is checked before the store is asked."""
    home = house()
    agent = await home.agent()
    home.store.arm(None)
    with pytest.raises(LimitExceeded):
        await starting(home, agent, *[said()] * (INPUT_MESSAGES_MAX + 1)).commit()
    with pytest.raises(InvalidInput):
        await starting(home, agent, said("")).commit()
    assert 0 == home.store.commits


@virtual
async def test_agent_of_others_is_not_found() -> None:
    """Nobody begins a turn of another organization's agent."""
    home = house()
    agent = await home.agent()
    start = attrs.evolve(starting(home, agent), actor=OTHERS)
    with pytest.raises(NotFound, match=agent.id):
        await start.commit()


@virtual
async def test_held_agent_is_busy_and_then_abandoned() -> None:
    """While the lease lasts the agent is busy; after that its run must be taken up first."""
    home = house()
    agent = await home.agent()
    first = await starting(home, agent).commit()
    await home.clock.sleep(LEASE_SECONDS - 1)
    with pytest.raises(AgentBusy) as busy:
        await starting(home, agent).commit()
    await home.clock.sleep(1)
    with pytest.raises(Abandoned) as abandoned:
        await starting(home, agent).commit()
    assert (first.run.id, first.run.id) == (busy.value.run_id, abandoned.value.run_id)


@virtual
async def test_lost_acknowledgement_is_known_again() -> None:
    """A beginning that was stored, unheard, is not stored again, and its lease is used."""
    home = house()
    agent = await home.agent()
    home.store.arm(Harm.LOSE, 1)
    start = starting(home, agent, said(otid="o1"))
    started = await start.commit()
    assert (2, 1, 1) == (home.store.commits, started.lease and started.lease.token, len(await home.main.runs.list()))
    before = await everything(home.memory)
    assert (False, attrs.evolve(started, resumed=True)) == (started.resumed, await start.commit())
    assert before == await everything(home.memory)


@virtual
async def test_beginning_that_another_took_up_is_left_to_them() -> None:
    """If another process has taken the run up before the acknowledgement came again, the lease is theirs alone."""
    home = house()
    agent = await home.agent()
    start = starting(home, agent)
    started = await start.commit()
    assert None is not await take_up(home.ports(), "other", start.run_id, takeover=True)
    assert Started(run=started.run, lease=None, resumed=True) == await start.commit()


@virtual
async def test_beginning_that_has_ended_has_no_lease() -> None:
    """If the run has even ended by then, there is nothing to drive."""
    home = house()
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    start = attrs.evolve(starting(home, agent), run_id=result.run.id)
    assert Started(run=result.run, lease=None, resumed=True) == await start.commit()


@virtual
async def test_input_that_was_sent_before() -> None:
    """Known otids lead to the run that they began, busy or not; a part of an input leads nowhere."""
    home = house()
    agent = await home.agent()
    first = await starting(home, agent, said(otid="o1"), said(), said(otid="o2")).commit()
    for drafts in ((said(otid="o1"),), (said(otid="o2"), said()), (said(otid="o1"), said(otid="o2"))):
        assert Started(run=first.run, lease=None) == await starting(home, agent, *drafts).commit()
    with pytest.raises(AlreadyExists, match="message with otid 'o2' exists already"):
        await starting(home, agent, said(otid="o3"), said(otid="o2")).commit()
