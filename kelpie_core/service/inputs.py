"""Checks of what callers hand in. Bad input raises a typed error that names the path, and changes nothing."""

from collections.abc import Iterable

import msgspec

from kelpie_core import limits
from kelpie_core.errors import InvalidInput, LimitExceeded
from kelpie_core.model.agent import Agent
from kelpie_core.model.approval import answers_of
from kelpie_core.model.block import Block
from kelpie_core.model.content import ReasoningPart, TextPart
from kelpie_core.model.message import Role
from kelpie_core.model.tool import Tool
from kelpie_core.service.drafts import MessageDraft, Page, TurnOptions


def check_text(value: str, path: str, *, chars_max: int, chars_min: int = 0) -> None:
    """Raise unless a text has a legal length and can be encoded."""
    if len(value) < chars_min:
        raise InvalidInput("must not be empty", path=path)
    if len(value) > chars_max:
        raise LimitExceeded(f"has {len(value)} characters, {chars_max} are allowed", path=path)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"holds a lone surrogate at character {error.start}", path=path) from None


def check_count(items: Iterable[object], path: str, *, count_max: int) -> None:
    """Raise LimitExceeded if there are too many items."""
    count = len(tuple(items))
    if count > count_max:
        raise LimitExceeded(f"has {count} items, {count_max} are allowed", path=path)


def check_distinct(items: Iterable[str], path: str) -> None:
    """Raise InvalidInput if an item occurs twice."""
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise InvalidInput(f"holds {item!r} twice", path=path)
        seen.add(item)


def check_block(block: Block) -> None:
    """Raise unless a block is fit to be stored: within its limit, above all."""
    check_text(block.label, "$.label", chars_max=limits.LABEL_CHARS_MAX, chars_min=1)
    if not 1 <= block.limit <= limits.BLOCK_LIMIT_CHARS_MAX:
        raise InvalidInput(f"must be between 1 and {limits.BLOCK_LIMIT_CHARS_MAX}", path="$.limit")
    check_text(block.value, "$.value", chars_max=block.limit)
    check_text(block.description or "", "$.description", chars_max=limits.TEXT_CHARS_MAX)
    check_tags(block.tags)


def check_tool(tool: Tool) -> None:
    """Raise unless a tool is fit to be stored."""
    check_text(tool.name, "$.name", chars_max=limits.NAME_CHARS_MAX, chars_min=1)
    check_text(tool.source_code or "", "$.source_code", chars_max=limits.TEXT_CHARS_MAX)
    check_text(tool.description or "", "$.description", chars_max=limits.TEXT_CHARS_MAX)
    if tool.return_char_limit < 1:
        raise InvalidInput("must be at least 1", path="$.return_char_limit")
    check_tags(tool.tags)


def check_agent(agent: Agent) -> None:
    """Raise unless an agent is fit to be stored. Whether its blocks and tools exist is checked in the transaction."""
    check_text(agent.name, "$.name", chars_max=limits.NAME_CHARS_MAX, chars_min=1)
    check_text(agent.system, "$.system", chars_max=limits.TEXT_CHARS_MAX)
    check_text(agent.description or "", "$.description", chars_max=limits.TEXT_CHARS_MAX)
    check_text(agent.model or "", "$.model", chars_max=limits.HANDLE_CHARS_MAX)
    check_count(agent.block_ids, "$.block_ids", count_max=limits.BLOCKS_PER_AGENT_MAX)
    check_count(agent.tool_ids, "$.tool_ids", count_max=limits.TOOLS_PER_AGENT_MAX)
    check_distinct(agent.block_ids, "$.block_ids")
    check_distinct(agent.tool_ids, "$.tool_ids")
    check_tags(agent.tags)
    check_limit(agent.limits.steps_max, "$.limits.steps_max", limits.TURN_STEPS_MAX)
    check_limit(agent.limits.tool_calls_max, "$.limits.tool_calls_max", limits.TURN_TOOL_CALLS_MAX, value_min=0)
    check_limit(agent.limits.tokens_max, "$.limits.tokens_max", limits.TURN_TOKENS_MAX)
    check_limit(agent.limits.seconds_max, "$.limits.seconds_max", limits.TURN_SECONDS_MAX)


def check_tags(tags: tuple[str, ...]) -> None:
    """Raise unless tags are few and short."""
    check_count(tags, "$.tags", count_max=limits.TAGS_MAX)
    for number, tag in enumerate(tags):
        check_text(tag, f"$.tags[{number}]", chars_max=limits.LABEL_CHARS_MAX, chars_min=1)


def check_limit(value: int, path: str, value_max: int, *, value_min: int = 1) -> None:
    """Raise InvalidInput unless `value_min <= value <= value_max`."""
    if not value_min <= value <= value_max:
        raise InvalidInput(f"must be between {value_min} and {value_max}, got {value}", path=path)


def check_page(page: Page) -> None:
    """Raise InvalidInput unless a page can be read."""
    check_limit(page.limit, "$.limit", limits.PAGE_ITEMS_MAX)


def check_turn(drafts: tuple[MessageDraft, ...], options: TurnOptions) -> None:
    """Raise unless a turn can begin with these messages: an empty message would poison the history for ever."""
    if not drafts:
        raise InvalidInput("Messages must not be empty", path="$.messages")
    check_count(drafts, "$.messages", count_max=limits.INPUT_MESSAGES_MAX)
    check_distinct((draft.otid for draft in drafts if draft.otid is not None), "$.messages[].otid")
    if options.steps_max is not None:
        check_limit(options.steps_max, "$.max_steps", limits.TURN_STEPS_MAX)
    if not 0 <= options.wait_seconds <= limits.BUSY_WAIT_SECONDS_MAX:
        raise InvalidInput(f"must be between 0 and {limits.BUSY_WAIT_SECONDS_MAX}", path="$.wait_seconds")
    _check_brought_along(options)
    behind = False
    for number, draft in enumerate(drafts):
        path = f"$.messages[{number}]"
        if draft.role is not Role.APPROVAL:
            _check_message(draft, path)
        elif behind:
            raise InvalidInput("answers must come before all other messages", path=path)
        else:
            _check_approval(draft, path)
        behind = draft.role is not Role.APPROVAL


def _check_brought_along(options: TurnOptions) -> None:
    """Raise unless what a request brings along is fit to be stored with its run, which is written at every step."""
    check_count(options.client_tools, "$.client_tools", count_max=limits.TOOLS_PER_AGENT_MAX)
    check_distinct((tool.name for tool in options.client_tools), "$.client_tools[].name")
    for number, tool in enumerate(options.client_tools):
        check_text(tool.name, f"$.client_tools[{number}].name", chars_max=limits.NAME_CHARS_MAX, chars_min=1)
    check_text(options.model or "", "$.override_model", chars_max=limits.HANDLE_CHARS_MAX)
    check_text(options.system or "", "$.override_system", chars_max=limits.TEXT_CHARS_MAX)
    brought = (options.client_tools, options.client_skills, options.system)
    size = _size_of(brought, "$.client_tools") if any(brought) else 0
    if size > limits.BROUGHT_ALONG_BYTES_MAX:
        raise LimitExceeded(
            f"has, with client_skills and override_system, {size} bytes, {limits.BROUGHT_ALONG_BYTES_MAX} are allowed",
            path="$.client_tools",
        )


def _size_of(value: object, path: str) -> int:
    """Return the bytes of a value as it is stored; raise InvalidInput if it cannot be."""
    try:
        return len(msgspec.json.encode(value))
    except UnicodeEncodeError:
        raise InvalidInput("holds a lone surrogate", path=path) from None


def check_initial(drafts: tuple[MessageDraft, ...], path: str) -> None:
    """Raise unless an agent's history can begin with these messages."""
    check_count(drafts, path, count_max=limits.INPUT_MESSAGES_MAX)
    check_distinct((draft.otid for draft in drafts if draft.otid is not None), f"{path}[].otid")
    for number, draft in enumerate(drafts):
        _check_message(draft, f"{path}[{number}]")


def _check_approval(draft: MessageDraft, path: str) -> None:
    check_count(draft.approvals, f"{path}.approvals", count_max=limits.TOOL_CALLS_PER_REPLY_MAX)
    if not draft.approvals and draft.approve is None:
        raise InvalidInput("give either approvals or approve", path=path)
    answers_of(draft.approvals, f"{path}.approvals")
    check_text(draft.denial_reason or "", f"{path}.reason", chars_max=limits.TEXT_CHARS_MAX)
    size = _size_of(draft.approvals, f"{path}.approvals")
    if size > limits.TEXT_CHARS_MAX:
        raise LimitExceeded(f"has {size} bytes, {limits.TEXT_CHARS_MAX} are allowed", path=f"{path}.approvals")


def _check_message(draft: MessageDraft, path: str) -> None:
    if draft.role not in (Role.USER, Role.SYSTEM, Role.ASSISTANT):
        raise InvalidInput(f"role {draft.role} cannot be sent", path=f"{path}.role")
    texts = {number: part.text for number, part in enumerate(draft.content) if isinstance(part, TextPart)}
    if not any(texts.values()) and all(isinstance(part, TextPart | ReasoningPart) for part in draft.content):
        raise InvalidInput("must not be empty", path=f"{path}.content")
    for number, text in texts.items():
        check_text(text, f"{path}.content[{number}].text", chars_max=limits.TEXT_CHARS_MAX)
