"""Values as texts and as keys: what makes recorded arguments and answers comparable, in any process."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum

import attrs

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def described(error: BaseException | str) -> str:
    """Return an error in a line that is the same in every process."""
    return error if isinstance(error, str) else _ADDRESS.sub("", f"{type(error).__name__}: {error}")


def canonical(value: object) -> str:
    """Return a text that is equal for equal values, in every process; raise TypeError for what has no such text."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, int | float | str | bytes):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{canonical(key)}: {canonical(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(canonical(item) for item in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(canonical(item) for item in value)) + "}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, BaseException):
        return described(value)
    kind = type(value)
    if attrs.has(kind):
        fields = (f"{field.name}={canonical(getattr(value, field.name))}" for field in attrs.fields(kind))
        return f"{kind.__name__}({', '.join(fields)})"
    raise TypeError(f"a {type(value).__name__} has no text that is the same in every process: record its content")


def frozen(value: object) -> object:
    """Return an equal value that can be hashed: tuples for lists, frozensets for sets, sorted pairs for mappings."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(frozen(item) for item in value)
    if isinstance(value, Mapping):
        return tuple(sorted(((frozen(key), frozen(item)) for key, item in value.items()), key=canonical))
    return value


def frozen_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return the same names with frozen values."""
    return {name: frozen(value) for name, value in values.items()}
