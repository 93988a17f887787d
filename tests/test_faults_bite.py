"""Every kind of fault bites: at probability 1 it does what its docstring says, and nothing that it says it does not.

A row of BITES is one deed of a client in a small world, with what it sees without the fault and with it: what it is
told, what is there afterwards, whether its host went down (and came back), and how much later it hears. A kind of fault
without a row fails the build.
"""

import inspect
import json
from collections.abc import Awaitable, Callable

import attrs
import pytest

from kelpie_core.errors import ModelError, StoreError, ToolError
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.block import Block
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Message, Role
from kelpie_core.model.tool import Tool, ToolCall
from kelpie_core.ports import ModelRequest, TextDelta, ToolCallDelta
from kelpie_core.records import BLOCKS, STORE_OPERATIONS
from kelpie_sim.agents import faults
from kelpie_sim.agents.audit import records_of
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import MODEL_CALL, MODEL_CHUNK, OPERATIONS, SANDBOX_START, TOOL_RUN
from kelpie_sim.agents.scenarios.common import call
from kelpie_sim.errors import UnknownOperation
from kelpie_sim.faults import Fault, FaultReport
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World, simulate
from tests.twins import NOON

NS_PER_MS = 1_000_000
BACK_UP_SECONDS = 10
TOOL_SECONDS = 7.0
GONE = "the server is gone"
DONE = "done"
KINDS = [
    kind for kind in vars(faults).values() if inspect.isclass(kind) and issubclass(kind, Fault) and kind is not Fault
]

Deed = Callable[[Kelpie], Awaitable[object]]


def block(value: str = "old") -> Block:
    """Return the block that deeds write."""
    return Block(
        id="block-1",
        organization_id="org",
        created_by_id="user",
        label="note",
        value=value,
        created_at=NOON,
        updated_at=NOON,
    )


async def write(kelpie: Kelpie) -> object:
    """Store a new block."""
    async with kelpie.ports.store.transaction() as tx:
        await tx.put(BLOCKS, block("new"))
    return DONE


async def get(kelpie: Kelpie) -> object:
    """Read a block by its key."""
    async with kelpie.ports.store.transaction() as tx:
        found = await tx.get(BLOCKS, (block().id,))
    return found and found.value


async def scan(kelpie: Kelpie) -> object:
    """List the blocks."""
    async with kelpie.ports.store.transaction() as tx:
        return [found.value for found in await tx.scan(BLOCKS, limit=10)]


async def erase(kelpie: Kelpie) -> object:
    """Delete a block."""
    async with kelpie.ports.store.transaction() as tx:
        await tx.delete(BLOCKS, (block().id,))
    return DONE


def talk(script: str) -> Deed:
    """Return a call of the model; its answer is told as text, names of tools with their arguments, and how it ended."""

    async def deed(kelpie: Kelpie) -> object:
        message = Message(
            id="message-1",
            agent_id="agent-1",
            seq=0,
            role=Role.USER,
            content=(TextPart(text=script),),
            created_at=NOON,
        )
        request = ModelRequest(agent_id="agent-1", model=None, system="", messages=(message,), tools=())
        text, arguments, end = "", "", "cut"
        async for chunk in kelpie.ports.model.stream(request):
            match chunk:
                case TextDelta(text=piece):
                    text += piece
                case ToolCallDelta(arguments=piece):
                    arguments += piece
                case _:
                    end = "whole"
        return text, parsed(arguments), end

    return deed


def parsed(arguments: str) -> object:
    """Return the arguments of a tool call as the core would read them."""
    try:
        return json.loads(arguments) if arguments else None
    except json.JSONDecodeError:
        return "not JSON"


async def note(kelpie: Kelpie) -> object:
    """Run a tool that takes effect in the outside world."""
    tool = Tool(id="tool-1", organization_id="org", created_by_id="user", name="note", created_at=NOON, updated_at=NOON)
    called = ToolCall(id="call-1", name="note", arguments="{}")
    returned = await kelpie.ports.tools.run(tool, called, {"text": "n1"}, {}, TOOL_SECONDS)
    return returned.status.value, returned.text


@attrs.frozen
class Seen:
    """What a client and the world saw of a deed: what it was told, what is there, and whether its host went down."""

    told: object
    left: tuple[str, ...] = ()
    went_down: bool = False


@attrs.frozen(kw_only=True)
class Bite:
    """A deed, what is seen of it without and with a fault, and by how much the fault delays the answer."""

    fault: Fault
    deed: Deed
    without: Seen
    bitten: Seen
    later_ms: int = 0
    stored_before: bool = False


HELLO = talk("say hello world")
HELLO_SAID = Seen(("hello world ", None, "whole"))
CALL = talk(f"call {call('note', text='n1')}")
CALLED = Seen(("", {"text": "n1"}, "whole"))
NOTED = Seen(("success", "noted"), ("n1",))
WRITTEN = Seen(DONE, ("new",))
FAILED = "StoreError"
BITES = (
    Bite(
        fault=faults.StorageWriteFail(on="block_write"),
        deed=write,
        without=WRITTEN,
        bitten=Seen(FAILED),
    ),
    Bite(
        fault=faults.StorageWriteFail(on="block_delete"),
        deed=erase,
        without=Seen(DONE),
        bitten=Seen(FAILED, ("old",)),
        stored_before=True,
    ),
    Bite(
        fault=faults.StorageReadFail(on="block_read"),
        deed=get,
        without=Seen("old", ("old",)),
        bitten=Seen(FAILED, ("old",)),
        stored_before=True,
    ),
    Bite(
        fault=faults.StorageReadFail(on="block_scan"),
        deed=scan,
        without=Seen(["old"], ("old",)),
        bitten=Seen(FAILED, ("old",)),
        stored_before=True,
    ),
    Bite(  # a scan that found rows reads them too
        fault=faults.StorageReadFail(on="block_read"),
        deed=scan,
        without=Seen(["old"], ("old",)),
        bitten=Seen(FAILED, ("old",)),
        stored_before=True,
    ),
    Bite(
        fault=faults.StorageLatency(on="block_read", latency_ms=1_234),
        deed=get,
        without=Seen("old", ("old",)),
        bitten=Seen("old", ("old",)),
        later_ms=1_234,
        stored_before=True,
    ),
    Bite(
        fault=faults.StorageLatency(on="commit", latency_ms=1_234),
        deed=write,
        without=WRITTEN,
        bitten=WRITTEN,
        later_ms=1_234,
    ),
    Bite(
        fault=faults.DiskFull(on="block_write"),
        deed=write,
        without=WRITTEN,
        bitten=Seen("StoreError, not retriable"),
    ),
    Bite(
        fault=faults.StoreConflict(on="commit"),
        deed=write,
        without=WRITTEN,
        bitten=Seen("Conflict"),
    ),
    Bite(
        fault=faults.CrashBeforeCommit(on="commit"),
        deed=write,
        without=WRITTEN,
        bitten=Seen(GONE, (), went_down=True),
    ),
    Bite(
        fault=faults.CrashAfterCommit(on="commit"),
        deed=write,
        without=WRITTEN,
        bitten=Seen(GONE, ("new",), went_down=True),
    ),
    Bite(
        fault=faults.LostAcknowledgement(on="commit"),
        deed=write,
        without=WRITTEN,
        bitten=Seen("StoreError, uncertain", ("new",)),
    ),
    Bite(
        fault=faults.LlmTimeout(on=MODEL_CALL, timeout_ms=60_000),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_timeout"),
        later_ms=60_000,
    ),
    Bite(
        fault=faults.LlmFailure(on=MODEL_CALL),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_error"),
    ),
    Bite(
        fault=faults.LlmRateLimited(on=MODEL_CALL),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_rate_limit"),
    ),
    Bite(
        fault=faults.LlmSlow(on=MODEL_CHUNK, latency_ms=45_000),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=HELLO_SAID,
        later_ms=45_000,
    ),
    Bite(
        fault=faults.LlmStreamCut(on=MODEL_CHUNK, after=1),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen(("hello ", None, "cut")),
    ),
    Bite(
        fault=faults.LlmMalformedToolCall(on=MODEL_CHUNK),
        deed=CALL,
        without=CALLED,
        bitten=Seen(("", "not JSON", "whole")),
    ),
    Bite(
        fault=faults.LlmContextOverflow(on=MODEL_CALL),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_context_overflow"),
    ),
    Bite(
        fault=faults.LlmEmptyReply(on=MODEL_CALL),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen(("", None, "whole")),
    ),
    Bite(
        fault=faults.LlmGarbledChunk(on=MODEL_CHUNK, after=1),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_error"),
    ),
    Bite(
        fault=faults.LlmErrorInStream(on=MODEL_CHUNK, after=1),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_error"),
    ),
    Bite(
        fault=faults.LlmHang(on=MODEL_CHUNK, after=1, hang_ms=120_000),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen("ModelError llm_timeout"),
        later_ms=120_000,
    ),
    Bite(
        fault=faults.LlmCrash(on=MODEL_CALL),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen(GONE, went_down=True),
    ),
    Bite(
        fault=faults.LlmCrash(on=MODEL_CHUNK),
        deed=HELLO,
        without=HELLO_SAID,
        bitten=Seen(GONE, went_down=True),
    ),
    Bite(
        fault=faults.ToolFail(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "the tool failed")),
    ),
    Bite(
        fault=faults.ToolRunnerFail(),
        deed=note,
        without=NOTED,
        bitten=Seen("ToolError"),
    ),
    Bite(
        fault=faults.ToolTimeout(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "timed out")),
        later_ms=round(TOOL_SECONDS * 1_000),
    ),
    Bite(
        fault=faults.ToolCrash(),
        deed=note,
        without=NOTED,
        bitten=Seen(GONE, ("n1",), went_down=True),
    ),
    Bite(
        fault=faults.SandboxBootFail(),
        deed=note,
        without=NOTED,
        bitten=Seen("ToolError"),
    ),
    Bite(
        fault=faults.SandboxExecFail(),
        deed=note,
        without=NOTED,
        bitten=Seen("ToolError"),
    ),
    Bite(
        fault=faults.SandboxPoolExhausted(),
        deed=note,
        without=NOTED,
        bitten=Seen("ToolError"),
        later_ms=round(TOOL_SECONDS * 1_000),
    ),
    Bite(
        fault=faults.SandboxCrash(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "the tool was ended: its process ended before it returned"), ("n1",)),
    ),
    Bite(
        fault=faults.SandboxExecTimeout(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "the tool was ended: it did not return in time"), ("n1",)),
        later_ms=round(TOOL_SECONDS * 1_000),
    ),
    Bite(
        fault=faults.SandboxOutOfMemory(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "MemoryError: the tool needs more memory than it may have")),
    ),
    Bite(
        fault=faults.SandboxOutputTooBig(),
        deed=note,
        without=NOTED,
        bitten=Seen(("error", "the tool returned more bytes than are allowed"), ("n1",)),
    ),
    Bite(
        fault=faults.SandboxLeakOnTerminate(latency_ms=1_234),
        deed=note,
        without=NOTED,
        bitten=NOTED,
        later_ms=1_234,
    ),
)

# What a fault spares, whatever its filter says: a deed at which it finds nothing to do.
SPARED = (
    (faults.StorageWriteFail(), get),
    (faults.StorageReadFail(on="block_*"), write),
    (faults.StorageLatency(on="block_write"), write),
    (faults.DiskFull(), erase),
    (faults.DiskFull(), scan),
    (faults.StoreConflict(), get),
    (faults.CrashBeforeCommit(), get),
    (faults.CrashAfterCommit(), get),
    (faults.LostAcknowledgement(), get),
    (faults.LlmTimeout(on=MODEL_CHUNK), HELLO),
    (faults.LlmFailure(on=MODEL_CHUNK), HELLO),
    (faults.LlmRateLimited(on=MODEL_CHUNK), HELLO),
    (faults.LlmSlow(on=MODEL_CALL), HELLO),
    (faults.LlmStreamCut(on=MODEL_CALL), HELLO),
    (faults.LlmMalformedToolCall(), HELLO),
    (faults.LlmContextOverflow(on=MODEL_CHUNK), HELLO),
    (faults.LlmEmptyReply(on=MODEL_CHUNK), HELLO),
    (faults.LlmGarbledChunk(on=MODEL_CALL), HELLO),
    (faults.LlmErrorInStream(on=MODEL_CALL), HELLO),
    (faults.LlmHang(on=MODEL_CALL), HELLO),
    (faults.ToolFail(on=SANDBOX_START), note),
    (faults.SandboxBootFail(on=TOOL_RUN), note),
    (faults.SandboxCrash(on=SANDBOX_START), note),
)


@attrs.frozen(kw_only=True)
class Run:
    """A deed in the world: what was seen, when the answer came, and what is known of the run."""

    seen: Seen
    elapsed_ns: int
    outcome: Outcome


def run(deed: Deed, *faults_: Fault, stored_before: bool = False) -> Run:
    """Do a deed in a world of its own, with these faults, and see what comes of it."""
    seen: list[tuple[Seen, int]] = []

    async def program(world: World) -> None:
        cluster = Cluster(world)
        if stored_before:
            world.faults.active = False
            await cluster.server.call(store_old)
        await cluster.server.call(is_up)
        world.faults.active = True
        began_ns = world.now_ns
        told = await answer(cluster, deed)
        elapsed_ns = world.now_ns - began_ns
        seen.append((await looked_at(cluster, told), elapsed_ns))

    scenario = Scenario(name="bite", run=program, faults=lambda swarm: faults_, operations=OPERATIONS)
    outcome = simulate(scenario, 1)
    ((what, elapsed_ns),) = seen
    return Run(seen=what, elapsed_ns=elapsed_ns, outcome=outcome)


async def store_old(kelpie: Kelpie) -> None:
    """Store what is there before the deed."""
    async with kelpie.ports.store.transaction() as tx:
        await tx.put(BLOCKS, block("old"))


async def is_up(kelpie: Kelpie) -> None:
    """Do nothing: the call comes back when the server is up."""


async def answer(cluster: Cluster, deed: Deed) -> object:
    """Return what the client is told."""
    try:
        return await cluster.server.call(deed)
    except ServerGone:
        return GONE
    except ModelError as error:
        return f"ModelError {error.kind}"
    except ToolError:
        return "ToolError"
    except StoreError as error:
        qualities = [
            name for name, has in (("not retriable", not error.retriable), ("uncertain", error.uncertain)) if has
        ]
        return ", ".join((type(error).__name__, *qualities))


async def looked_at(cluster: Cluster, told: object) -> Seen:
    """Return what is there after the deed; check that a host which went down comes back and works."""
    went_down = not cluster.server.host.alive
    cluster.world.faults.active = False
    await cluster.world.sleep(BACK_UP_SECONDS)
    assert cluster.server.host.incarnation == (2 if went_down else 1)
    await cluster.server.call(is_up)
    blocks = tuple(stored.value for stored in await records_of(cluster, BLOCKS))
    return Seen(told, (*blocks, *cluster.ledger.notes), went_down)


def test_every_kind_has_its_row():
    """No kind of fault is without a test: each class of the module has at least one row here."""
    assert {kind.__name__ for kind in KINDS} == {type(bite.fault).__name__ for bite in BITES}


@pytest.mark.parametrize("bite", BITES, ids=lambda bite: f"{bite.fault.kind}-{bite.fault.on}-{bite.deed.__name__}")
def test_fault_bites(bite):
    """With the fault the client sees what its docstring says, that much later, and the report counts it as fired."""
    calm = run(bite.deed, stored_before=bite.stored_before)
    harmed = run(bite.deed, attrs.evolve(bite.fault, max_triggers=1), stored_before=bite.stored_before)
    assert (bite.without, None) == (calm.seen, calm.outcome.finding)
    assert (bite.bitten, None) == (harmed.seen, harmed.outcome.finding)
    (report,) = harmed.outcome.faults
    assert (bite.fault.kind, 1, 0) == (report.kind, report.fired, report.never_reached)
    if bite.later_ms:
        assert bite.later_ms * NS_PER_MS == harmed.elapsed_ns - calm.elapsed_ns


@pytest.mark.parametrize(
    ("fault", "deed"), SPARED, ids=[f"{fault.kind}-{fault.on}-{deed.__name__}" for fault, deed in SPARED]
)
def test_fault_spares_what_it_says(fault, deed):
    """Where a fault cannot act it meets nothing, changes nothing, and the run says that it never fired."""
    calm, harmed = (run(deed, *given, stored_before=deed is not write) for given in ((), (fault,)))
    assert (calm.seen, calm.elapsed_ns) == (harmed.seen, harmed.elapsed_ns)
    assert (FaultReport(kind=fault.kind, matched=0, fired=0, never_reached=1),) == harmed.outcome.faults
    assert harmed.outcome.finding is not None
    assert FindingKind.FAULT_NEVER_FIRED == harmed.outcome.finding.kind


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_unknown_operation_is_refused(kind):
    """A filter that names no operation of the port is refused when the run is built, with the known ones listed."""
    with pytest.raises(UnknownOperation) as refusal:
        run(write, kind(on="mesage_write"))
    known = ", ".join(sorted(OPERATIONS[kind.port]))
    assert f"{kind.__name__}: 'mesage_write' matches no operation of {kind.port}; known are {known}" == str(
        refusal.value
    )


def test_operations_of_the_store_are_those_of_its_tables():
    """What a filter can name is what the tables declare: there is no second list."""
    assert STORE_OPERATIONS == OPERATIONS["store"]


def test_sure_fault_that_never_fired_is_a_finding():
    """A fault of probability 1 whose operation never comes fails the run, and the finding says what it met."""
    outcome = run(write, faults.StorageWriteFail(on="agent_write")).outcome
    assert outcome.finding is not None
    assert FindingKind.FAULT_NEVER_FIRED == outcome.finding.kind
    wanted = "StorageWriteFail(on=agent_write, after=0) has probability 1 and never fired; it met 0 matching operations"
    assert wanted == outcome.finding.message
