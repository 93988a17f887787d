"""Typed fields of loosely typed JSON: what a caller sends is refused with its path, what a file brought is sifted.

A kind is an attrs class that names fields and their types and nothing else; msgspec does the checking.
"""

import functools
from collections.abc import Mapping
from typing import TypeVar

import attrs
import msgspec

from kelpie_core.errors import InvalidInput
from kelpie_core.json_types import JsonObject, JsonValue

T = TypeVar("T")
_AT = " - at `$"


def decoded(body: bytes, path: str = "$") -> JsonObject:
    """Return the JSON object that some bytes hold, {} for none; raise InvalidInput."""
    try:
        found = _object_decoder().decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(error, path) from error
    return found


def typed(value: JsonValue, kind: type[T], path: str = "$") -> T:
    """Return the fields of `kind` that a JSON value holds; raise InvalidInput that names the path of a wrong one."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid(error, path) from error


def invalid(error: Exception, path: str = "$") -> InvalidInput:
    """Return msgspec's error as ours: its path is put behind `path`."""
    message, _, place = str(error).partition(_AT)
    return InvalidInput(message, path=path + place.removesuffix("`"))


def present(fields: object, names: tuple[str, ...]) -> JsonObject:
    """Return the named attributes that are not None."""
    return {name: value for name in names if (value := getattr(fields, name)) is not None}


def fitting(
    given: Mapping[str, JsonValue] | None, kind: "type[attrs.AttrsInstance]", *, only_known: bool = False
) -> JsonObject:
    """Return what of `given` fits: fields that `kind` names if they have its type, and others unless `only_known`.

    An agent file may bring anything in a field that the clients' types bound; those must parse every answer.
    """
    types = _types_of(kind)
    return {
        name: value
        for name, value in (given or {}).items()
        if (_fits(value, types[name]) if name in types else not only_known)
    }


def _fits(value: JsonValue, kind: object) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


@functools.cache
def _types_of(kind: "type[attrs.AttrsInstance]") -> dict[str, object]:
    return {name: field.type for name, field in attrs.fields_dict(kind).items()}


@functools.cache
def _object_decoder() -> "msgspec.json.Decoder[JsonObject]":
    return msgspec.json.Decoder(JsonObject)
