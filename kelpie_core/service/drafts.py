"""What callers hand in: drafts of new things, changes of existing ones, pages, options. Frozen values, unchecked."""

import datetime as dt
from typing import Final, TypeVar

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import BLOCK_LIMIT_CHARS_DEFAULT, PAGE_ITEMS_DEFAULT, TOOL_RETURN_CHARS_DEFAULT
from kelpie_core.model.agent import Agent, AgentType, TurnLimits
from kelpie_core.model.block import Block
from kelpie_core.model.content import ContentPart
from kelpie_core.model.message import Role
from kelpie_core.model.tool import ClientSkill, ClientTool, ToolType

T = TypeVar("T")


class Unset:
    """The type of UNSET."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@attrs.frozen(kw_only=True)
class BlockDraft:
    """A memory block to be."""

    label: str
    value: str = ""
    limit: int = BLOCK_LIMIT_CHARS_DEFAULT
    description: str | None = None
    read_only: bool = False
    hidden: bool | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = attrs.field(factory=dict)
    extra: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class BlockChanges:
    """Changes of a memory block; what is UNSET stays. `extra` is laid over what there is."""

    label: str | Unset = UNSET
    value: str | Unset = UNSET
    limit: int | Unset = UNSET
    description: str | Unset | None = UNSET
    read_only: bool | Unset = UNSET
    hidden: bool | Unset | None = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    metadata: JsonObject | Unset = UNSET
    extra: JsonObject | Unset = UNSET


@attrs.frozen(kw_only=True)
class ToolDraft:
    """A tool to be."""

    name: str
    tool_type: ToolType = ToolType.CUSTOM
    description: str | None = None
    source_type: str | None = "python"
    source_code: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    tags: tuple[str, ...] = ()
    return_char_limit: int = TOOL_RETURN_CHARS_DEFAULT
    default_requires_approval: bool | None = None
    idempotent: bool = False
    metadata: JsonObject = attrs.field(factory=dict)
    extra: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ToolChanges:
    """Changes of a tool; what is UNSET stays."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    source_type: str | Unset | None = UNSET
    source_code: str | Unset | None = UNSET
    json_schema: JsonObject | Unset | None = UNSET
    args_json_schema: JsonObject | Unset | None = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    return_char_limit: int | Unset = UNSET
    default_requires_approval: bool | Unset | None = UNSET
    idempotent: bool | Unset = UNSET
    metadata: JsonObject | Unset = UNSET
    extra: JsonObject | Unset = UNSET


@attrs.frozen(kw_only=True)
class AgentDraft:
    """An agent to be. `blocks` are created with it; `tool_names` are looked up in the organization.

    `initial_messages` follow the system message on its default thread.
    """

    name: str
    agent_type: AgentType = AgentType.LETTA_V1
    system: str = ""
    description: str | None = None
    model: str | None = None
    embedding: str | None = None
    llm_config: JsonObject | None = None
    embedding_config: JsonObject | None = None
    model_settings: JsonObject | None = None
    blocks: tuple[BlockDraft, ...] = ()
    block_ids: tuple[str, ...] = ()
    tool_ids: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()
    tool_rules: tuple[JsonObject, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: JsonObject = attrs.field(factory=dict)
    secrets: dict[str, str] = attrs.field(factory=dict, repr=False)
    timezone: str | None = None
    message_buffer_autoclear: bool = False
    hidden: bool | None = None
    limits: TurnLimits = TurnLimits()
    initial_messages: "tuple[MessageDraft, ...]" = ()
    extra: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class AgentChanges:
    """Changes of an agent; what is UNSET stays. `extra` and `settings` are laid over what there is.

    `settings` are single fields of `model_settings`, which as a whole are replaced.
    """

    name: str | Unset = UNSET
    system: str | Unset = UNSET
    description: str | Unset | None = UNSET
    model: str | Unset | None = UNSET
    embedding: str | Unset | None = UNSET
    llm_config: JsonObject | Unset | None = UNSET
    embedding_config: JsonObject | Unset | None = UNSET
    model_settings: JsonObject | Unset | None = UNSET
    block_ids: tuple[str, ...] | Unset = UNSET
    tool_ids: tuple[str, ...] | Unset = UNSET
    tool_rules: tuple[JsonObject, ...] | Unset = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    metadata: JsonObject | Unset = UNSET
    secrets: dict[str, str] | Unset = attrs.field(default=UNSET, repr=False)
    timezone: str | Unset | None = UNSET
    message_buffer_autoclear: bool | Unset = UNSET
    hidden: bool | Unset | None = UNSET
    limits: TurnLimits | Unset = UNSET
    settings: JsonObject | Unset = UNSET
    extra: JsonObject | Unset = UNSET


@attrs.frozen(kw_only=True)
class ConversationDraft:
    """A conversation to be."""

    summary: str | None = None
    description: str | None = None
    model: str | None = None
    model_settings: JsonObject | None = None
    context_window_limit: int | None = None
    hidden: bool = False


@attrs.frozen(kw_only=True)
class ConversationChanges:
    """Changes of a conversation; what is UNSET stays."""

    summary: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    model: str | Unset | None = UNSET
    model_settings: JsonObject | Unset | None = UNSET
    context_window_limit: int | Unset | None = UNSET
    archived_at: dt.datetime | Unset | None = UNSET
    last_message_at: dt.datetime | Unset | None = UNSET


@attrs.frozen(kw_only=True)
class MessageDraft:
    """A message that a caller sends.

    With the role APPROVAL it answers calls that wait: `approvals` in the wire's shape, one for each call that asks, or
    `approve` and `denial_reason` for all of them at once.
    """

    content: tuple[ContentPart, ...] = ()
    role: Role = Role.USER
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    group_id: str | None = None
    batch_item_id: str | None = None
    approvals: tuple[JsonObject, ...] = ()
    approve: bool | None = None
    approval_request_id: str | None = None
    denial_reason: str | None = None


@attrs.frozen(kw_only=True)
class Page:
    """Which items of a list: at most `limit`, beyond the item `after`, before the item `before` (ids)."""

    limit: int = PAGE_ITEMS_DEFAULT
    after: str | None = None
    before: str | None = None
    descending: bool = False


@attrs.frozen(kw_only=True)
class TurnOptions:
    """How to run a turn. `wait_seconds` is how long to wait for a busy agent; 0 refuses with AgentBusy at once.

    `model` and `system` are used for this turn in place of the conversation's or the agent's; `client_tools` and
    `client_skills` are there for this turn only. `types` are the kinds of messages, in the wire's words, of which a
    stream that is kept for a turn in the `background` tells; None for all.
    """

    steps_max: int | None = None
    model: str | None = None
    system: str | None = None
    client_tools: tuple[ClientTool, ...] = ()
    client_skills: tuple[ClientSkill, ...] = ()
    tokens: bool = False
    background: bool = False
    types: frozenset[str] | None = None
    wait_seconds: float = 0


def changed(value: T, changes: object) -> T:
    """Return `value` with every field of `changes` that is set."""
    # The fields of `changes` are fields of `value`, which no type can say.
    return attrs.evolve(  # type: ignore[misc]
        value,
        **{field: new for field, new in attrs.asdict(changes, recurse=False).items() if new is not UNSET},  # type: ignore[arg-type]
    )


def over_agent(agent: Agent, changes: AgentChanges) -> AgentChanges:
    """Return the changes with what they lay over something made whole."""
    if not isinstance(changes.settings, Unset):
        before = agent.model_settings if isinstance(changes.model_settings, Unset) else changes.model_settings
        changes = attrs.evolve(changes, settings=UNSET, model_settings={**(before or {}), **changes.settings})
    if not isinstance(changes.extra, Unset):
        changes = attrs.evolve(changes, extra={**agent.extra, **changes.extra})
    return changes


def over_block(block: Block, changes: BlockChanges) -> BlockChanges:
    """Return the changes with what they lay over something made whole."""
    if isinstance(changes.extra, Unset):
        return changes
    return attrs.evolve(changes, extra={**block.extra, **changes.extra})
