"""The ports, observed: what is told of turns, and that nothing is changed by it."""

import asyncio
import contextvars
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import attrs
import pytest
import structlog

from kelpie_core.errors import Conflict, ModelError, StoreError, ToolError, TurnFailed
from kelpie_core.kelpie import Kelpie
from kelpie_core.memory_store import MemoryStore
from kelpie_core.model.agent import Agent
from kelpie_core.model.content import TextPart
from kelpie_core.model.tool import ToolReturn, ToolStatus
from kelpie_core.ports import ModelChunk, ModelFinished, ModelRequest, Ports, TextDelta, ToolRunner
from kelpie_core.records import AGENTS
from kelpie_core.service.drafts import AgentDraft, MessageDraft
from kelpie_server.observed import OPEN_TURNS_MAX, ObservedStore, Telemetry, observed
from tests.server.far_sides import BreakableStore, CountingEntropy, ScriptedModel, says
from tests.server.manual_clock import ManualClock
from tests.server.test_metrics import values
from tests.server.test_spans_otel import collected, finished
from tests.server.world.sandbox.running import CALL, tool

HELLO = MessageDraft(content=(TextPart(text="hello"),))


class GivenTools:
    """A runner that gives what it was given, or raises it."""

    def __init__(self, gives: ToolReturn | Exception) -> None:
        self._gives = gives

    async def run(self, tool, call, arguments, environment, seconds_max, view=None):
        """Give it."""
        if isinstance(self._gives, Exception):
            raise self._gives
        return self._gives


def ports_of(model: ScriptedModel, tools: object = None) -> Ports:
    """Return ports with a model of the test."""
    return Ports(
        clock=ManualClock(),
        entropy=CountingEntropy(),
        store=BreakableStore(),
        model=model,
        tools=cast(ToolRunner, tools),
    )


def test_a_turn_is_told():
    """A turn that went well is one turn, one run, one step, one call of the model, with what it used."""

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        kelpie = Kelpie(observed(ports_of(ScriptedModel(says("hi"))), telemetry))
        agent = await kelpie.agents.create(AgentDraft(name="Ada", model="openai/gpt"))
        await kelpie.messages.send(agent.id, [HELLO])
        return values(telemetry.metrics)

    found = asyncio.run(test())
    expected = {
        ("kelpie_turns_started_total", ""): 1,
        ("kelpie_runs_ended_total", "completed,end_turn"): 1,
        ("kelpie_steps_total", ""): 1,
        ("kelpie_tokens_total", "prompt"): 2,
        ("kelpie_tokens_total", "completion"): 1,
        ("kelpie_model_calls_total", "ok,openai"): 1,
    }
    assert expected == {key: found[key] for key in expected}


def test_a_failed_turn_is_told():
    """A model's failure is told by its kind, and the run as failed."""

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        failure = ModelError("no", kind="llm_bad_request", retriable=False)
        kelpie = Kelpie(observed(ports_of(ScriptedModel((failure,))), telemetry))
        agent = await kelpie.agents.create(AgentDraft(name="Ada"))
        with pytest.raises(TurnFailed):
            await kelpie.messages.send(agent.id, [HELLO])
        return values(telemetry.metrics)

    found = asyncio.run(test())
    assert 1 == found["kelpie_model_calls_total", "llm_bad_request,none"]
    assert 1 == found["kelpie_runs_ended_total", "failed,llm_api_error"]


def test_spans_of_a_turn():
    """The model's call and the step are under the turn, the turn under what asked for it; all bear their ids."""
    spans, exporter = collected()

    async def test() -> str:
        kelpie = Kelpie(observed(ports_of(ScriptedModel(says("hi"))), Telemetry(spans=spans)))
        agent = await kelpie.agents.create(AgentDraft(name="Ada"))
        request = spans.start("request", {}, lasting=True)
        result = await kelpie.messages.send(agent.id, [HELLO])
        request.end()
        assert result.run.id == structlog.contextvars.get_contextvars()["run_id"]
        return result.run.id

    run_id = contextvars.copy_context().run(asyncio.run, test())
    found = finished(exporter)
    assert {"request", "turn", "step", "model_call"} == set(found)
    above = {name: found[name].parent.span_id for name in ("turn", "step", "model_call")}
    turn = found["turn"].context.span_id
    assert {"turn": found["request"].context.span_id, "step": turn, "model_call": turn} == above
    assert [run_id, run_id] == [found[name].attributes["run.id"] for name in ("turn", "step")]
    assert "completed" == found["turn"].attributes["run.status"]


class SlowModel:
    """A model that takes five seconds to answer."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield a reply."""
        await self._clock.advance(5)
        yield TextDelta(text="hi")
        yield ModelFinished()


def test_a_step_s_span_begins_with_its_model_call():
    """The span of a step reaches back to when its run was stored before: that is when the model was asked."""
    spans, exporter = collected()

    async def test() -> int:
        ports = ports_of(ScriptedModel())
        slow = attrs.evolve(ports, model=SlowModel(cast(ManualClock, ports.clock)))
        kelpie = Kelpie(observed(slow, Telemetry(spans=spans)))
        agent = await kelpie.agents.create(AgentDraft(name="Ada"))
        result = await kelpie.messages.send(agent.id, [HELLO])
        assert dt.timedelta(seconds=5) == result.messages[0].created_at - result.run.created_at
        return int(result.run.created_at.timestamp() * 1e9)

    began_ns = contextvars.copy_context().run(asyncio.run, test())
    assert began_ns == finished(exporter)["step"].start_time


def test_what_another_drives_is_no_turn_of_ours():
    """A wish to cancel a run that another process drives is stored here, but no turn began here by that."""

    async def test() -> dict[tuple[str, str], float]:
        go, telemetry = asyncio.Event(), Telemetry()
        ports = ports_of(ScriptedModel(says("hi"), go=go))
        driving = Kelpie(ports, grace_seconds=0.01)
        agent = await driving.agents.create(AgentDraft(name="Ada"))
        await anext(driving.messages.stream(agent.id, [HELLO]))
        await Kelpie(observed(ports, telemetry)).messages.cancel(agent.id)
        await driving.aclose()
        return values(telemetry.metrics)

    assert 0 == asyncio.run(test())["kelpie_turns_started_total", ""]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Conflict("c"), "conflict"),
        (StoreError("s"), "error"),
        (StoreError("s", uncertain=True), "uncertain"),
    ],
)
def test_transactions_by_outcome(error, outcome):
    """A commit that fails is told by how it fails, and what it was to write is not."""

    class Failing(MemoryStore):
        @asynccontextmanager
        async def transaction(self):
            async with super().transaction() as tx:
                yield tx
            raise error

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        store = ObservedStore(Failing(), telemetry, ManualClock())
        with pytest.raises(StoreError):
            async with store.transaction() as tx:
                await tx.get(AGENTS, ("a",))
        return values(telemetry.metrics)

    assert 1 == asyncio.run(test())["kelpie_store_transactions_total", outcome]


def test_a_transaction_that_is_given_up():
    """A block that raises is rolled back, and its error goes on."""

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        store = ObservedStore(MemoryStore(), telemetry, ManualClock())
        with pytest.raises(KeyError):
            async with store.transaction():
                raise KeyError("x")
        return values(telemetry.metrics)

    assert 1 == asyncio.run(test())["kelpie_store_transactions_total", "rolled_back"]


def test_the_transaction_is_the_store_s():
    """What is put can be got, scanned and deleted as in the store itself."""

    async def test() -> list[object]:
        kelpie = Kelpie(observed(ports_of(ScriptedModel()), Telemetry()))
        agent = await kelpie.agents.create(AgentDraft(name="Ada"))
        found: list[object] = [len(await kelpie.agents.list())]
        async with kelpie.ports.store.transaction() as tx:
            stored = cast(Agent, await tx.get(AGENTS, (agent.id,)))
            await tx.put(AGENTS, attrs.evolve(stored, name="Bo"))
            found.append([one.name for one in await tx.scan(AGENTS, limit=5, descending=True)])
        async with kelpie.ports.store.transaction() as tx:
            await tx.get(AGENTS, (agent.id,))
            await tx.delete(AGENTS, (agent.id,))
        return [*found, len(await kelpie.agents.list())]

    assert [1, ["Bo"], 0] == asyncio.run(test())


def test_a_store_that_checks_itself_is_asked():
    """A check goes through to a store that knows how; one that does not has nothing to say."""
    asked = []

    class Checking(MemoryStore):
        async def check(self) -> None:
            asked.append("check")

    async def test() -> None:
        for store in (Checking(), MemoryStore()):
            await ObservedStore(store, Telemetry(), ManualClock()).check()

    asyncio.run(test())
    assert ["check"] == asked


@pytest.mark.parametrize(
    ("gives", "outcome"),
    [
        (ToolReturn(tool_call_id="c", status=ToolStatus.SUCCESS, text="x"), "success"),
        (ToolReturn(tool_call_id="c", status=ToolStatus.ERROR, text="x"), "error"),
        (ToolError("no"), "failed"),
    ],
)
def test_calls_of_tools(gives, outcome):
    """A call is told by what came of it, and what it gave goes on unchanged."""

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        tools = observed(ports_of(ScriptedModel(), GivenTools(gives)), telemetry).tools
        if isinstance(gives, Exception):
            with pytest.raises(ToolError):
                await tools.run(tool("x"), CALL, {}, {}, 1.0)
        else:
            assert gives == await tools.run(tool("x"), CALL, {}, {}, 1.0)
        return values(telemetry.metrics)

    assert 1 == asyncio.run(test())["kelpie_tool_calls_total", f"custom,{outcome}"]


def test_a_reply_that_is_cut_is_told():
    """A reply that nobody hears to its end counts as cut."""

    async def test() -> dict[tuple[str, str], float]:
        telemetry = Telemetry()
        model = observed(ports_of(ScriptedModel(says("hi"))), telemetry).model
        request = ModelRequest(agent_id="a", model="p/m", system="", messages=(), tools=())
        chunks = model.stream(request)
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
        return values(telemetry.metrics)

    assert 1 == asyncio.run(test())["kelpie_model_calls_total", "cut,p"]


def test_open_turns_are_bounded(monkeypatch):
    """Turns whose end nobody here sees do not pile up: the oldest is given up."""
    monkeypatch.setattr("kelpie_server.observed.OPEN_TURNS_MAX", 1)
    spans, exporter = collected()

    async def test() -> None:
        go = asyncio.Event()
        kelpie = Kelpie(observed(ports_of(ScriptedModel(go=go)), Telemetry(spans=spans)), grace_seconds=0.01)
        for name in ("Ada", "Bo"):
            agent = await kelpie.agents.create(AgentDraft(name=name))
            await anext(kelpie.messages.stream(agent.id, [HELLO]))
        await kelpie.aclose()

    contextvars.copy_context().run(asyncio.run, test())
    assert OPEN_TURNS_MAX > 1
    assert ["lost"] == [span.status.description for span in exporter.get_finished_spans() if span.name == "turn"]
