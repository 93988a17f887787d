"""A request as the parameters of Anthropic's messages.create.

Its rules: the user speaks first and last and the two take turns; what tools returned stands first in the turn behind
their calls; no text is blank; calls in the window need tools to be offered; what was thought is sent back as it came,
with its signature, to nobody else, and a turn that thinks cannot go on from calls that were made without.
"""

from collections.abc import Iterator, Sequence

from kelpie_core.json_types import JsonObject
from kelpie_core.model.content import ContentPart, OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.tool import Tool, ToolReturn, ToolStatus
from kelpie_core.ports import REQUIRED
from kelpie_server.world.language_model.calls import Call
from kelpie_server.world.language_model.json_body import arguments_of
from kelpie_server.world.language_model.names import Names
from kelpie_server.world.language_model.openai_body import (
    NO_PARAMETERS,
    closed,
    description_of,
    is_strict,
    parameters_of,
)
from kelpie_server.world.language_model.settings import CallSettings, settings_of
from kelpie_server.world.language_model.window import Entry, Heard, entries_of, image_of

OUTPUT_TOKENS_DEFAULT = 16_384
THINKING_TOKENS_MIN = 1_024
# What stands where the user must speak and has not.
BEGIN, GO_ON = "(the conversation begins)", "(go on)"
_THOUGHTS = ("thinking", "redacted_thinking")
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_CACHED: JsonObject = {"cache_control": {"type": "ephemeral"}}


def message_parameters(call: Call, names: Names) -> JsonObject:
    """Return the parameters."""
    request, settings = call.request, settings_of(call.request)
    turns = _turns(entries_of(request.messages), names, call)
    thinking = _thinking(settings, turns, call)
    return {
        "model": call.model,
        "messages": turns,
        "max_tokens": (settings.max_output_tokens or OUTPUT_TOKENS_DEFAULT) + (thinking or 0),
        **({"system": [{"type": "text", "text": request.system, **_CACHED}]} if request.system.strip() else {}),
        **_tools(call, settings, names, turns),
        **_options(settings, thinking),
    }


def _turns(entries: Sequence[Entry], names: Names, call: Call) -> list[JsonObject]:
    """Return the messages: taking turns, the user first and last."""
    turns: list[JsonObject] = []
    for role, blocks in _spoken(entries, names, call):
        if not blocks:
            continue
        if not turns and role != "user":
            turns.append({"role": "user", "content": [_text(BEGIN)]})
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[-1]["role"] != "user":
        turns.append({"role": "user", "content": [_text(GO_ON if turns else BEGIN)]})
    turns[-1]["content"][-1] |= _CACHED
    return turns


def _spoken(entries: Sequence[Entry], names: Names, call: Call) -> Iterator[tuple[str, list[JsonObject]]]:
    for entry in entries:
        if isinstance(entry, Heard):
            yield "user", [block for part in entry.parts for block in _heard(part, entry.by_system)]
            continue
        blocks = [block for part in entry.parts for block in _said(part, call.is_own(entry.model))]
        calls = [
            {"type": "tool_use", "id": c.id, "name": names.theirs(c.name), "input": arguments_of(c.arguments)}
            for c in entry.calls
        ]
        # Thoughts alone are no turn.
        yield "assistant", [*blocks, *calls] if calls or any(b["type"] == "text" for b in blocks) else []
        yield "user", [_returned(answer) for answer in entry.returns]


def _heard(part: ContentPart, by_system: bool) -> Iterator[JsonObject]:
    if isinstance(part, TextPart):
        yield _text(f"<system>{part.text}</system>" if by_system else part.text)
    elif (image := image_of(part)) is not None:
        if image.url is not None:
            yield {"type": "image", "source": {"type": "url", "url": image.url}}
        elif image.media_type in _MEDIA_TYPES:
            yield {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def _said(part: ContentPart, is_own: bool) -> Iterator[JsonObject]:
    if isinstance(part, TextPart):
        yield _text(part.text)
    elif isinstance(part, ReasoningPart) and part.signature and is_own:
        yield {"type": "thinking", "thinking": part.reasoning, "signature": part.signature}
    elif isinstance(part, OpaquePart) and part.fields.get("type") == "redacted_reasoning" and is_own:
        yield {"type": "redacted_thinking", "data": str(part.fields.get("data", ""))}


def _returned(answer: ToolReturn) -> JsonObject:
    text = {"content": answer.text} if (answer.text or "").strip() else {}
    error = {"is_error": True} if answer.status is ToolStatus.ERROR else {}
    return {"type": "tool_result", "tool_use_id": answer.tool_call_id, **text, **error}


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def _thinking(settings: CallSettings, turns: list[JsonObject], call: Call) -> int | None:
    """Return how many tokens the model may think, None where it cannot begin to."""
    if settings.thinking_tokens is None or call.request.tool_choice is not None:
        return None
    last: list[JsonObject] = next((turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), [])
    if any(block["type"] == "tool_use" for block in last) and last[0]["type"] not in _THOUGHTS:
        return None
    return max(settings.thinking_tokens, THINKING_TOKENS_MIN)


def _tools(call: Call, settings: CallSettings, names: Names, turns: list[JsonObject]) -> JsonObject:
    offered = {tool.name: tool for tool in call.request.tools}
    tools = [_tool(tool, settings.strict, names) for tool in offered.values()]
    if not tools:
        called = sorted({block["name"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"})
        stubs = [{"name": name, "input_schema": NO_PARAMETERS} for name in called]
        return {"tools": stubs, "tool_choice": {"type": "none"}} if stubs else {}
    wanted = call.request.tool_choice
    choice: JsonObject = {"type": "auto"}
    if wanted == REQUIRED:
        choice = {"type": "any"}
    elif wanted in offered:
        choice = {"type": "tool", "name": names.theirs(wanted)}
    if settings.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


def _tool(tool: Tool, strict: bool, names: Names) -> JsonObject:
    parameters = parameters_of(tool)
    held = {"input_schema": closed(parameters), "strict": True} if strict and is_strict(parameters) else {}
    described = {"description": told} if (told := description_of(tool)) else {}
    return {"name": names.theirs(tool.name), "input_schema": parameters, **described, **held}


def _options(settings: CallSettings, thinking: int | None) -> JsonObject:
    options: JsonObject = {}
    if thinking is not None:
        options["thinking"] = {"type": "enabled", "budget_tokens": thinking}
    elif settings.temperature is not None:
        options["temperature"] = min(settings.temperature, 1.0)
    output: JsonObject = {} if settings.effort is None else {"effort": settings.effort}
    schema = (settings.response_format or {}).get("json_schema")
    if isinstance(schema, dict):
        output["format"] = {"type": "json_schema", "schema": closed(schema.get("schema", schema))}
    return {**options, "output_config": output} if output else options
