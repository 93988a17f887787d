"""Reading a JSON document that somebody else wrote: bytes to plain values, then field by field with the path at hand.

Every error names the place as `$.agents[0].messages[3].content[1].text`. A field that is null counts as absent. What
nobody took is left over for the caller, who keeps it: so nothing of the document is lost without a word.
"""

import datetime as dt
from enum import StrEnum
from typing import TypeVar

import msgspec

from kelpie_core.errors import CallerError, InvalidInput, LimitExceeded, Unsupported
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.limits import JSON_DEPTH_MAX, TEXT_CHARS_MAX

E = TypeVar("E", bound=StrEnum)

_BOM_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_KINDS: dict[type, str] = {
    dict: "an object", list: "a list", str: "a string", int: "a whole number", float: "a number with a fraction",
    bool: "true or false", type(None): "nothing",
}  # fmt: skip


def decode_object(data: bytes, *, bytes_max: int) -> JsonObject:
    """Return the JSON object that `data` holds, as UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises LimitExceeded for more bytes than `bytes_max` or deeper nesting than JSON_DEPTH_MAX, else InvalidInput.
    """
    if len(data) > bytes_max:
        raise LimitExceeded(f"has {len(data)} bytes, {bytes_max} are allowed")
    value = _decode(_text_of(data))
    if type(value) is str:
        raise InvalidInput("is a string that holds a document: it was encoded twice")
    if type(value) is not dict:
        raise wrong_kind(dict, value, "$")
    _check_depth(value)
    return value


def wrong_kind(wanted: type, value: JsonValue, path: str) -> InvalidInput:
    """Return the error that says which kind of value stands where another is wanted."""
    return InvalidInput(f"expected {_KINDS[wanted]}, found {_KINDS[type(value)]}", path=path)


def wrong_length(text: str, chars_max: int, path: str) -> CallerError:
    """Return the error for a text that is too long or, if it is not, too short."""
    if len(text) > chars_max:
        return LimitExceeded(f"has {len(text)} characters, {chars_max} are allowed", path=path)
    return InvalidInput("must not be empty", path=path)


def _text_of(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in _BOM_UTF16 else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig")
        raise InvalidInput(f"is not text in {name}: {error.reason} at byte {error.start}") from None


def _decode(text: str) -> JsonValue:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise LimitExceeded(f"is nested deeper than {JSON_DEPTH_MAX} levels") from None
    except msgspec.DecodeError as error:
        ends = str(error) == "Input data was truncated"
        what = f"the text ends at byte {len(text.encode())}, in mid-value" if ends else str(error)
        raise InvalidInput(f"is not JSON: {what}") from None


def _check_depth(root: JsonObject) -> None:
    level: list[JsonValue] = [root]
    for _ in range(JSON_DEPTH_MAX):
        level = [child for value in level for child in _children(value) if type(child) in (dict, list)]
        if not level:
            return
    raise LimitExceeded(f"is nested deeper than {JSON_DEPTH_MAX} levels", path=_deep_path(root))


def _children(value: JsonValue) -> "list[JsonValue]":
    return list(value.values()) if type(value) is dict else value


def _deep_path(root: JsonObject) -> str:
    """Return the path of the first container that stands too deep; there is one."""
    stack: list[tuple[JsonValue, str, int]] = [(root, "$", 1)]
    while stack[-1][2] <= JSON_DEPTH_MAX:
        value, path, depth = stack.pop()
        named = value.items() if type(value) is dict else enumerate(value)
        steps = [(child, f".{name}" if type(name) is str else f"[{name}]") for name, child in named]
        inner = [(child, path + step, depth + 1) for child, step in steps if type(child) in (dict, list)]
        stack.extend(reversed(inner))
    return stack[-1][1]


class Fields:
    """The fields of one JSON object, taken one by one with their type; `rest` are those that nobody took."""

    __slots__ = ("path", "rest")

    def __init__(self, value: JsonValue, path: str) -> None:
        if type(value) is not dict:
            raise wrong_kind(dict, value, path)
        self.path = path
        self.rest: JsonObject = dict(value)

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}"

    def error(self, name: str, message: str) -> InvalidInput:
        """Return the error that names a field."""
        return InvalidInput(message, path=self.at(name))

    def take(self, name: str, kind: type) -> JsonValue:
        """Return a field of exactly that type, None if it is absent; raise InvalidInput."""
        value = self.rest.pop(name, None)
        if value is not None and type(value) is not kind:
            raise wrong_kind(kind, value, self.at(name))
        return value

    def text_or_none(self, name: str, *, chars_min: int = 0, chars_max: int = TEXT_CHARS_MAX) -> str | None:
        """Return a text, None if it is absent; raise LimitExceeded if it is too long, InvalidInput if too short."""
        value: str | None = self.take(name, str)
        if value is not None and not chars_min <= len(value) <= chars_max:
            raise wrong_length(value, chars_max, self.at(name))
        return value

    def text(self, name: str, *, chars_min: int = 0, chars_max: int = TEXT_CHARS_MAX) -> str:
        """Return a text that must be there."""
        value = self.text_or_none(name, chars_min=chars_min, chars_max=chars_max)
        if value is None:
            raise self.error(name, "is missing")
        return value

    def integer(self, name: str, default: int, *, value_max: int) -> int:
        """Return a whole number of at least 1 and at most `value_max`."""
        value = self.take(name, int)
        number: int = default if value is None else value
        if number < 1:
            raise self.error(name, f"must be at least 1, is {number}")
        if number > value_max:
            raise LimitExceeded(f"is {number}, {value_max} is allowed", path=self.at(name))
        return number

    def flag(self, name: str) -> bool | None:
        """Return true or false, None if it is absent."""
        value: bool | None = self.take(name, bool)
        return value

    def object_or_none(self, name: str) -> JsonObject | None:
        """Return an object as it stands, None if it is absent."""
        value: JsonObject | None = self.take(name, dict)
        return value

    def items(self, name: str, *, count_max: int | None = None) -> list[JsonValue]:
        """Return a list as it stands, an empty one if it is absent; raise LimitExceeded if it is too long."""
        items: list[JsonValue] = self.take(name, list) or []
        if count_max is not None and len(items) > count_max:
            raise LimitExceeded(f"has {len(items)} items, {count_max} are allowed", path=self.at(name))
        return items

    def each(self, name: str, kind: type, *, count_max: int | None = None) -> tuple[JsonValue, ...]:
        """Return a list whose elements are all of that type."""
        items = self.items(name, count_max=count_max)
        for number, item in enumerate(items):
            if type(item) is not kind:
                raise wrong_kind(kind, item, f"{self.path}.{name}[{number}]")
        return tuple(items)

    def parts(self, name: str, *, count_max: int | None = None) -> "list[Fields]":
        """Return a list of objects, each with its own path."""
        items = self.items(name, count_max=count_max)
        return [Fields(item, f"{self.path}.{name}[{number}]") for number, item in enumerate(items)]

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        """Return one of the words of `kind`; without a default it must be there."""
        word = self.text_or_none(name)
        if word is None and default is not None:
            return default
        if word is None:
            raise self.error(name, "is missing")
        try:
            return kind(word)
        except ValueError:
            raise self.error(name, f"{word[:80]!r} is none of {', '.join(kind)}") from None

    def time(self, name: str) -> dt.datetime | None:
        """Return a time in UTC, None if it is absent. A time without a zone is UTC."""
        text = self.text_or_none(name)
        if text is None:
            return None
        try:
            time = dt.datetime.fromisoformat(text)
            return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            raise self.error(name, f"{text[:80]!r} is not an ISO 8601 time") from None

    def refuse(self, *names: str) -> None:
        """Take fields for which there is no room yet; raise Unsupported if one holds anything."""
        for name in names:
            if self.rest.pop(name, None):
                raise Unsupported(f"import of {self.at(name)}")

    def reserve(self, name: str) -> None:
        """Raise InvalidInput if there is a field of a name under which imports themselves leave something over."""
        if name in self.rest:
            raise self.error(name, "is a name that imports keep for themselves")
