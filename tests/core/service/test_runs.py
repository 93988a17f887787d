"""Runs: the accounts of turns, as their owner reads them."""

import pytest

from kelpie_core.errors import NotFound
from kelpie_core.model.step import Step
from kelpie_core.model.turn import Usage
from kelpie_core.service.drafts import ToolDraft
from kelpie_core.service.runs import find_message
from tests.house import OTHERS, call, gist, house, said
from tests.twins import NOON, Harm, Reply, virtual


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
        await home.main.acting_as(OTHERS).runs.list(agent_id=agent.id)


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
