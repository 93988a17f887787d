"""What can go wrong around Kelpie, per port, and the operations at which it can.

store   each operation of `kelpie_core.records` (`message_write`, `agent_read`, ..., `commit`)
model   `model_call` at the start of a reply, `model_chunk` at each piece of it
tool    `tool_run`
"""

from collections.abc import Mapping

import attrs

from kelpie_core.records import STORE_OPERATIONS
from kelpie_sim.faults import Fault

STORE, MODEL, TOOL = "store", "model", "tool"
MODEL_CALL, MODEL_CHUNK, TOOL_RUN = "model_call", "model_chunk", "tool_run"
OPERATIONS: Mapping[str, frozenset[str]] = {
    STORE: STORE_OPERATIONS,
    MODEL: frozenset((MODEL_CALL, MODEL_CHUNK)),
    TOOL: frozenset((TOOL_RUN,)),
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
class LlmCrash(Fault):
    """The host loses power while it waits for the model. Acts on `model_call` and `model_chunk`."""

    port = MODEL


@attrs.frozen(kw_only=True)
class ToolFail(Fault):
    """The tool fails by itself: an error return."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolRunnerFail(Fault):
    """The runner fails: the tool never ran."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolTimeout(Fault):
    """The tool takes all the time it may and is ended."""

    port = TOOL


@attrs.frozen(kw_only=True)
class ToolCrash(Fault):
    """The host loses power after the tool took effect, before its return is stored."""

    port = TOOL
