"""A new thread: its system message, what people put behind it, its head."""

from kelpie_core.model.agent import AgentHead, Span
from kelpie_core.model.message import Role
from kelpie_core.records import HEADS, MESSAGES
from kelpie_core.service.drafts import AgentDraft, BlockDraft
from kelpie_core.service.new_thread import first_message, following, put_new_thread
from tests.house import gist, house, said
from tests.twins import NOON, virtual


@virtual
async def test_new_thread() -> None:
    """A thread is stored with all of its messages in the window, nobody holding it."""
    home = house()
    blocks = (BlockDraft(label="human", value="Bo"),)
    agent = await home.main.agents.create(AgentDraft(name="Ada", system="Be kind.", blocks=blocks))
    minted = iter(("m1", "m2"))
    async with home.memory.transaction() as tx:
        first = await first_message(tx, agent, "m0", NOON, "conv-1")
        drafts = (said("one", otid="o"), said("two", role=Role.ASSISTANT))
        messages = (first, *following(first, drafts, lambda kind: next(minted)))
        await put_new_thread(tx, messages)
    async with home.memory.transaction() as tx:
        assert list(messages) == list(await tx.scan(MESSAGES, equals=("conv-1",), limit=10))
        head = AgentHead(
            agent_id=agent.id,
            conversation_id="conv-1",
            organization_id=agent.organization_id,
            seq_next=3,
            window=(Span(first=0, end=3),),
        )
        assert head == await tx.get(HEADS, ("conv-1",))
    assert ["user: one", "assistant: two"] == gist(messages[1:])
    assert "Bo" in gist(messages)[0]
    assert [("m0", None), ("m1", "o"), ("m2", None)] == [(message.id, message.otid) for message in messages]
