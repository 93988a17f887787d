"""The stored tables as data: the only list of them.

Each store derives its schema from this list, and each call on a port its operation name (`operation_of`), so that a
fault's filter cannot name an operation that does not exist. A record is a frozen value of `kelpie_core.model`.

An index is an ordered list of entries `(equals..., order..., key...)`: a scan fixes the `equals` part and walks on in
the order of the rest. `each` names a tuple-valued attribute that gives one entry per element, as the last of `equals`.
The implicit index "key" walks the table in the order of its key.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Generic, TypeVar, cast

import attrs
import msgspec

from kelpie_core.keys import Key, encode_key
from kelpie_core.model.agent import Agent, AgentHead
from kelpie_core.model.block import Block
from kelpie_core.model.content import ContentPart, part_of
from kelpie_core.model.conversation import Conversation
from kelpie_core.model.departure import Departure
from kelpie_core.model.event_log import EventChunk, EventLog
from kelpie_core.model.message import Message
from kelpie_core.model.run import Run
from kelpie_core.model.step import Step
from kelpie_core.model.sweep import Sweep
from kelpie_core.model.tool import Tool

R = TypeVar("R")
BY_KEY = "key"


@attrs.frozen(kw_only=True)
class Index:
    """An index: the attributes that a scan fixes, the attributes it is ordered by."""

    name: str
    equals: tuple[str, ...] = ()
    each: str | None = None
    order: tuple[str, ...] = ()


class Access(StrEnum):
    """What a port call does to a table: the second half of its operation name."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    SCAN = "scan"


def _decode_hook(wanted: type, value: object) -> object:
    if wanted is ContentPart:
        return part_of(value)
    raise NotImplementedError(wanted.__name__)


@attrs.frozen(kw_only=True, eq=False)
class Table(Generic[R]):
    """A table: the class of its records, the attributes that make the key, its indexes, the version of its codec."""

    name: str
    noun: str
    kind: type[R]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    codec_version: int = 1
    _decoder: msgspec.json.Decoder[R] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(self.kind, dec_hook=_decode_hook))

    def key_of(self, record: R) -> bytes:
        """Return the encoded key of a record."""
        return encode_key(_attributes(record, self.key))

    def encode(self, record: R) -> bytes:
        """Return the stored bytes of a record."""
        return msgspec.json.encode(record)

    def decode(self, body: bytes) -> R:
        """Return the record that stored bytes hold; raise msgspec.ValidationError if they are corrupt."""
        return self._decoder.decode(body)

    def index(self, name: str) -> Index:
        """Return the index of that name, "key" included; raise KeyError for an unknown one."""
        if name == BY_KEY:
            return Index(name=BY_KEY, order=self.key)
        for index in self.indexes:
            if index.name == name:
                return index
        raise KeyError(f"table {self.name} has no index {name!r}")

    def entries_of(self, index: Index, record: R) -> Iterator[bytes]:
        """Yield the encoded entries of a record in an index: none, one, or one per element of `each`."""
        if index.name == BY_KEY:
            yield self.key_of(record)
            return
        fixed = _attributes(record, index.equals)
        rest = _attributes(record, (*index.order, *self.key))
        if index.each is None:
            yield encode_key((*fixed, *rest))
            return
        for element in dict.fromkeys(getattr(record, index.each)):
            yield encode_key((*fixed, element, *rest))


def _attributes(record: object, names: tuple[str, ...]) -> Key:
    return cast("Key", tuple(getattr(record, name) for name in names))


_BY_ORGANIZATION = Index(name="by_organization", equals=("organization_id",), order=("created_at",))

AGENTS = Table(
    name="agents",
    noun="agent",
    kind=Agent,
    key=("id",),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_update", equals=("organization_id",), order=("updated_at",)),
        Index(name="by_name", equals=("organization_id", "name"), order=("created_at",)),
        Index(name="by_tag", equals=("organization_id",), each="tags", order=("created_at",)),
        Index(name="by_block", each="block_ids", order=("created_at",)),
        Index(name="by_tool", each="tool_ids", order=("created_at",)),
    ),
)
HEADS = Table(
    name="heads",
    noun="head",
    kind=AgentHead,
    key=("thread_id",),
    indexes=(Index(name="by_last_run", equals=("organization_id",), order=("ran_at",)),),
)
BLOCKS = Table(
    name="blocks",
    noun="block",
    kind=Block,
    key=("id",),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_label", equals=("organization_id", "label"), order=("created_at",)),
        Index(name="by_tag", equals=("organization_id",), each="tags", order=("created_at",)),
    ),
)
TOOLS = Table(
    name="tools",
    noun="tool",
    kind=Tool,
    key=("id",),
    indexes=(_BY_ORGANIZATION, Index(name="by_name", equals=("organization_id", "name"))),
)
MESSAGES = Table(
    name="messages",
    noun="message",
    kind=Message,
    key=("thread_id", "seq"),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_agent", equals=("agent_id",), order=("created_at",)),
        Index(name="by_id", equals=("id",)),
        Index(name="by_otid", equals=("thread_id", "otid")),
        Index(name="by_run", equals=("run_id",), order=("seq",)),
    ),
)
RUNS = Table(
    name="runs",
    noun="run",
    kind=Run,
    key=("id",),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_agent", equals=("agent_id",), order=("created_at",)),
        Index(name="by_thread", equals=("thread_id",), order=("created_at",)),
        Index(name="by_status", equals=("status",), order=("created_at",)),
        Index(name="by_state", equals=("organization_id", "status"), order=("created_at",)),
    ),
)
STEPS = Table(
    name="steps",
    noun="step",
    kind=Step,
    key=("id",),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_run", equals=("run_id",), order=("number",)),
        Index(name="by_agent", equals=("agent_id",), order=("created_at",)),
    ),
)
CONVERSATIONS = Table(
    name="conversations",
    noun="conversation",
    kind=Conversation,
    key=("id",),
    indexes=(
        _BY_ORGANIZATION,
        Index(name="by_organization_message", equals=("organization_id",), order=("messaged_at",)),
        Index(name="by_organization_run", equals=("organization_id",), order=("ran_at",)),
        Index(name="by_agent", equals=("agent_id",), order=("created_at",)),
        Index(name="by_agent_message", equals=("agent_id",), order=("messaged_at",)),
        Index(name="by_agent_run", equals=("agent_id",), order=("ran_at",)),
    ),
)
_BY_DUE = Index(name="by_due", order=("due_at",))
EVENT_LOGS = Table(
    name="event_logs",
    noun="event_log",
    kind=EventLog,
    key=("run_id",),
    indexes=(
        Index(name="by_agent", equals=("agent_id",)),
        Index(name="by_thread", equals=("thread_id",)),
        Index(name="by_state", equals=("state",), order=("since",)),
    ),
)
EVENT_CHUNKS = Table(name="event_chunks", noun="event_chunk", kind=EventChunk, key=("run_id", "seq_last"))
DEPARTURES = Table(name="departures", noun="departure", kind=Departure, key=("id",), indexes=(_BY_DUE,))
SWEEPS = Table(name="sweeps", noun="sweep", kind=Sweep, key=("id",), indexes=(_BY_DUE,))

TABLES: tuple[Table[object], ...] = cast(
    tuple[Table[object], ...],
    (AGENTS, HEADS, BLOCKS, TOOLS, MESSAGES, RUNS, STEPS, CONVERSATIONS, EVENT_LOGS, EVENT_CHUNKS, DEPARTURES, SWEEPS),
)
COMMIT = "commit"


def operation_of(table: Table[R], access: Access) -> str:
    """Return the operation name of a port call, as `message_write`."""
    return f"{table.noun}_{access}"


STORE_OPERATIONS = frozenset((COMMIT, *(operation_of(table, access) for table in TABLES for access in Access)))
