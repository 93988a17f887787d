"""A request as the body of POST /chat/completions.

Two dialects: OpenAI's own, which knows more and refuses more, and what all the others understand.
"""

import re
from collections.abc import Iterator

from kelpie_core.json_types import JsonObject
from kelpie_core.model.content import ContentPart, TextPart, text_of
from kelpie_core.model.tool import Tool, ToolCall
from kelpie_core.ports import REQUIRED, ModelRequest
from kelpie_server.world.language_model.json_body import arguments_of, encoded
from kelpie_server.world.language_model.names import Names, fit_name
from kelpie_server.world.language_model.settings import CallSettings, settings_of
from kelpie_server.world.language_model.window import Entry, Heard, Image, Said, entries_of, image_of

NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}
# Models that think before they speak: they take no temperature, and only they take an effort.
_THINKS = re.compile(r"(o\d|gpt-5|gpt-oss|codex)")
_EFFORTLESS = ("gpt-5-chat",)


def chat_body(request: ModelRequest, model: str, names: Names, *, official: bool) -> JsonObject:
    """Return the body. `official`: in OpenAI's own dialect."""
    settings = settings_of(request)
    messages = [message for entry in entries_of(request.messages) for message in _messages(entry, names, official)]
    if request.system.strip():
        messages.insert(0, {"role": "system", "content": request.system})
    return {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_tools(request, settings, names),
        **_options(settings, model, official),
    }


def _messages(entry: Entry, names: Names, official: bool) -> Iterator[JsonObject]:
    if isinstance(entry, Heard):
        content = _content(entry.parts)
        if content:
            # A system message behind the first place breaks the templates of many models.
            role = "system" if entry.by_system and official else "user"
            name = {"name": fit_name(entry.name)} if entry.name and role == "user" else {}
            yield {"role": role, "content": content, **name}
        return
    text = text_of(entry.parts)
    if text or entry.calls:
        yield {"role": "assistant", "content": text or None, **_calls(entry, names)}
    for answer in entry.returns:
        yield {"role": "tool", "tool_call_id": answer.tool_call_id, "content": answer.text or ""}


def _calls(said: Said, names: Names) -> JsonObject:
    return {"tool_calls": [_call(call, names) for call in said.calls]} if said.calls else {}


def _call(call: ToolCall, names: Names) -> JsonObject:
    arguments = encoded(arguments_of(call.arguments)).decode()
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": names.theirs(call.name), "arguments": arguments},
    }


def _content(parts: tuple[ContentPart, ...]) -> str | list[JsonObject]:
    """Return text as text, and text with pictures as parts."""
    images = [image for part in parts if (image := image_of(part)) is not None]
    if not images:
        return text_of(parts)
    return [piece for part in parts for piece in _piece(part)]


def _piece(part: ContentPart) -> Iterator[JsonObject]:
    if isinstance(part, TextPart):
        yield {"type": "text", "text": part.text}
    elif (image := image_of(part)) is not None:
        yield {
            "type": "image_url",
            "image_url": {"url": _url(image), **({"detail": image.detail} if image.detail else {})},
        }


def _url(image: Image) -> str:
    return f"data:{image.media_type};base64,{image.data}" if image.url is None else image.url


def _tools(request: ModelRequest, settings: CallSettings, names: Names) -> JsonObject:
    if not request.tools:
        return {}
    offered = {tool.name: tool for tool in request.tools}
    choice: JsonObject = {}
    if request.tool_choice == REQUIRED:
        choice = {"tool_choice": "required"}
    elif request.tool_choice in offered:
        choice = {"tool_choice": {"type": "function", "function": {"name": names.theirs(request.tool_choice)}}}
    if settings.parallel_tool_calls is not None:
        choice["parallel_tool_calls"] = settings.parallel_tool_calls
    return {"tools": [_tool(tool, settings.strict, names) for tool in offered.values()], **choice}


def _tool(tool: Tool, strict: bool, names: Names) -> JsonObject:
    parameters = parameters_of(tool)
    held = {"parameters": closed(parameters), "strict": True} if strict and is_strict(parameters) else {}
    function = {"name": names.theirs(tool.name), "description": description_of(tool), "parameters": parameters}
    return {"type": "function", "function": {**function, **held}}


def description_of(tool: Tool) -> str:
    """Return what a tool is said to do."""
    told = tool.description or (tool.json_schema or {}).get("description")
    return told if isinstance(told, str) else ""


def parameters_of(tool: Tool) -> JsonObject:
    """Return the schema of a tool's arguments: always an object's."""
    parameters = (tool.json_schema or {}).get("parameters")
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        return NO_PARAMETERS
    return {**NO_PARAMETERS, **parameters}


def is_strict(schema: object) -> bool:
    """Return whether a schema can be held to strictly: every property of every object is required."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties", {})
    complete = isinstance(properties, dict) and set(properties) == set(schema.get("required") or ())
    bounded = schema.get("type") != "object" or ("properties" in schema and not schema.get("additionalProperties"))
    return complete and bounded and all(map(is_strict, schema.values()))


def closed(schema: JsonObject) -> JsonObject:
    """Return a schema whose objects have no other properties than they say."""
    result = {name: _closed(value) for name, value in schema.items()}
    return {**result, "additionalProperties": False} if schema.get("type") == "object" else result


def _closed(value: object) -> object:
    if isinstance(value, list):
        return [_closed(each) for each in value]
    return closed(value) if isinstance(value, dict) else value


def _options(settings: CallSettings, model: str, official: bool) -> JsonObject:
    thinks = _THINKS.match(model.rpartition("/")[2]) is not None and not model.startswith(_EFFORTLESS)
    options = {
        "max_completion_tokens" if official else "max_tokens": settings.max_output_tokens,
        "temperature": None if official and thinks else settings.temperature,
        "frequency_penalty": None if official and thinks else settings.frequency_penalty or None,
        "reasoning_effort": None if official and not thinks else _effort(settings, model, official),
        "verbosity": settings.verbosity if not official or model.startswith("gpt-5") else None,
        "response_format": _format(settings.response_format),
    }
    return {name: value for name, value in options.items() if value is not None}


def _effort(settings: CallSettings, model: str, official: bool) -> str | None:
    """Return the effort as who is asked knows it: old models and other servers know three only.

    V1 asks every model for "minimal" unless told otherwise, so elsewhere that stands for no wish at all.
    """
    effort = settings.reasoning_effort
    if official and model.startswith("o"):
        return "low" if effort in ("none", "minimal") else effort
    return effort if official or effort in ("low", "medium", "high") else None


def _format(wanted: JsonObject | None) -> JsonObject | None:
    """Return a response format with the name that a schema must have."""
    schema = None if wanted is None else wanted.get("json_schema")
    if wanted is None or wanted["type"] != "json_schema":
        return wanted
    if not isinstance(schema, dict):
        return {"type": "json_object"}
    named = schema if "schema" in schema else {"schema": schema}
    return {"type": "json_schema", "json_schema": {"name": "answer", **named}}


def names_of(request: ModelRequest) -> Names:
    """Return the names of a request's tools, first of all names: they must read back."""
    return Names(tool.name for tool in request.tools)
