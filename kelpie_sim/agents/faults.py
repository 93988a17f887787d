"""What can go wrong around Kelpie, per port, and the operations at which it can.

store   each operation of `kelpie_core.records` (`message_write`, `agent_read`, ..., `commit`)
model   `model_call` at the start of a reply, `model_chunk` at each piece of it
tool    `sandbox_start` when a sandbox is made for a call, `tool_run` when the tool runs in it
"""

from collections.abc import Mapping

import attrs

from kelpie_core.records import STORE_OPERATIONS
from kelpie_sim.faults import Fault

STORE, MODEL, TOOL = "store", "model", "tool"
MODEL_CALL, MODEL_CHUNK = "model_call", "model_chunk"
SANDBOX_START, TOOL_RUN = "sandbox_start", "tool_run"
OPERATIONS: Mapping[str, frozenset[str]] = {
    STORE: STORE_OPERATIONS,
    MODEL: frozenset((MODEL_CALL, MODEL_CHUNK)),
    TOOL: frozenset((SANDBOX_START, TOOL_RUN)),
}


@attrs.frozen(kw_only=True)
class StorageWriteFail(Fault):
    """A write fails, and with it the whole commit. Acts on `*_write` and `*_delete`."""

    port = STORE


@attrs.frozen(kw_only=True)
class StorageReadFail(Fault):
    """A read fails. Acts on `*_read` and `*_scan`; a scan that found rows reads them too."""

    port = STORE


@attrs.frozen(kw_only=True)
class StorageLatency(Fault):
    """An operation takes `latency_ms` longer. Acts on `*_read`, `*_scan` and `commit`: a write waits for its commit."""

    port = STORE
    latency_ms: int = 1_000


@attrs.frozen(kw_only=True)
class DiskFull(Fault):
    """There is no room for the write; trying again at once is useless. Acts on `*_write`."""

    port = STORE


@attrs.frozen(kw_only=True)
class StoreConflict(Fault):
    """The store finds a conflict where there is none, as real ones may. Acts on `commit`."""

    port = STORE


@attrs.frozen(kw_only=True)
class CrashBeforeCommit(Fault):
    """The host loses power right before its commit. Acts on `commit`."""

    port = STORE


@attrs.frozen(kw_only=True)
class CrashAfterCommit(Fault):
    """The host loses power right after its commit, before it hears of it. Acts on `commit`."""

    port = STORE


@attrs.frozen(kw_only=True)
class LostAcknowledgement(Fault):
    """The commit goes through, and its caller is told that nobody knows. Acts on `commit`."""

    port = STORE


@attrs.frozen(kw_only=True)
class LlmTimeout(Fault):
    """The model does not answer for `timeout_ms`, then the call fails. Acts on `model_call`."""

    port = MODEL
    timeout_ms: int = 60_000


@attrs.frozen(kw_only=True)
class LlmFailure(Fault):
    """The provider answers with its own failure. Acts on `model_call`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmRateLimited(Fault):
    """The provider refuses for now. Acts on `model_call`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmSlow(Fault):
    """The model takes `latency_ms` longer over its next piece. Acts on `model_chunk`."""

    port = MODEL
    latency_ms: int = 45_000


@attrs.frozen(kw_only=True)
class LlmStreamCut(Fault):
    """The stream ends in mid-reply, without an error. Acts on `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmMalformedToolCall(Fault):
    """The arguments of a tool call are not JSON. Acts on `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmContextOverflow(Fault):
    """The provider finds the window too long for the model. Acts on `model_call`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmEmptyReply(Fault):
    """The model ends its reply without having said anything. Acts on `model_call`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmGarbledChunk(Fault):
    """A piece of the reply cannot be read. Acts on `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmErrorInStream(Fault):
    """The provider gives up in mid-reply, and says so in a stream that began well. Acts on `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class LlmHang(Fault):
    """The model goes silent in mid-reply for `hang_ms`; then the call fails. Acts on `model_chunk`."""

    port = MODEL
    hang_ms: int = 120_000


@attrs.frozen(kw_only=True)
class LlmCrash(Fault):
    """The host loses power while it waits for the model. Acts on `model_call` and `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class ToolFail(Fault):
    """The tool fails by itself: an error return. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolRunnerFail(Fault):
    """The runner fails: the tool never ran. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolTimeout(Fault):
    """The tool takes all the time it may and is ended. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolCrash(Fault):
    """The host loses power after the tool took effect, before its return is stored. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxBootFail(Fault):
    """No process can be started for the tool: it never ran. Acts on `sandbox_start`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxExecFail(Fault):
    """The process could not be shut in, and so nothing ran in it; trying again is useless. Acts on `sandbox_start`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxPoolExhausted(Fault):
    """No sandbox is free for as long as the call may take: the tool never ran. Acts on `sandbox_start`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxCrash(Fault):
    """The sandbox dies in mid-call, when the tool has taken effect and returned nothing. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxExecTimeout(Fault):
    """The tool takes effect, does not return, and is killed at its deadline. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxOutOfMemory(Fault):
    """The tool wants more memory than it may have, before it takes effect. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxOutputTooBig(Fault):
    """The tool takes effect and returns more than anybody takes. Acts on `tool_run`."""

    port = TOOL


@attrs.frozen(kw_only=True)
class SandboxLeakOnTerminate(Fault):
    """The tool takes `latency_ms`; given up meanwhile, it goes on unseen and takes effect. Acts on `tool_run`."""

    port = TOOL
    latency_ms: int = 60_000
