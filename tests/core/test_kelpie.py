"""The face for embedding: one object, from the first recovery to the last turn."""

import asyncio

import attrs
import pytest

from kelpie_core.errors import NotFound, StoreError
from kelpie_core.ids import is_id
from kelpie_core.kelpie import Kelpie
from kelpie_core.keyed_entropy import KeyedEntropy
from kelpie_core.limits import LEASE_SECONDS
from kelpie_core.model.actor import Actor
from kelpie_core.model.run import RunStatus
from kelpie_core.model.sweep import Sweep
from kelpie_core.records import RUNS, SWEEPS
from kelpie_core.service.drafts import AgentDraft, BlockDraft, ToolDraft, TurnOptions
from kelpie_core.service.import_plan import ImportOptions
from kelpie_core.service.recovery import RECOVERY_PAGE_RUNS
from kelpie_core.service.turn_start import make_start
from tests.house import OTHERS, House, everything, gist, house, said
from tests.twins import NOON, FlakyStore, Harm, Reply, virtual


async def dying(home: House) -> None:
    """Let the first process die with a turn at work."""
    agent = await home.agent()
    assert await home.die(home.main.messages.send(agent.id, [said()]), Harm.DIE_AFTER, 1)


@virtual
async def test_entering_recovers_and_leaving_waits() -> None:
    """A new process takes up what is left as it enters, and has ended it when it has left."""
    home = house(Reply(text="late", seconds=5))
    await dying(home)
    await home.clock.sleep(LEASE_SECONDS)
    async with home.kelpie() as kelpie:
        assert [RunStatus.RUNNING] == [run.status for run in await kelpie.runs.list()]
    assert [RunStatus.COMPLETED] == [run.status for run in await home.kelpie().runs.list()]
    assert LEASE_SECONDS + 5 == asyncio.get_running_loop().time()


@virtual
async def test_recovery_waits_for_leases_unless_told() -> None:
    """Only a process that knows to be alone takes over what another's lease holds; nothing is taken twice."""
    home = house(Reply(text="late", seconds=5))
    await dying(home)
    other = home.kelpie()
    assert [0, 1, 0, 0] == [await other.recover(takeover=takeover) for takeover in (False, True, True, False)]
    await other.aclose()
    (agent,) = await other.agents.list()
    assert ["user: hi", "assistant: late"] == gist(await other.messages.list(agent.id))[1:]


@virtual
async def test_recovery_takes_up_every_run() -> None:
    """However many runs were left, all are taken up, page by page, and all end."""
    home = house(Reply(text="late", seconds=5))
    await dying(home)
    (run,), agents = await home.kelpie().runs.list(), RECOVERY_PAGE_RUNS + 1
    for number in range(agents):
        agent = await home.kelpie().agents.create(AgentDraft(name="Ada"))
        async with home.memory.transaction() as tx:
            await tx.put(RUNS, attrs.evolve(run, id=f"run-{number:03}", agent_id=agent.id))
    await home.clock.sleep(LEASE_SECONDS)
    other = home.kelpie()
    assert agents + 1 == await other.recover()
    await other.aclose()
    found = await everything(home.memory)
    assert [RunStatus.COMPLETED] * (agents + 1) == [one.status for one in found["runs"]]  # type: ignore[attr-defined]


@virtual
async def test_recovery_purges_what_is_due() -> None:
    """What was to vanish has vanished after a recovery."""
    home = house()
    async with home.memory.transaction() as tx:
        await tx.put(SWEEPS, Sweep(id="sweep-1", agent_ids=("a",), due_at=NOON))
    assert 0 == await home.main.recover()
    assert {} == await everything(home.memory)


@virtual
async def test_acting_as_another() -> None:
    """In another's name one sees the other's things, through the same ports and with the same live turns."""
    home = house(Reply(text="late", seconds=5))
    agent = await home.agent()
    other = home.main.acting_as(OTHERS)
    assert (OTHERS, home.main.holder, []) == (other.actor, other.holder, await other.agents.list())
    theirs = await other.agents.create(AgentDraft(name="Ada"))
    assert (OTHERS.organization_id, OTHERS.user_id) == (theirs.organization_id, theirs.created_by_id)
    turn = asyncio.ensure_future(other.messages.send(theirs.id, [said()]))
    await home.clock.sleep(1)
    await home.main.aclose()
    assert (5, ["assistant: late"]) == (asyncio.get_running_loop().time(), gist((await turn).messages))
    assert [agent] == await other.acting_as(Actor()).agents.list()


@virtual
async def test_holder_is_an_id_of_its_own() -> None:
    """Each process names itself anew unless it was given a name."""
    home = house()
    one, two = home.kelpie(), home.kelpie()
    assert (True, True, False) == (is_id("lease", one.holder), is_id("lease", two.holder), one.holder == two.holder)
    assert "me" == Kelpie(home.ports(), holder="me").holder


@virtual
async def test_agents_travel_as_files() -> None:
    """What is exported is imported again through the same face."""
    home = house()
    agent = await home.agent(system="Be kind.")
    data = b"".join([piece async for piece in home.main.transfer.export_file(agent.id)])
    (key,) = await home.main.transfer.import_file(data, ImportOptions())
    assert ("Ada_copy", "Be kind.") == (
        (await home.main.agents.get(key)).name,
        (await home.main.agents.get(key)).system,
    )


@virtual
async def test_run_that_cannot_be_taken_up_does_not_keep_the_others() -> None:
    """Recovery goes on behind a run whose agent cannot be read, does what is due, and says so at its end."""
    home = house(Reply(text="well", seconds=1))
    agents = [await home.agent() for _ in range(2)]
    for agent in agents:
        store = FlakyStore(home.memory)
        store.arm(Harm.DIE_AFTER)
        home.dead.append(asyncio.ensure_future(home.kelpie(store).messages.send(agent.id, [said()])))
        await store.died.wait()
    await home.clock.sleep(31)
    home.store.arm(Harm.CORRUPT, 2)  # the first transaction lists the runs
    with pytest.raises(StoreError, match="a page is corrupt"):
        await home.main.recover()
    await home.main.aclose()
    statuses = [run.status for run in await home.main.runs.list()]
    assert [RunStatus.RUNNING, RunStatus.COMPLETED] == statuses


@virtual
async def test_a_request_s_own_entropy() -> None:
    """Ids are drawn from what a request brings along; what is made again under the same key is what is stored."""
    home = house()
    mine = [home.main.acting_as(Actor(), entropy=KeyedEntropy(b"key", home.main.ports.entropy)) for _ in range(2)]
    first, second = [await kelpie.agents.create(AgentDraft(name="Ada")) for kelpie in mine]
    assert [first] == [second] == await home.main.agents.list()
    blocks = [await kelpie.blocks.create(BlockDraft(label="a", value=str(n))) for n, kelpie in enumerate(mine)]
    assert [blocks[0]] == [blocks[1]] == await home.main.blocks.list()
    tools = [await kelpie.tools.create(ToolDraft(name="roll")) for kelpie in mine]
    assert tools[0] == tools[1]


@virtual
async def test_a_request_that_comes_again_joins_its_turn() -> None:
    """A turn that is at work in this process is not begun again by a repeated request, which is told what it gave."""
    home = house(Reply(text="late", seconds=5))
    agent = await home.agent()
    mine = [home.main.acting_as(Actor(), entropy=KeyedEntropy(b"key", home.main.ports.entropy)) for _ in range(2)]
    turns = [asyncio.ensure_future(kelpie.messages.send(agent.id, [said()])) for kelpie in mine]
    await home.clock.sleep(1)
    assert 1 == home.main.live_turns
    first, second = await asyncio.gather(*turns)
    assert first == second
    assert ["user: hi", "assistant: late"] == gist(await home.main.messages.list(agent.id))[1:]
    assert 0 == home.main.live_turns


@virtual
async def test_a_request_that_comes_again_goes_on_with_its_turn() -> None:
    """A turn that was begun and then left alone in this very process goes on, and is told from its first message on."""
    home = house(Reply(text="late", seconds=5))
    agent, keyed = await home.agent(), KeyedEntropy(b"key", home.main.ports.entropy)
    ports = attrs.evolve(home.main.ports, entropy=keyed)
    begun = await make_start(ports, Actor(), home.main.holder, agent.id, (said(),), TurnOptions(), None).commit()
    mine = home.main.acting_as(Actor(), entropy=KeyedEntropy(b"key", home.main.ports.entropy))
    result = await mine.messages.send(agent.id, [said()])
    assert (begun.run.id, ["assistant: late"]) == (result.run.id, gist(result.messages))
    assert ["user: hi", "assistant: late"] == gist(await home.main.messages.list(agent.id))[1:]


@virtual
async def test_what_was_deleted_is_not_made_again() -> None:
    """A creation that is repeated after its thing was deleted does not bring it back, but says that it is gone."""
    home = house()

    def mine() -> Kelpie:
        return home.main.acting_as(Actor(), entropy=KeyedEntropy(b"key", home.main.ports.entropy))

    agent = await mine().agents.create(AgentDraft(name="Ada"))
    block = await mine().blocks.create(BlockDraft(label="a", value="b"))
    tool = await mine().tools.create(ToolDraft(name="roll"))
    await home.main.agents.delete(agent.id)
    await home.main.blocks.delete(block.id)
    await home.main.tools.delete(tool.id)
    with pytest.raises(NotFound, match=agent.id):
        await mine().agents.create(AgentDraft(name="Ada"))
    with pytest.raises(NotFound, match=block.id):
        await mine().blocks.create(BlockDraft(label="a", value="b"))
    with pytest.raises(NotFound, match=tool.id):
        await mine().tools.create(ToolDraft(name="roll"))
    assert ([], []) == (await home.main.agents.list(), await home.main.blocks.list())
