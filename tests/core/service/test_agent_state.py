"""An agent with what belongs to it."""

import attrs

from kelpie_core.model.turn import StopReason
from kelpie_core.service.agent_state import AgentState, Parts
from kelpie_core.service.drafts import BlockDraft, ConversationDraft
from tests.house import house, said
from tests.twins import virtual


@virtual
async def test_parts_that_are_not_wanted_are_not_there() -> None:
    """Each part is there if it is wanted, and nothing else."""
    home = house()
    agent = await home.agent(blocks=(BlockDraft(label="human"),), tool_names=("memory_insert",))
    whole = await home.main.agents.state(agent.id)
    assert (1, 1, 1) == (len(whole.blocks), len(whole.tools), len(whole.window_ids or ()))
    nothing = Parts(blocks=False, tools=False, window=False)
    assert AgentState(agent=agent, head=whole.head) == await home.main.agents.state(agent.id, nothing)
    for name, part in (("blocks", "blocks"), ("tools", "tools"), ("window", "window_ids")):
        shown = await home.main.agents.state(agent.id, attrs.evolve(nothing, **{name: True}))
        assert attrs.evolve(AgentState(agent=agent, head=whole.head), **{part: getattr(whole, part)}) == shown


@virtual
async def test_last_run_is_of_whichever_thread() -> None:
    """The run that ended last counts, on the default thread or in a conversation, and that before it no more."""
    home = house()
    agent = await home.agent()
    assert None is (await home.main.agents.state(agent.id)).last_run
    conversations = home.main.conversations
    talk = (await conversations.create(agent.id, ConversationDraft())).conversation
    assert None is (await home.main.agents.state(agent.id)).last_run
    ended = []
    for where in (talk.id, None, talk.id):
        await home.clock.sleep(1)
        run = (await home.main.messages.send(agent.id, [said()], conversation_id=where)).run
        last = (await home.main.agents.state(agent.id)).last_run
        assert last is not None
        assert (run.created_at, run.completed_at) == (last.began_at, last.completed_at)
        ended.append(last)
    assert {StopReason.END_TURN} == {one.stop_reason for one in ended}
    assert ended == sorted(ended, key=lambda one: one.completed_at)
