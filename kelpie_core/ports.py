"""The ports: everything that the core asks of the world, as Protocols. Async where the real world waits.

A store is serializable. A transaction sees its own writes. A put creates the record unless the transaction has read
it before: creating what exists, or changing what somebody else changed meanwhile, raises `Conflict` at the commit.
So every put carries the version it read, and a failed read can never turn into an overwrite.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.keys import Key
from kelpie_core.model.content import OpaquePart
from kelpie_core.model.message import Message
from kelpie_core.model.tool import Tool, ToolCall, ToolReturn
from kelpie_core.model.turn import Usage
from kelpie_core.records import BY_KEY, Table

R = TypeVar("R")


class Clock(Protocol):
    """Time."""

    def now(self) -> dt.datetime:
        """Return the time of day, aware, in UTC."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""


class Entropy(Protocol):
    """Randomness."""

    def bits(self, count: int) -> int:
        """Return `count` random bits as an integer."""


class Transaction(Protocol):
    """One serializable transaction. Errors: `StoreError` from any call; nothing is written before the commit."""

    async def get(self, table: Table[R], key: Key) -> R | None:
        """Return the record with that key, or None."""

    async def put(self, table: Table[R], record: R) -> None:
        """Write a record: an update if this transaction has read its key, else a creation."""

    async def delete(self, table: Table[R], key: Key) -> None:
        """Delete the record with that key; nothing happens if there is none."""

    async def scan(
        self,
        table: Table[R],
        index: str = BY_KEY,
        equals: Key = (),
        *,
        after: Key | None = None,
        limit: int,
        descending: bool = False,
    ) -> Sequence[R]:
        """Return up to `limit` records whose index entry starts with `equals`, in the order of the index.

        `after` is a position behind `equals`: only entries beyond it, in the direction of the scan, are returned. It
        may be any prefix of the rest of an entry (for MESSAGES by key with equals=(thread_id,): `(seq,)`).
        """


class Store(Protocol):
    """Where records live."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that commits when the block ends and is rolled back when it raises.

        Leaving the block raises `Conflict` if another transaction got in the way, `StoreError` if the commit failed;
        with `uncertain` set, it may have been committed all the same.
        """


REQUIRED = "required"
"""The `tool_choice` that leaves it to the model which tool it calls, but not whether."""


@attrs.frozen(kw_only=True)
class ModelRequest:
    """What the model is asked: the system prompt with the blocks, the window, the tools it may call.

    `tool_choice`: None as it likes, REQUIRED some tool, else the name of the tool that it must call.
    `parallel_tool_calls` is False where the tool rules allow one call at a time; None leaves it to the settings.
    `response_format` is in the wire's shape; it and `max_output_tokens` go before what the settings say.
    """

    agent_id: str
    model: str | None
    system: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    llm_config: JsonObject | None = None
    model_settings: JsonObject | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    max_output_tokens: int | None = None


@attrs.frozen(kw_only=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@attrs.frozen(kw_only=True)
class ReasoningDelta:
    """A piece of the model's reasoning. A signature ends a part of it: what follows is a part of its own."""

    text: str
    signature: str | None = None


@attrs.frozen(kw_only=True)
class WholePart:
    """A part that comes whole and that nobody but its provider can read, as redacted reasoning."""

    part: OpaquePart


@attrs.frozen(kw_only=True)
class ToolCallDelta:
    """A piece of the `index`-th tool call: id and name come with its first piece, arguments in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@attrs.frozen(kw_only=True)
class ModelFinished:
    """The last chunk. A stream that ends without it was cut."""

    usage: Usage = Usage()
    truncated: bool = False


ModelChunk = TextDelta | ReasoningDelta | WholePart | ToolCallDelta | ModelFinished


class LanguageModel(Protocol):
    """A language model."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelChunk]:
        """Yield the reply in chunks, `ModelFinished` last; raise ModelError."""


@attrs.define(eq=False)
class AgentView:
    """The agent as a tool sees it that asks for `agent_state`, and the blocks (by label) to which it gave a new value.

    The runner fills `edits` in when the tool has succeeded; they are stored with the tool's return, or refused there.
    """

    state: JsonObject
    edits: dict[str, str] = attrs.field(factory=dict)


class ToolRunner(Protocol):
    """Runs the tools that are not builtin."""

    async def run(
        self,
        tool: Tool,
        call: ToolCall,
        arguments: JsonObject,
        environment: Mapping[str, str],
        seconds_max: float,
        view: AgentView | None = None,
    ) -> ToolReturn:
        """Return what the tool gave, its own failures as an error return; raise ToolError if the runner failed."""


@attrs.frozen(kw_only=True)
class Ports:
    """The far sides that one Kelpie uses."""

    clock: Clock
    entropy: Entropy
    store: Store
    model: LanguageModel
    tools: ToolRunner
