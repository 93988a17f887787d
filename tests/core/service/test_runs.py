"""Runs: the accounts of turns, as their owner reads them."""

import datetime as dt

import attrs
import pytest

from kelpie_core.errors import InvalidInput, NotFound, TurnFailed
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.step import Step
from kelpie_core.model.turn import StopReason, Usage
from kelpie_core.records import MESSAGES, RUNS
from kelpie_core.service.drafts import ConversationDraft, Page, ToolDraft, TurnOptions
from kelpie_core.service.runs import UNFINISHED, RunFilter, StepFilter, StepTimes, find_message
from tests.house import OTHERS, House, call, gist, house, said
from tests.twins import NOON, Act, Harm, Reply, model_error, virtual


@virtual
async def test_run_with_its_steps_and_messages() -> None:
    """A run has its input, its messages and its steps, in order, and only its own."""
    home = house(Reply(calls=(call("roll"),)), Reply(text="a six"))
    agent = await home.agent(ToolDraft(name="roll"), model="m")
    first = await home.main.messages.send(agent.id, [said("roll")])
    await home.main.messages.send(agent.id, [said("again")])
    run_id = first.run.id
    assert first.run == await home.main.runs.get(run_id)
    assert ["user: roll", "assistant: roll({})", "tool: roll=success:done", "assistant: a six"] == gist(
        await home.main.runs.messages(run_id)
    )
    expected = [
        Step(
            id=message.step_id or "",
            run_id=run_id,
            agent_id=agent.id,
            organization_id=agent.organization_id,
            number=number,
            model="m",
            usage=Usage(prompt_tokens=10, completion_tokens=5),
            created_at=NOON,
        )
        for number, message in enumerate((first.messages[0], first.messages[2]), 1)
    ]
    assert expected == await home.main.runs.steps(run_id)


@virtual
async def test_other_organizations_run_is_not_found() -> None:
    """Every call on another organization's run, or on none, says that it is not there."""
    home = house()
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said()])
    for runs, key in ((home.main.acting_as(OTHERS).runs, result.run.id), (home.main.runs, "run-x")):
        for waiting in (runs.get(key), runs.messages(key), runs.steps(key)):
            with pytest.raises(NotFound) as caught:
                await waiting
            assert ("run", key) == (caught.value.kind, caught.value.key)
    assert [] == await home.main.acting_as(OTHERS).runs.list()
    with pytest.raises(NotFound, match=agent.id):
        await home.main.acting_as(OTHERS).runs.list(which=RunFilter(agent_ids=(agent.id,)))


@virtual
async def test_message_is_found_by_its_id() -> None:
    """A message is found by its id alone; none is found by another."""
    home = house()
    agent = await home.agent()
    (message,) = await home.main.messages.list(agent.id)
    async with home.memory.transaction() as tx:
        assert message == await find_message(tx, message.id)
        with pytest.raises(NotFound, match="message 'message-x' was not found"):
            await find_message(tx, "message-x")


@virtual
async def test_run_of_a_deleted_agent_is_not_found() -> None:
    """What belongs to a deleted agent is gone at once, also while its sweep cannot be done."""
    home = house()
    agent = await home.agent()
    result = await home.main.messages.send(agent.id, [said("secret")])
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.agents.delete(agent.id)
    home.store.arm(None)
    for read in (home.main.runs.get, home.main.runs.messages, home.main.runs.steps):
        with pytest.raises(NotFound, match=result.run.id):
            await read(result.run.id)


async def worked(home: House) -> tuple[list[Run], dict[str, str]]:
    """Return runs of two agents and a conversation, one of them failed, one in the background, and the ids of those."""
    ada, bob = await home.agent(), await home.agent()
    apart = (await home.main.conversations.create(ada.id, ConversationDraft())).conversation.id
    for agent, conversation_id, background in ((ada, None, False), (bob, None, True), (ada, apart, False)):
        await home.clock.sleep(1)
        await home.main.messages.send(
            agent.id, [said()], TurnOptions(background=background), conversation_id=conversation_id
        )
    home.model.lines = (model_error("llm_bad_request"),)
    await home.clock.sleep(1)
    with pytest.raises(TurnFailed):
        await home.main.messages.send(bob.id, [said()])
    return list(await home.main.runs.list()), {"ada": ada.id, "bob": bob.id, "apart": apart}


@virtual
async def test_runs_are_filtered() -> None:
    """Every filter leaves the runs that match, alone and together, in order."""
    home = house()
    runs, ids = await worked(home)
    done, ended = frozenset((RunStatus.COMPLETED,)), frozenset((StopReason.END_TURN,))
    cases: tuple[tuple[RunFilter, list[int]], ...] = (
        (RunFilter(), [0, 1, 2, 3]),
        (RunFilter(agent_ids=(ids["ada"],)), [0, 2]),
        (RunFilter(agent_ids=(ids["bob"], ids["ada"], ids["bob"])), [0, 1, 2, 3]),
        (RunFilter(thread_id=ids["apart"]), [2]),
        (RunFilter(thread_id=ids["ada"]), [0]),
        (RunFilter(statuses=done), [0, 1, 2]),
        (RunFilter(statuses=done | {RunStatus.FAILED}), [0, 1, 2, 3]),
        (RunFilter(statuses=done, agent_ids=(ids["bob"],)), [1]),
        (RunFilter(statuses=UNFINISHED, agent_ids=(ids["bob"],)), []),
        (RunFilter(statuses=frozenset()), []),
        (RunFilter(statuses=done, thread_id=ids["apart"]), [2]),
        (RunFilter(stop_reasons=ended), [0, 1, 2]),
        (RunFilter(stop_reasons=frozenset()), []),
        (RunFilter(background=True), [1]),
        (RunFilter(background=False, agent_ids=(ids["bob"],)), [3]),
    )
    for which, expected in cases:
        assert [runs[number] for number in expected] == await home.main.runs.list(which=which)
    assert [runs[2]] == await home.main.runs.list(Page(after=runs[1].id, before=runs[3].id))
    assert [runs[3], runs[1]] == await home.main.runs.list(Page(descending=True), RunFilter(agent_ids=(ids["bob"],)))


@virtual
async def test_running_runs_are_found_without_a_search() -> None:
    """Runs at work are found where only those are, however many others an agent has."""
    home = house(Reply(text="slow", seconds=10))
    agent = await home.agent()
    run = await home.main.messages.begin(agent.id, [said()])
    which = RunFilter(agent_ids=(agent.id,), statuses=UNFINISHED)
    assert {"by_state"} == {index for index, _ in which.sources(agent.organization_id)}
    assert [run] == await home.main.runs.list(which=which)
    assert [run] == await home.main.runs.list(which=RunFilter(thread_id=agent.id, statuses=UNFINISHED))


@virtual
async def test_steps_are_filtered() -> None:
    """Steps are listed by agent, model, time and what people think of them."""
    home = house()
    agent, other = await home.agent(model="a/m"), await home.agent(model="b/m")
    for one in (agent, other, agent):
        await home.clock.sleep(1)
        await home.main.messages.send(one.id, [said()])
    runs = home.main.runs
    steps = list(await runs.list_steps())
    rated = await runs.give_feedback(steps[1].id, "negative", ("odd",))
    steps[1] = rated
    second = NOON + dt.timedelta(seconds=2)
    cases: tuple[tuple[StepFilter, list[int]], ...] = (
        (StepFilter(), [0, 1, 2]),
        (StepFilter(agent_id=agent.id), [0, 2]),
        (StepFilter(model="m"), [0, 1, 2]),
        (StepFilter(model="b/m"), [1]),
        (StepFilter(feedback="negative"), [1]),
        (StepFilter(feedback="positive"), []),
        (StepFilter(has_feedback=True), [1]),
        (StepFilter(has_feedback=False), [0, 2]),
        (StepFilter(tags=frozenset(("odd", "even"))), [1]),
        (StepFilter(start=second), [1, 2]),
        (StepFilter(end=second), [0, 1]),
        (StepFilter(start=second, end=second), [1]),
    )
    for which, expected in cases:
        assert [steps[number] for number in expected] == await runs.list_steps(which=which)
    assert [steps[2], steps[0]] == await runs.list_steps(Page(descending=True), StepFilter(agent_id=agent.id))
    assert [steps[1]] == await runs.list_steps(Page(limit=1, after=steps[0].id))


@virtual
async def test_feedback_is_kept_and_taken_back() -> None:
    """Feedback is stored with the step; without tags those that are there stay; too many tags are refused."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    (step,) = await home.main.runs.list_steps()
    for feedback, tags, kept in (("positive", ("a",), ("a",)), (None, None, ("a",)), ("negative", (), ())):
        expected = attrs.evolve(step, feedback=feedback, tags=kept)  # type: ignore[arg-type]
        assert expected == await home.main.runs.give_feedback(step.id, feedback, tags)  # type: ignore[arg-type]
        assert expected == await home.main.runs.step(step.id)
    with pytest.raises(InvalidInput, match=r"\$\.tags"):
        await home.main.runs.give_feedback(step.id, None, ("",))


@virtual
async def test_messages_and_times_of_a_step() -> None:
    """A step has its reply and what its tools returned; it took as long as lies between them."""
    home = house(Reply(calls=(call("roll"),), seconds=3), Reply(text="a six", seconds=1), roll=Act(seconds=5))
    agent = await home.agent(ToolDraft(name="roll"))
    result = await home.main.messages.send(agent.id, [said("roll")])
    first, second = await home.main.runs.steps(result.run.id)
    runs = home.main.runs
    assert ["assistant: roll({})", "tool: roll=success:done"] == gist(await runs.step_messages(first.id))
    assert ["assistant: a six"] == gist(await runs.step_messages(second.id))
    (asking, returned, last) = result.messages
    assert [returned] == await runs.step_messages(first.id, Page(after=asking.id))
    with pytest.raises(InvalidInput):
        await runs.step_messages(first.id, Page(after=(await home.main.messages.list(agent.id))[0].id))

    def seconds(count: int) -> dt.datetime:
        return NOON + dt.timedelta(seconds=count)

    assert StepTimes(began_at=NOON, answered_at=seconds(3), ended_at=seconds(8)) == await runs.step_times(first.id)
    assert StepTimes(began_at=seconds(8), answered_at=seconds(9), ended_at=seconds(9)) == await runs.step_times(
        second.id
    )
    assert ["user: roll", *gist(result.messages)] == gist(await runs.all_messages(result.run.id))
    async with home.memory.transaction() as tx:
        for message in (asking, returned, *await tx.scan(MESSAGES, "by_run", (result.run.id,), limit=1)):
            await tx.delete(MESSAGES, (message.thread_id, message.seq))
    assert StepTimes(began_at=last.created_at, answered_at=last.created_at, ended_at=last.created_at) == (
        await runs.step_times(second.id)
    )
    assert None is await runs.step_times(first.id)


@virtual
async def test_other_organizations_step_is_not_found() -> None:
    """Every call on another organization's step, on none, or on one whose agent is gone, says that it is not there."""
    home = house()
    agent = await home.agent()
    await home.main.messages.send(agent.id, [said()])
    (step,) = await home.main.runs.list_steps()
    others = home.main.acting_as(OTHERS).runs
    assert [] == await others.list_steps()
    with pytest.raises(NotFound, match=agent.id):
        await others.list_steps(which=StepFilter(agent_id=agent.id))
    home.store.arm(Harm.FAIL_ON, 2)
    await home.main.agents.delete(agent.id)
    home.store.arm(None)
    for runs, key in ((others, step.id), (home.main.runs, step.id), (home.main.runs, "step-x")):
        for waiting in (
            runs.step(key),
            runs.step_times(key),
            runs.step_messages(key),
            runs.give_feedback(key, None, ()),
        ):
            with pytest.raises(NotFound) as caught:
                await waiting
            assert ("step", key) == (caught.value.kind, caught.value.key)
    assert ([], []) == (await home.main.runs.list_steps(), await home.main.runs.list())
    async with home.memory.transaction() as tx:
        await tx.delete(RUNS, (step.run_id,))
    with pytest.raises(NotFound):
        await home.main.runs.step(step.id)
