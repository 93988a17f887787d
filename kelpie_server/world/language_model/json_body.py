"""JSON on its way to a provider, without half a surrogate pair, which no encoder takes; and on its way back."""

import msgspec

from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.texts import encodable

TOOL_ARGUMENTS = "arguments_that_are_not_json"


def encoded(body: JsonObject) -> bytes:
    """Return a body as JSON."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return msgspec.json.encode(mended(body))


def decoded(data: bytes | str) -> JsonValue:
    """Return what JSON says; raise msgspec.DecodeError, for JSON that is too deep too."""
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise msgspec.DecodeError("the JSON is nested too deep") from error


def mended(value: JsonValue) -> JsonValue:
    """Return a value with every text in it encodable."""
    if isinstance(value, str):
        return value if value.isascii() else encodable(value)
    if isinstance(value, dict):
        return {mended(key): mended(each) for key, each in value.items()}
    return [mended(each) for each in value] if isinstance(value, list | tuple) else value


def arguments_of(text: str) -> JsonObject:
    """Return a call's arguments as an object, whatever the model once wrote: providers refuse all else."""
    try:
        arguments = decoded(encodable(text or "{}"))
    except msgspec.DecodeError:
        return {TOOL_ARGUMENTS: text}
    return arguments if isinstance(arguments, dict) else {TOOL_ARGUMENTS: text}
