"""Bodies of requests in the shapes of Letta's API, to what the services take.

A field of a wrong type is refused with its path; a field that nobody knows is ignored, as the API has it. A field that
asks for what does not exist here is `Unsupported` with its name: to take it silently would be to lie. In an update,
null clears what can be empty and leaves alone what cannot.
"""

from collections.abc import Collection

import attrs

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id
from kelpie_core.json_types import JsonObject
from kelpie_core.model.agent import AgentType
from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Role
from kelpie_core.service.builtin_tools import base_tools
from kelpie_core.service.drafts import (
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    MessageDraft,
    TurnOptions,
)
from kelpie_core.turn.conduct import SEND_MESSAGE, base_rules
from kelpie_core.turn.rules import RULE_KINDS
from kelpie_core.wire.letta_agent import handle_of
from kelpie_core.wire.letta_bodies import (
    AGENT,
    AGENT_CONFIGS,
    AGENT_EXTRA,
    BLOCK,
    BLOCK_EXTRA,
    CREATE_LATER,
    NULLABLE,
    TURN_LATER,
    UPDATE_LATER,
    AgentFields,
    ApprovalFields,
    BlockFields,
    MessageFields,
    ToolReturnFields,
    TurnFields,
)  # fmt: skip
from kelpie_core.wire.letta_fields import present, typed
from kelpie_core.wire.letta_message import MessageTypes


class ModelMissing(InvalidInput):
    """An agent was to be made without a model, and there is no default."""


@attrs.frozen(kw_only=True)
class TurnRequest:
    """A request for a turn."""

    drafts: tuple[MessageDraft, ...]
    options: TurnOptions
    types: MessageTypes
    streaming: bool
    pings: bool


def block_draft(raw: JsonObject, path: str = "$") -> BlockDraft:
    """Return the block that a body describes; raise InvalidInput."""
    fields = typed(raw, BlockFields, path)
    _require(raw, ("label", "value"), path)
    return BlockDraft(**present(fields, BLOCK), extra=present(fields, BLOCK_EXTRA))


def block_changes(raw: JsonObject) -> BlockChanges:
    """Return the changes of a block that a body describes; raise InvalidInput."""
    fields = typed(raw, BlockFields)
    changes = _changes(raw, fields, BLOCK)
    if extra := _given(raw, BLOCK_EXTRA):
        changes["extra"] = extra
    return BlockChanges(**changes)


def agent_draft(raw: JsonObject, *, name_default: str, model_default: str | None) -> AgentDraft:
    """Return the agent that a body describes; raise InvalidInput, ModelMissing, Unsupported."""
    fields = typed(raw, AgentFields)
    refuse(fields, CREATE_LATER, "agents.create")
    named: JsonObject = {"name": name_default} | _checked_ids(present(fields, AGENT))
    agent_type = fields.agent_type or AgentType.LETTA_V1
    base = base_tools(agent_type) if fields.include_base_tools is not False else ()
    tool_names = tuple(dict.fromkeys((*base, *(fields.tools or ()))))
    ruled = base_rules(agent_type, tool_names, wanted=fields.include_base_tool_rules)
    return AgentDraft(
        **(named | {"tool_rules": (*ruled, *_checked_rules(fields))}),
        agent_type=agent_type,
        model=_model(raw, fields, model_default),
        **_configs(raw, fields),
        blocks=tuple(block_draft(one, f"$.memory_blocks[{i}]") for i, one in enumerate(fields.memory_blocks or ())),
        tool_names=tool_names,
        initial_messages=tuple(
            _message_draft(one, f"$.initial_message_sequence[{i}]")
            for i, one in enumerate(fields.initial_message_sequence or ())
        ),
        secrets={**(fields.tool_exec_environment_variables or {}), **(fields.secrets or {})},
        extra={name: raw[name] for name in present(fields, AGENT_EXTRA)},
    )


def agent_changes(raw: JsonObject, *, model_default: str | None) -> AgentChanges:
    """Return the changes of an agent that a body describes; raise InvalidInput, Unsupported.

    A new model handle makes the old llm_config void, and a new llm_config brings its handle.
    """
    fields = typed(raw, AgentFields)
    refuse(fields, UPDATE_LATER, "agents.update")
    changes = _checked_ids(_changes(raw, fields, AGENT))
    _checked_rules(fields)
    changes |= {name: raw[name] for name in present(fields, AGENT_CONFIGS)}
    if fields.model is not None or fields.llm_config is not None:
        changes |= {"llm_config": raw.get("llm_config"), "model": _model(raw, fields, model_default)}
    if settings := _single_settings(fields):
        changes["settings"] = settings
    if extra := _given(raw, AGENT_EXTRA):
        changes["extra"] = extra
    for secrets in (fields.tool_exec_environment_variables, fields.secrets):
        if secrets is not None:
            changes["secrets"] = secrets
    return AgentChanges(**changes)


def turn_request(raw: JsonObject, operation: str, *, streaming: bool = False) -> TurnRequest:
    """Return the turn that a body asks for, as a stream by default if `streaming`; raise InvalidInput, Unsupported."""
    fields = typed(raw, TurnFields)
    refuse(fields, TURN_LATER, operation)
    _refuse_other_words(fields, operation)
    types = fields.include_return_message_types
    return TurnRequest(
        drafts=_message_drafts(fields),
        options=TurnOptions(
            steps_max=fields.max_steps,
            model=fields.override_model,
            system=fields.override_system,
            client_tools=fields.client_tools or (),
            client_skills=fields.client_skills or (),
            tokens=bool(fields.stream_tokens),
            background=bool(fields.background),
            types=None if types is None else frozenset(types),
        ),
        types=None if types is None else frozenset(types),
        streaming=streaming if fields.streaming is None else fields.streaming,
        pings=fields.include_pings is not False,
    )


def run_ids(raw: JsonObject) -> tuple[str, ...] | None:
    """Return the runs that a cancellation names, None for whichever runs; raise InvalidInput."""
    ids = typed(raw.get("run_ids"), tuple[str, ...] | None, "$.run_ids")  # type: ignore[arg-type]
    return None if not ids else tuple(check_id("run", one, path=f"$.run_ids[{i}]") for i, one in enumerate(ids))


def refuse(fields: object, names: Collection[str], operation: str) -> None:
    """Raise Unsupported for the first of the named fields that asks for something."""
    for name in names:
        if getattr(fields, name):
            raise Unsupported(f"{operation} with {name}")


def _message_drafts(fields: TurnFields) -> tuple[MessageDraft, ...]:
    if (fields.messages is None) == (fields.input is None):
        raise InvalidInput("give either messages or input")
    if fields.input is not None:
        return (MessageDraft(content=_content(fields.input, "$.input")),)
    return tuple(_message_draft(one, f"$.messages[{i}]") for i, one in enumerate(fields.messages or ()))


def _refuse_other_words(fields: TurnFields, operation: str) -> None:
    """Raise Unsupported for a wish to see what MemGPT agents say in another way than as their own messages."""
    if fields.use_assistant_message is False:
        raise Unsupported(f"{operation} with use_assistant_message")
    if fields.assistant_message_tool_name not in (None, SEND_MESSAGE):
        raise Unsupported(f"{operation} with assistant_message_tool_name")
    if fields.assistant_message_tool_kwarg not in (None, "message"):
        raise Unsupported(f"{operation} with assistant_message_tool_kwarg")


def _approval_draft(raw: JsonObject, path: str) -> MessageDraft:
    fields = typed(raw, ApprovalFields, path)
    return MessageDraft(
        role=Role.APPROVAL,
        approvals=tuple(_told_kind(one) for one in fields.approvals or ()),
        approve=fields.approve,
        approval_request_id=fields.approval_request_id,
        denial_reason=fields.reason,
        otid=fields.otid,
        group_id=fields.group_id,
    )


def _tool_return_draft(raw: JsonObject, path: str) -> MessageDraft:
    fields = typed(raw, ToolReturnFields, path)
    returns = tuple({**one, "type": "tool"} for one in fields.tool_returns)
    return MessageDraft(role=Role.APPROVAL, approvals=returns, otid=fields.otid, group_id=fields.group_id)


def _told_kind(raw: JsonObject) -> JsonObject:
    """Return an answer that says of which kind it is: clients may leave it out."""
    return raw if "type" in raw else {**raw, "type": "tool" if "tool_return" in raw else "approval"}


def _message_draft(raw: JsonObject, path: str) -> MessageDraft:
    kind = raw.get("type")
    if kind == "approval":
        return _approval_draft(raw, path)
    if kind == "tool_return":
        return _tool_return_draft(raw, path)
    if kind not in (None, "message"):
        raise InvalidInput(f"no message has the type {str(kind)[:80]!r}", path=f"{path}.type")
    fields = typed(raw, MessageFields, path)
    content = _content(fields.content, f"{path}.content")
    return MessageDraft(**(attrs.asdict(fields, recurse=False) | {"content": content}))


def _content(value: str | tuple[JsonObject, ...], path: str) -> tuple[ContentPart, ...]:
    if isinstance(value, str):
        return (TextPart(text=value),)
    return tuple(_part(one, f"{path}[{i}]") for i, one in enumerate(value))


_PARTS: dict[str, type[ContentPart]] = {"text": TextPart, "reasoning": ReasoningPart}
_CARRIED = ("image", "redacted_reasoning", "omitted_reasoning", "summarized_reasoning", "tool_call", "tool_return")


def _part(raw: JsonObject, path: str) -> ContentPart:
    kind = raw.get("type", "text")
    if kind in _CARRIED:
        return OpaquePart(fields=raw)
    if not isinstance(kind, str) or kind not in _PARTS:
        raise InvalidInput(f"no content part has the type {str(kind)[:80]!r}", path=f"{path}.type")
    return typed(raw, _PARTS[kind], path)


def _model(raw: JsonObject, fields: AgentFields, model_default: str | None) -> str:
    model = fields.model
    if model is None and fields.llm_config is not None:
        model = handle_of(raw["llm_config"])
    if model is None:
        model = model_default
    if not model:
        raise ModelMissing("name a model, or give an llm_config", path="$.model")
    return model


def _configs(raw: JsonObject, fields: AgentFields) -> JsonObject:
    """Return the configs as they came, and the older single fields as settings."""
    configs = {name: raw[name] for name in present(fields, AGENT_CONFIGS)}
    if settings := _single_settings(fields):
        configs["model_settings"] = settings | configs.get("model_settings", {})
    return configs


def _single_settings(fields: AgentFields) -> JsonObject:
    """Return the older single fields as settings of the model."""
    single = {
        "max_output_tokens": fields.max_tokens,
        "temperature": fields.temperature,
        "parallel_tool_calls": fields.parallel_tool_calls,
    }
    return {name: value for name, value in single.items() if value is not None}


def _given(raw: JsonObject, names: tuple[str, ...]) -> JsonObject:
    """Return the named fields that are there, null among them: to lay it over a value clears that."""
    return {name: raw[name] for name in names if name in raw}


def _changes(raw: JsonObject, fields: object, names: tuple[str, ...]) -> JsonObject:
    cleared = {name: None for name in names if name in NULLABLE and name in raw and raw[name] is None}
    return cleared | present(fields, names)


def _checked_ids(given: JsonObject) -> JsonObject:
    for name, prefix in (("block_ids", "block"), ("tool_ids", "tool")):
        for i, one in enumerate(given.get(name, ())):
            check_id(prefix, one, path=f"$.{name}[{i}]")
    return given


def _checked_rules(fields: AgentFields) -> tuple[JsonObject, ...]:
    """Return the tool rules as they came; raise InvalidInput for one that nobody would obey."""
    for i, raw in enumerate(fields.tool_rules or ()):
        path, kind = f"$.tool_rules[{i}]", raw.get("type")
        if kind not in RULE_KINDS:
            raise InvalidInput(f"no tool rule has the type {str(kind)[:80]!r}", path=f"{path}.type")
        typed(raw, RULE_KINDS[kind], path)
    return fields.tool_rules or ()


def _require(raw: JsonObject, names: tuple[str, ...], path: str) -> None:
    for name in names:
        if raw.get(name) is None:
            raise InvalidInput("is required", path=f"{path}.{name}")
