"""How an agent wants its model called: what its settings and its older llm_config say, in one value.

The settings go before the llm_config, and what the request itself asks for before both. What has a wrong type is left
out: it came with a file, and a model that answers by its defaults is of more use than none.
"""

from typing import TypeVar

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.ports import ModelRequest

T = TypeVar("T", str, int, float, bool)


@attrs.frozen(kw_only=True)
class CallSettings:
    """What is None is left to the provider."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    frequency_penalty: float | None = None
    parallel_tool_calls: bool | None = None
    strict: bool = False
    response_format: JsonObject | None = None
    verbosity: str | None = None
    reasoning_effort: str | None = None
    effort: str | None = None
    thinking_tokens: int | None = None


def settings_of(request: ModelRequest) -> CallSettings:
    """Return how a request wants its model called."""
    settings, config = request.model_settings or {}, request.llm_config or {}
    return CallSettings(
        max_output_tokens=_output_tokens(request, settings, config),
        temperature=_first(float, settings.get("temperature"), config.get("temperature")),
        frequency_penalty=_first(float, config.get("frequency_penalty")),
        parallel_tool_calls=_first(
            bool, request.parallel_tool_calls, settings.get("parallel_tool_calls"), config.get("parallel_tool_calls")
        ),
        strict=_first(bool, settings.get("strict"), config.get("strict")) or False,
        response_format=_format(
            request.response_format, settings.get("response_format"), config.get("response_format")
        ),
        verbosity=_first(str, settings.get("verbosity"), config.get("verbosity")),
        reasoning_effort=_first(
            str, _object(settings.get("reasoning")).get("reasoning_effort"), config.get("reasoning_effort")
        ),
        effort=_first(str, settings.get("effort"), config.get("effort")),
        thinking_tokens=_thinking(settings, config),
    )


def _output_tokens(request: ModelRequest, settings: JsonObject, config: JsonObject) -> int | None:
    """Return how long the answer may be; a bound as long as the whole window says nothing, and servers refuse it."""
    wanted = _positive(request.max_output_tokens, settings.get("max_output_tokens"), config.get("max_tokens"))
    window = _positive(config.get("context_window"))
    return None if wanted is not None and window is not None and wanted >= window else wanted


def _thinking(settings: JsonObject, config: JsonObject) -> int | None:
    """Return how many tokens the model may think, None if it shall not."""
    thinking = _object(settings.get("thinking"))
    if thinking:
        return _positive(thinking.get("budget_tokens")) if thinking.get("type", "enabled") == "enabled" else None
    return _positive(config.get("max_reasoning_tokens")) if config.get("enable_reasoner") is True else None


def _first(kind: type[T], *values: object) -> T | None:
    """Return the first value of that kind."""
    for value in values:
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is kind:
            return value
    return None


def _positive(*values: object) -> int | None:
    return next((value for value in values if type(value) is int and value > 0), None)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _format(*values: object) -> JsonObject | None:
    """Return the first response format that asks for more than text."""
    given = next((value for value in map(_object, values) if value), {})
    return given if given.get("type") in ("json_object", "json_schema") else None
