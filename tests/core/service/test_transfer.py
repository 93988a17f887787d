"""Import and export: what goes in comes out again, whole or not at all, whatever the store does meanwhile."""

import asyncio
import json
from pathlib import Path

import attrs
import pytest

from kelpie_core.errors import InvariantBroken, NotFound, StoreError
from kelpie_core.limits import IMPORT_CHUNK_MESSAGES, IMPORT_DEADLINE_SECONDS
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import AgentHead, Span
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import ToolCall
from kelpie_core.ports import Store
from kelpie_core.records import AGENTS, HEADS, MESSAGES
from kelpie_core.service.import_plan import ImportOptions
from kelpie_core.service.sweeps import run_due_sweeps
from kelpie_core.service.transfer import Transfer
from tests.agent_files import SAMPLES, Json, bytes_of, document_of, normal_form, run, sample_files, stored
from tests.core.service.faulty_store import FaultyStore
from tests.twins import NOON, FixedClock, ports_on

AS_IS = ImportOptions(append_copy_suffix=False)
SMALL, LONG = (SAMPLES / "gardeners.af").read_bytes(), (SAMPLES / "tide_diary.af").read_bytes()
BOTH = pytest.mark.parametrize("data", [SMALL, LONG], ids=["one transaction", "in chunks"])
OWNER = Actor()
STRANGER = Actor(organization_id="org-11111111-1111-4111-8111-111111111111")


def transfer_on(store: Store, actor: Actor = OWNER) -> Transfer:
    """Return the use case on a store."""
    return Transfer(ports_on(store), actor)


async def exported(transfer: Transfer, agent_id: str) -> Json:
    """Return an agent's file as a document."""
    document: Json = json.loads(b"".join([piece async for piece in transfer.export_file(agent_id)]))
    return document


def renumber(document: Json) -> None:
    """Number the ids that leave the file, by first appearance."""
    seen: dict[str, str] = {}
    for message in document["agents"][0]["messages"]:
        for name in ("run_id", "step_id"):
            message[name] = message[name] and seen.setdefault(message[name], f"{name} {len(seen)}")


@pytest.mark.parametrize("path", sample_files(), ids=lambda path: path.name)
def test_file_comes_back_whole(path: Path) -> None:
    """Every field of every agent, message, block and tool of a file is in its export, ids and the like aside."""
    original = json.loads(path.read_bytes())

    async def work() -> list[Json]:
        transfer = transfer_on(MemoryStore())
        return [await exported(transfer, key) for key in await transfer.import_file(path.read_bytes(), AS_IS)]

    documents = run(work())
    assert len(original.get("agents", [0])) == len(documents)
    for place, document in enumerate(documents):
        assert normal_form(original, place) == normal_form(document)


@pytest.mark.parametrize("path", sample_files(), ids=lambda path: path.name)
def test_export_imported_again_exports_equal(path: Path) -> None:
    """The export of an imported export is the same document, the ids of runs and steps aside."""

    async def work() -> None:
        transfer = transfer_on(MemoryStore())
        for agent_id in await transfer.import_file(path.read_bytes()):
            first = await exported(transfer, agent_id)
            (again,) = await transfer.import_file(bytes_of(first), AS_IS)
            second = await exported(transfer, again)
            renumber(first)
            renumber(second)
            assert first == second

    run(work())


def test_samples_are_there() -> None:
    """The repository has files of its own, so that no test of files passes for want of them."""
    assert {"gardeners.af", "keeper_legacy.af", "tide_diary.af"} <= {path.name for path in sample_files()}


def test_import_stores_what_it_returns() -> None:
    """All agents, heads, blocks, tools and messages of a file belong to the actor, under fresh ids; no sweep stays."""
    store = MemoryStore()
    agent_ids = run(transfer_on(store).import_file(LONG))
    records = run(stored(store))
    assert ["agents", "heads", "messages"] == list(records)
    assert list(agent_ids) == [agent.id for agent in records["agents"]]
    window = (Span(first=0, end=1), Span(first=622, end=642))
    head = AgentHead(agent_id=agent_ids[0], organization_id=OWNER.organization_id, seq_next=642, window=window)
    assert [head] == records["heads"]
    assert [(agent_ids[0], seq) for seq in range(642)] == [(m.agent_id, m.seq) for m in records["messages"]]
    assert 642 == len({message.id for message in records["messages"]})


def test_agents_of_a_file_share_their_block() -> None:
    """A block that two agents of a file share is one block; a block that no agent has is stored as well."""
    store = MemoryStore()
    run(transfer_on(store).import_file(SMALL))
    records = run(stored(store))
    labels = {block.id: block.label for block in records["blocks"]}
    by_name = {agent.name: [labels[key] for key in agent.block_ids] for agent in records["agents"]}
    assert {"Ada: plans / beds_copy": ["persona", "plan"], "Bo_copy": ["plan"]} == by_name
    assert ["persona", "plan", "spare"] == sorted(labels.values())


def kept(records: dict[str, list[object]]) -> list[str]:
    """Return the tables with records that a get or a list could show."""
    return [name for name in records if name not in ("messages", "sweeps")]


@BOTH
@pytest.mark.parametrize("for_good", [True, False], ids=["store stays broken", "store fails once"])
def test_failed_import_leaves_nothing(data: bytes, for_good: bool) -> None:
    """Whichever call to the store fails, the import raises, shows nothing, and all is gone after its deadline."""

    async def attempt(number: int) -> bool:
        store = FaultyStore(fails=lambda call: call >= number if for_good else call == number)
        try:
            await transfer_on(store).import_file(data)
        except StoreError:
            assert [] == kept(await stored(store.inner))
            ports = attrs.evolve(ports_on(store.inner), clock=FixedClock(NOON))
            await ports.clock.sleep(IMPORT_DEADLINE_SECONDS)
            await run_due_sweeps(ports)
            assert {} == await stored(store.inner)
            return True
        return False

    async def work() -> int:
        number = 1
        while await attempt(number):
            number += 1
        return number - 1

    assert (11 if data is LONG else 5) == run(work())


@BOTH
@pytest.mark.parametrize("fault", ["fails", "loses"])
def test_import_survives_passing_faults(data: bytes, fault: str) -> None:
    """A call that fails in passing, or a commit whose acknowledgement is lost, is made good: all is there, once."""

    async def work(number: int) -> tuple[dict[str, int], int]:
        store = FaultyStore(retriable=True)
        setattr(store, fault, lambda call: call == number)
        await transfer_on(store).import_file(data)
        return {name: len(records) for name, records in (await stored(store.inner)).items()}, store.calls

    expected, calls = run(work(0))
    for number in range(1, calls + 1):
        assert expected == run(work(number))[0]


def test_import_in_chunks_is_invisible_until_its_last_commit() -> None:
    """Before the commit that publishes it, a long import shows neither agent nor block nor tool."""
    seen: list[list[str]] = []
    store = FaultyStore()

    async def look(number: int) -> None:
        seen.append(kept(await stored(store.inner)))

    store.before = look
    run(transfer_on(store).import_file(LONG))
    assert [[]] * store.calls == seen
    assert ["agents", "heads"] == kept(run(stored(store.inner)))


@pytest.mark.parametrize("when", range(3, 12))
def test_swept_import_never_publishes(when: int) -> None:
    """An import that outlives its deadline fails once it was swept, and leaves nothing."""
    store = FaultyStore()
    ports = ports_on(store)
    swept: list[int] = []

    async def jump(number: int) -> None:
        if number == when:
            await ports.clock.sleep(IMPORT_DEADLINE_SECONDS)
            swept.append(await run_due_sweeps(attrs.evolve(ports, store=store.inner)))

    store.before = jump
    with pytest.raises(StoreError, match="import was swept"):
        run(Transfer(ports, OWNER).import_file(LONG))
    assert ([1], {}) == (swept, run(stored(store.inner)))


def test_failed_purge_is_told_with_the_error() -> None:
    """When not even the purge succeeds, the import's error says what stays, and until when."""
    with pytest.raises(StoreError) as caught:
        run(transfer_on(FaultyStore(fails=lambda number: number > 3)).import_file(LONG))
    assert "call 4 failed" == str(caught.value)
    assert [
        f"what was written stays, invisible, until {NOON.replace(hour=13)}: call 5 failed"
    ] == caught.value.__notes__


def tool_file(**tool: object) -> bytes:
    """Return a file with one agent and its tool."""
    document = document_of()
    document["tools"][0] |= tool
    return bytes_of(document)


def imported_tools(*imports: tuple[bytes, ImportOptions]) -> list[object]:
    """Return the tools after some imports, a minute apart, each as id by its place, source and times in minutes."""

    async def work() -> list[object]:
        ports = ports_on(MemoryStore())
        for data, options in imports:
            await Transfer(ports, OWNER).import_file(data, options)
            await ports.clock.sleep(60)
        records = await stored(ports.store)
        used = [
            [place for place, tool in enumerate(records["tools"]) if tool.id in a.tool_ids] for a in records["agents"]
        ]
        times = [
            tuple((time - NOON).seconds // 60 for time in (tool.created_at, tool.updated_at))
            for tool in records["tools"]
        ]
        return [used, [tool.source_code for tool in records["tools"]], times]

    return run(work())


def test_tool_of_known_name_is_updated() -> None:
    """A tool that exists under its name keeps its id and age and takes the file's content; both agents use it."""
    imports = (tool_file(source_code="1"), AS_IS), (tool_file(source_code="2"), AS_IS)
    assert [[[0], [0]], ["2"], [(0, 1)]] == imported_tools(*imports)


def test_tool_is_kept_when_asked() -> None:
    """Without override_existing_tools the existing tool stays as it is; the new agent uses it."""
    keep = ImportOptions(override_existing_tools=False)
    imports = (tool_file(source_code="1"), keep), (tool_file(source_code="2"), keep)
    assert [[[0], [0]], ["1"], [(0, 0)]] == imported_tools(*imports)


def test_equal_tool_is_not_written() -> None:
    """A tool with the same content is left alone, its time of change included."""
    imports = (tool_file(source_code="1"), AS_IS), (tool_file(source_code="1"), AS_IS)
    assert [[[0], [0]], ["1"], [(0, 0)]] == imported_tools(*imports)


def test_organizations_do_not_share_tools() -> None:
    """A tool of the same name in another organization is another tool."""

    async def work() -> list[str]:
        ports = ports_on(MemoryStore())
        await Transfer(ports, OWNER).import_file(tool_file())
        await Transfer(ports, STRANGER).import_file(tool_file())
        return [tool.organization_id for tool in (await stored(ports.store))["tools"]]

    assert [OWNER.organization_id, STRANGER.organization_id] == run(work())


def test_imports_at_once_make_one_tool() -> None:
    """Imports that race for a tool's name end with one tool, used by all their agents."""

    async def work() -> tuple[int, set[tuple[str, ...]]]:
        store = MemoryStore()
        transfer = transfer_on(store)
        await asyncio.gather(*(transfer.import_file(tool_file(description=str(number))) for number in range(8)))
        records = await stored(store)
        return len(records["agents"]), {agent.tool_ids for agent in records["agents"]} ^ {(records["tools"][0].id,)}

    assert (8, set()) == run(work())


@BOTH
def test_export_fails_when_a_read_fails(data: bytes) -> None:
    """Whichever read fails, the export raises, and the pieces before it are no document."""

    async def attempt(number: int) -> bool:
        store = FaultyStore()
        agent_id = (await transfer_on(store.inner).import_file(data))[0]
        store.fails = lambda call: call == number
        pieces = []
        try:
            async for piece in transfer_on(store).export_file(agent_id):
                pieces.append(piece)
        except StoreError:
            with pytest.raises(json.JSONDecodeError):
                json.loads(b"".join(pieces))
            return True
        return False

    async def work() -> int:
        number = 1
        while await attempt(number):
            number += 1
        return number - 1

    assert (12 if data is LONG else 14) == run(work())


def test_export_survives_passing_faults() -> None:
    """A read that fails in passing is made again: the export is the one of an untroubled store."""

    async def work(number: int) -> tuple[Json, int]:
        store = FaultyStore(retriable=True)
        (agent_id,) = await transfer_on(store.inner).import_file(LONG)
        store.fails = lambda call: call == number
        return await exported(transfer_on(store), agent_id), store.calls

    expected, calls = run(work(0))
    for number in range(1, calls + 1):
        assert expected == run(work(number))[0]


def test_export_comes_in_pieces() -> None:
    """No piece holds more messages than one page, so a long history never lies in memory whole."""

    async def work() -> list[int]:
        transfer = transfer_on(MemoryStore())
        (agent_id,) = await transfer.import_file(LONG)
        return [piece.count(b'"role"') async for piece in transfer.export_file(agent_id)]

    assert [0, IMPORT_CHUNK_MESSAGES, 642 - IMPORT_CHUNK_MESSAGES, 0] == run(work())


def test_export_of_another_organizations_agent() -> None:
    """Another organization's agent is not found, and so is one that never was."""

    async def work(agent_id: str, store: Store) -> None:
        await exported(transfer_on(store, STRANGER), agent_id)

    store = MemoryStore()
    agent_ids = run(transfer_on(store).import_file(SMALL))
    for agent_id in (agent_ids[0], "agent-0"):
        with pytest.raises(NotFound):
            run(work(agent_id, store))


def test_agent_deleted_in_mid_export() -> None:
    """An export whose agent is deleted meanwhile fails instead of ending early."""

    async def work() -> None:
        store = MemoryStore()
        transfer = transfer_on(store)
        (agent_id,) = await transfer.import_file(LONG)
        async for piece in transfer.export_file(agent_id):
            if b'"message-499"' in piece:
                async with store.transaction() as tx:
                    await tx.delete(AGENTS, (agent_id,))

    with pytest.raises(NotFound):
        run(work())


def test_lost_message_is_found_out() -> None:
    """A hole in the history, which must not exist, ends an export with an error instead of a shorter file."""

    async def work() -> None:
        store = MemoryStore()
        transfer = transfer_on(store)
        (agent_id,) = await transfer.import_file(LONG)
        async with store.transaction() as tx:
            await tx.delete(MESSAGES, (agent_id, 7))
        await exported(transfer, agent_id)

    with pytest.raises(InvariantBroken, match="between 0 and 500"):
        run(work())


def test_export_during_a_turn_ends_before_the_running_step() -> None:
    """A step whose tools still run is left for the next export, from history and window alike: the file imports."""

    async def work() -> tuple[int, list[str], int]:
        store = MemoryStore()
        transfer = transfer_on(store)
        (agent_id,) = await transfer.import_file(bytes_of(document_of(messages=({}, {}))))
        call = ToolCall(id="c", name="prune", arguments="{}")
        running = Message(
            id="message-x", agent_id=agent_id, seq=2, role=Role.ASSISTANT, tool_calls=(call,), created_at=NOON
        )
        async with store.transaction() as tx:
            head = await tx.get(HEADS, (agent_id,))
            assert head is not None
            await tx.put(HEADS, attrs.evolve(head, seq_next=3, window=(Span(first=1, end=3), Span(first=2, end=3))))
            await tx.put(MESSAGES, running)
        document = await exported(transfer, agent_id)
        agent = document["agents"][0]
        await transfer.import_file(bytes_of(document))
        return (
            len(agent["messages"]),
            agent["in_context_message_ids"],
            len((await stored(store))["agents"]),
        )

    assert (2, ["message-1"], 2) == run(work())


def test_reference_to_another_agents_message_stays() -> None:
    """An approval that refers to a message outside its agent keeps the id that it has."""

    async def work() -> list[str]:
        store = MemoryStore()
        transfer = transfer_on(store)
        await transfer.import_file(bytes_of(document_of(messages=({},))))
        other = (await stored(store))["messages"][0].id
        answer = {"role": "approval", "approve": True, "approval_request_id": other}
        (second,) = await transfer.import_file(bytes_of(document_of(messages=(answer,))))
        document = await exported(transfer, second)
        return [other, document["agents"][0]["messages"][0]["approval_request_id"]]

    other, kept_id = run(work())
    assert other == kept_id


def test_secrets_do_not_leave() -> None:
    """Values given at import are stored; the export has their names and nothing else."""

    async def work() -> tuple[dict[str, str], Json, bool]:
        store = MemoryStore()
        transfer = transfer_on(store)
        options = ImportOptions(secrets={"NEW": "s3cret"})
        (agent_id,) = await transfer.import_file(bytes_of(document_of(secrets={"OLD": "hush"})), options)
        document = await exported(transfer, agent_id)
        agent = (await stored(store))["agents"][0]
        return agent.secrets, document["agents"][0]["secrets"], "s3cret" in json.dumps(document)

    assert ({"OLD": "hush", "NEW": "s3cret"}, {"OLD": "", "NEW": ""}, False) == run(work())
