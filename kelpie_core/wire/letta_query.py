"""Query strings and forms in the shapes of Letta's API: pages, flags, filters. Every value is a list of texts."""

from collections.abc import Collection, Mapping, Sequence

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.ids import check_id
from kelpie_core.limits import PAGE_ITEMS_MAX
from kelpie_core.service.drafts import Page
from kelpie_core.service.import_plan import ImportOptions
from kelpie_core.wire.letta_fields import decoded, typed
from kelpie_core.wire.letta_message import MessageType, MessageTypes

Query = Mapping[str, Sequence[str]]
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def page_of(query: Query, prefix: str, *, limit: int, descending: bool) -> Page:
    """Return the page that a query asks for, `limit` and `descending` being the list's own; raise InvalidInput."""
    after, before = (_cursor(query, name, prefix) for name in ("after", "before"))
    return Page(limit=_limit(query, limit), after=after, before=before, descending=_descending(query, descending))


def flag_of(query: Query, name: str, *, default: bool) -> bool:
    """Return a flag; raise InvalidInput for a word that is none."""
    word = one_of(query, name)
    if word is None:
        return default
    if word.lower() not in _FLAGS:
        raise InvalidInput(f"expected true or false, got {word[:80]!r}", path=f"$.{name}")
    return _FLAGS[word.lower()]


def one_of(query: Query, name: str) -> str | None:
    """Return the last value of a name, None if there is none or an empty one."""
    values = query.get(name, ())
    return (values[-1] or None) if values else None


def types_of(query: Query) -> MessageTypes:
    """Return which variants of messages are asked for, None for all; raise InvalidInput."""
    words = query.get("include_return_message_types")
    if not words:
        return None
    known = {kind.value for kind in MessageType}
    for word in words:
        if word not in known:
            raise InvalidInput(f"no message has the type {word[:80]!r}", path="$.include_return_message_types")
    return frozenset(map(MessageType, words))


def refuse_filters(query: Query, names: Collection[str], operation: str) -> None:
    """Raise Unsupported for the first of the named filters that is used: a filter ignored is a wrong answer."""
    for name in names:
        if one_of(query, name) not in (None, "false"):
            raise Unsupported(f"{operation} by {name}")


def _limit(query: Query, default: int) -> int:
    word = one_of(query, "limit")
    if word is None:
        return default
    if not word.lstrip("-").isdecimal():
        raise InvalidInput(f"expected an integer, got {word[:80]!r}", path="$.limit")
    limit = int(word[:20])
    if not 1 <= limit <= PAGE_ITEMS_MAX:
        raise InvalidInput(f"must be between 1 and {PAGE_ITEMS_MAX}, got {limit}", path="$.limit")
    return limit


def _cursor(query: Query, name: str, prefix: str) -> str | None:
    value = one_of(query, name)
    return None if value is None else check_id(prefix, value, path=f"$.{name}")


def _descending(query: Query, default: bool) -> bool:
    """Return the order that is asked for: by `order`, or by `ascending` as older clients say it."""
    order = one_of(query, "order")
    if order is None:
        return not flag_of(query, "ascending", default=not default)
    if order not in ("asc", "desc"):
        raise InvalidInput(f"expected asc or desc, got {order[:80]!r}", path="$.order")
    return order == "desc"


def import_options(form: Query) -> ImportOptions:
    """Return how to import a file; older clients' names of the options count where the newer one is absent."""
    return ImportOptions(
        name=one_of(form, "name") or one_of(form, "override_name"),
        append_copy_suffix=flag_of(form, "append_copy_suffix", default=True),
        strip_messages=flag_of(form, "strip_messages", default=False),
        override_existing_tools=flag_of(form, "override_existing_tools", default=True),
        model=one_of(form, "model") or one_of(form, "override_model_handle"),
        embedding=one_of(form, "embedding") or one_of(form, "override_embedding_handle"),
        secrets=_secrets(form, "env_vars_json") | _secrets(form, "secrets") or None,
    )


def _secrets(form: Query, name: str) -> dict[str, str]:
    word = one_of(form, name)
    return {} if word is None else typed(decoded(word.encode(), f"$.{name}"), dict[str, str], f"$.{name}")
