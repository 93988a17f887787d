"""The commit of one transition: once, whoever else is at work on the run."""

from collections.abc import Awaitable, Callable

import attrs
import pytest

from kelpie_core.errors import LeaseLost, NotFound
from kelpie_core.model.agent import Agent, Lease, Span, TurnLimits
from kelpie_core.model.content import TextPart
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.turn import Phase, StopReason, Usage
from kelpie_core.ports import Transaction
from kelpie_core.service.drafts import TurnOptions
from kelpie_core.service.recovery import take_up
from kelpie_core.service.turn_commit import Applied, TurnCommit
from kelpie_core.service.turn_start import make_start
from kelpie_core.turn.effects import RunTools
from kelpie_core.turn.events import Event, ModelReplied, Stopped
from tests.house import House, call, everything, gist, house, said, timeless
from tests.twins import Harm, virtual

USAGE = Usage(prompt_tokens=1)
ANSWER = ModelReplied(step_id="step-1", content=(TextPart(text="hello"),), usage=USAGE)
ROLL = ModelReplied(step_id="step-1", tool_calls=(call("roll"),), usage=USAGE)
CANCEL = Stopped(reason=StopReason.CANCELLED)


@attrs.frozen
class Begun:
    """A turn that waits for its model."""

    home: House
    agent: Agent
    run: Run
    lease: Lease

    def commit(self, event: Event, meanwhile: Callable[[], Awaitable[object]] | None = None) -> TurnCommit:
        """Return the commit of an event, in whose first attempt something else happens meanwhile."""
        once = [meanwhile] if meanwhile else []

        async def resolve(tx: Transaction, agent: Agent) -> Event:
            while once:
                await once.pop()()
            return event

        return TurnCommit(
            ports=self.home.ports(self.home.store),
            run=self.run,
            lease=self.lease,
            resolve=resolve,
            message_id="message-chosen",
        )

    async def other_commits(self, event: Event) -> Applied:
        """Let another process take the run up and commit an event."""
        taken = await take_up(self.home.ports(), "other", self.run.id, takeover=True)
        assert taken is not None
        return await attrs.evolve(self, run=taken.run, lease=taken.lease).commit(event).apply()


async def begun(**fields: object) -> Begun:
    """Return a turn that has begun and that nobody drives."""
    home = house()
    agent = await home.agent(**fields)
    start = make_start(home.ports(), home.main.actor, "holder", agent.id, (said(),), TurnOptions())
    started = await start.commit()
    assert started.lease is not None
    return Begun(home, agent, started.run, started.lease)


@virtual
async def test_last_transition() -> None:
    """The end of a turn stores message, step, account and head together, and gives the lease back."""
    turn = await begun(model="m")
    applied = await turn.commit(ANSWER).apply()
    (message,) = applied.messages
    assert ("message-chosen", 2, turn.run.id, "step-1", "m") == (
        message.id,
        message.seq,
        message.run_id,
        message.step_id,
        message.model,
    )
    assert (None, RunStatus.COMPLETED, Phase.DONE, USAGE) == (
        applied.effect,
        applied.run.status,
        applied.run.turn.phase,
        applied.run.usage,
    )
    found = await everything(turn.home.memory)
    assert ([applied.run], ["step-1"]) == (found["runs"], [step.id for step in found["steps"]])  # type: ignore[attr-defined]
    head = (await turn.home.main.agents.state(turn.agent.id)).head
    assert (3, (Span(first=0, end=3),), None, 1) == (head.seq_next, head.window, head.lease, head.token_last)


@virtual
async def test_transition_in_mid_turn() -> None:
    """A reply with calls is stored and the lease kept; what comes next is the first call."""
    turn = await begun()
    applied = await turn.commit(ROLL).apply()
    assert (RunTools(calls=(call("roll"),)), RunStatus.RUNNING) == (applied.effect, applied.run.status)
    assert turn.lease == (await turn.home.main.agents.state(turn.agent.id)).head.lease


@virtual
async def test_two_messages_have_two_ids() -> None:
    """When a reply and its refused calls are stored at once, only the first message bears the chosen id."""
    turn = await begun(limits=TurnLimits(tool_calls_max=0))
    applied = await turn.commit(ROLL).apply()
    words = "error:this call was not made: the turn has used up its tool calls"
    assert ["assistant: roll({})", f"tool: roll={words}"] == gist(applied.messages)
    assert ("message-chosen", True, [2, 3]) == (
        applied.messages[0].id,
        applied.messages[1].id.startswith("message-0"),
        [message.seq for message in applied.messages],
    )


@virtual
async def test_window_is_cleared_if_so_configured() -> None:
    """An agent that keeps nothing in view begins its next turn with an empty window; the history stays."""
    turn = await begun(message_buffer_autoclear=True)
    await turn.commit(ANSWER).apply()
    assert () == (await turn.home.main.agents.state(turn.agent.id)).head.window
    assert 3 == len(await turn.home.main.messages.list(turn.agent.id))


@pytest.mark.parametrize("event", [ANSWER, ROLL, CANCEL], ids=["answer", "calls", "cancel"])
@pytest.mark.parametrize("harm", [Harm.LOSE, Harm.FAIL])
@virtual
async def test_transition_happens_once(harm: Harm, event: Event) -> None:
    """A commit that failed or was not heard of gives what it would have given; a call that follows is not resumed."""
    calm, harmed = await begun(limits=TurnLimits(tool_calls_max=1)), await begun(limits=TurnLimits(tool_calls_max=1))
    harmed.home.store.arm(harm, 1)
    assert timeless(await calm.commit(event).apply()) == timeless(await harmed.commit(event).apply())
    left = [timeless(dict(await everything(turn.home.memory))) for turn in (calm, harmed)]
    assert (2, left[0]) == (harmed.home.store.commits, left[1])


@virtual
async def test_both_messages_are_found_again() -> None:
    """A lost acknowledgement of two messages loses neither."""
    turn = await begun(limits=TurnLimits(tool_calls_max=0))
    turn.home.store.arm(Harm.LOSE, 1)
    applied = await turn.commit(ROLL).apply()
    assert (2, None) == (len(applied.messages), applied.effect)


@virtual
async def test_lost_lease_writes_nothing() -> None:
    """Once another process holds the run, nothing of ours is stored."""
    turn = await begun()
    assert None is not await take_up(turn.home.ports(), "other", turn.run.id, takeover=True)
    before = await everything(turn.home.memory)
    with pytest.raises(LeaseLost, match=turn.run.id):
        await turn.commit(ANSWER).apply()
    assert before == await everything(turn.home.memory)


@pytest.mark.parametrize("event", [ANSWER, ROLL], ids=["to its end", "one step"])
@virtual
async def test_run_that_went_on_elsewhere_is_lost(event: Event) -> None:
    """A run that another process has moved is not ours to move, even before our first attempt."""
    turn = await begun()
    await turn.other_commits(event)
    before = await everything(turn.home.memory)
    with pytest.raises(LeaseLost):
        await turn.commit(ANSWER).apply()
    assert before == await everything(turn.home.memory)


@virtual
async def test_other_process_step_is_not_taken_for_ours() -> None:
    """If another process makes the very next step between two attempts of ours, it is not believed to be ours."""
    turn = await begun()
    with pytest.raises(LeaseLost):
        await turn.commit(ROLL, meanwhile=lambda: turn.other_commits(ROLL)).apply()
    assert ["assistant: roll({})"] == gist(await turn.home.main.runs.messages(turn.run.id))[1:]


@virtual
async def test_end_by_another_process_is_told_as_it_is() -> None:
    """If another process ends the run between two attempts of ours, we tell that end, and store nothing."""
    turn = await begun()
    applied = await turn.commit(CANCEL, meanwhile=lambda: turn.other_commits(ANSWER)).apply()
    assert (None, StopReason.END_TURN, ["assistant: hello"]) == (
        applied.effect,
        applied.run.stop_reason,
        gist(applied.messages),
    )


@virtual
async def test_wish_to_cancel_survives_a_step() -> None:
    """A cancel that comes between two attempts is in the run that the step leaves."""
    turn = await begun()
    applied = await turn.commit(ROLL, meanwhile=lambda: turn.home.kelpie().messages.cancel(turn.agent.id)).apply()
    assert (True, RunTools(calls=(call("roll"),))) == (applied.run.cancel_requested, applied.effect)


@virtual
async def test_deleted_agent_is_not_found() -> None:
    """A step of an agent that is gone is not stored."""
    turn = await begun()
    await turn.home.main.agents.delete(turn.agent.id)
    with pytest.raises(NotFound, match=turn.agent.id):
        await turn.commit(ANSWER).apply()
    assert {} == await everything(turn.home.memory)
