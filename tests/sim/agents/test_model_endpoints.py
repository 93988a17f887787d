"""The scripted providers, asked by the production adapters: what they say, and how each fault bites."""

import attrs
import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.content import TextPart
from kelpie_core.ports import ModelFinished, ModelRequest, ReasoningDelta, TextDelta, ToolCallDelta
from kelpie_server.config import Config
from kelpie_server.world.language_model.models import Models
from kelpie_sim.agents import faults as f
from kelpie_sim.agents.model_endpoints import RETRY_AFTER_SECONDS, ChatCompletions
from kelpie_sim.agents.scenarios.model_endpoint import (
    ANTHROPIC,
    HANDLES,
    KEY,
    LOCAL,
    OPENAI,
    THINKING,
    Clients,
    serve_models,
)
from tests.sim.agents.worlds import AGENT, finding_of, message, result_of, returned, said

PROVIDERS = (LOCAL, OPENAI, ANTHROPIC)
FIDELITIES = ("message", "tcp")
HELLO = "say hello world"
CALL = 'call look {"text": "a"}'


def user(script):
    """Return the user's message that bears a script."""
    return message(0, content=(TextPart(text=script),))


def asking(provider, script, *, fidelity="message", after=(), **fields):
    """Return a program that asks a provider: what it says, thinks and calls, how it ends, and when."""

    async def program(world):
        services = await serve_models(world, fidelity)
        config = Config(
            ollama_base_url=services[LOCAL].base_url,
            openai_base_url=f"{services[OPENAI].base_url}/v1",
            openai_api_key=KEY,
            anthropic_base_url=services[ANTHROPIC].base_url,
            anthropic_api_key=KEY,
            model_first_seconds=30,
            model_next_seconds=20,
        )
        models = Models(config, client_for=Clients(services).of)
        messages = (user(script), *after)
        request = ModelRequest(
            agent_id=AGENT, model=HANDLES[provider], system="Be.", messages=messages, tools=(), **fields
        )
        before_ns, told = world.now_ns, Told()
        told.known = await models.known(HANDLES[provider]), await models.known(f"{HANDLES[provider]}-other")
        try:
            async for chunk in models.stream(request):
                told.hear(chunk)
        except ModelError as error:
            told.error = (error.kind, error.retriable, error.retry_after_seconds)
        told.seconds = (world.now_ns - before_ns) / 1e9
        world.faults.active = False
        for service in services.values():
            await service.stop()
        return told

    return program


@attrs.define
class Told:
    """What a provider told."""

    text: str = ""
    thought: list[tuple[str, str | None]] = attrs.field(factory=list)
    calls: str = ""
    ended: bool = False
    error: tuple[str, bool, float | None] | None = None
    seconds: float = 0
    known: tuple[bool, bool] = (False, False)

    def hear(self, chunk):
        """Take a chunk in."""
        match chunk:
            case TextDelta(text=text):
                self.text += text
            case ReasoningDelta(text=text, signature=signature):
                self.thought.append((text, signature))
            case ToolCallDelta():
                self.calls += (chunk.name or "") + chunk.arguments
            case ModelFinished():
                self.ended = True


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_scripts_are_followed(provider, fidelity):
    """Words and calls of a script come through the network as from the scripted model."""
    said = result_of(asking(provider, HELLO, fidelity=fidelity))
    assert ("hello world ", "", True, None) == (said.text, said.calls, said.ended, said.error)
    called = result_of(asking(provider, CALL, fidelity=fidelity))
    assert ("", 'look{"text": "a"}', True, None) == (called.text, called.calls, called.ended, called.error)
    assert (True, False) == said.known


@pytest.mark.parametrize("provider", PROVIDERS)
def test_second_step(provider):
    """A provider finds its line by counting its own replies since the user spoke."""
    step = (said(1, "c1"), returned(2, "c1"))
    assert "two " == result_of(asking(provider, f"{CALL}\nsay two", after=step)).text


def test_thoughts():
    """Asked to think, Anthropic thinks before its calls, and signs."""
    told = result_of(asking(ANTHROPIC, CALL, model_settings=THINKING))
    assert [("about 1 messages", None), ("", "signed: about 1 messages")] == told.thought
    assert 'look{"text": "a"}' == told.calls


CUT = ("llm_error", True, None)
TIMEOUT = ("llm_timeout", True, None)
BITES = [
    (f.LlmTimeout(on=f.MODEL_CALL, timeout_ms=20_000), HELLO, "", TIMEOUT, 20),
    (f.LlmTimeout(on=f.MODEL_CALL, timeout_ms=60_000), HELLO, "", TIMEOUT, 30),
    (f.LlmFailure(on=f.MODEL_CALL), HELLO, "", CUT, 0),
    (f.LlmRateLimited(on=f.MODEL_CALL), HELLO, "", ("llm_rate_limit", True, float(RETRY_AFTER_SECONDS)), 0),
    (f.LlmContextOverflow(on=f.MODEL_CALL), HELLO, "", ("llm_context_overflow", False, None), 0),
    (f.LlmEmptyReply(on=f.MODEL_CALL), HELLO, "", None, 0),
    (f.LlmSlow(on=f.MODEL_CHUNK, latency_ms=15_000), HELLO, "hello world ", None, 15),
    (f.LlmSlow(on=f.MODEL_CHUNK, after=1, latency_ms=45_000), HELLO, "hello ", TIMEOUT, 20),
    (f.LlmStreamCut(on=f.MODEL_CHUNK, after=1), HELLO, "hello ", CUT, 0),
    (f.LlmGarbledChunk(on=f.MODEL_CHUNK, after=1), HELLO, "hello ", CUT, 0),
    (f.LlmErrorInStream(on=f.MODEL_CHUNK, after=1), HELLO, "hello ", CUT, 0),
    (f.LlmHang(on=f.MODEL_CHUNK, after=1, hang_ms=60_000), HELLO, "hello ", TIMEOUT, 20),
]


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "script", "text", "error", "seconds"), BITES, ids=[f"{row[0].kind}-{row[4]}" for row in BITES]
)
def test_faults_bite(fault, script, text, error, seconds, provider, fidelity):
    """Each fault is met by each adapter as what it is, at both fidelities, and none waits for longer than it may."""
    told = result_of(asking(provider, script, fidelity=fidelity), attrs.evolve(fault, max_triggers=1))
    assert (text, error, error is None) == (told.text, told.error, told.ended)
    assert seconds == round(told.seconds - 0.4)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_malformed_calls(provider):
    """Arguments that are no JSON come as the provider sent them."""
    fault = f.LlmMalformedToolCall(on=f.MODEL_CHUNK, max_triggers=1)
    assert 'look{{"text": "a"}' == result_of(asking(provider, CALL), fault).calls


def test_unsound_request_is_a_finding(monkeypatch):
    """A request that no provider would take fails the run."""
    check = ChatCompletions.script_in

    def unsound(self, body):
        return check(self, {**body, "messages": []})

    monkeypatch.setattr(ChatCompletions, "script_in", unsound)
    assert "ollama: no stream, or no messages" == finding_of(asking(LOCAL, HELLO)).message
