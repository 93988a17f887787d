"""The builtin memory tools, as pure functions: a block's value and the model's arguments in, a new value out.

The driver applies them inside the commit that stores their returns, against the block as it then is. So agents that
edit one shared block at once never overwrite each other: an edit is an operation, not a value.
"""

from collections.abc import Callable, Mapping

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.block import Block


class EditRefused(Exception):
    """The edit cannot be made; the text goes to the model as the call's error return."""


@attrs.frozen(kw_only=True)
class Edited:
    """What a memory tool did: the block with its new value (None: nothing to store), and the words for the model."""

    block: Block | None
    words: str


def edit(name: str, arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    """Return what the builtin tool `name` does to the blocks (by label); raise EditRefused if it cannot."""
    return _TOOLS[name](arguments, blocks)


def _append(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    block = _block(arguments, blocks)
    content = _text(arguments, "content")
    return _changed(block, f"{block.value}\n{content}" if block.value else content)


def _core_replace(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    block = _block(arguments, blocks)
    old, new = _text(arguments, "old_content"), _text(arguments, "new_content")
    if not old or old not in block.value:
        raise EditRefused(f"old_content was not found in memory block {block.label!r}")
    return _changed(block, block.value.replace(old, new))


def _replace(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    block = _block(arguments, blocks)
    old, new = _text(arguments, "old_string"), _text(arguments, "new_string")
    found = block.value.count(old) if old else 0
    if found != 1:
        raise EditRefused(
            f"old_string must occur exactly once in memory block {block.label!r}, it occurs {found} times"
        )
    return _changed(block, block.value.replace(old, new))


def _insert(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    block = _block(arguments, blocks)
    new, line = _text(arguments, "new_string"), arguments.get("insert_line", -1)
    lines = block.value.split("\n") if block.value else []
    if isinstance(line, bool) or not isinstance(line, int) or not -1 <= line <= len(lines):
        raise EditRefused(f"insert_line must be a whole number from -1 (the end) to {len(lines)}")
    at = len(lines) if line == -1 else line
    return _changed(block, "\n".join((*lines[:at], new, *lines[at:])))


def _rethink(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    return _changed(_block(arguments, blocks), _text(arguments, "new_memory"))


def _finish_edits(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    return Edited(block=None, words="Done.")


def _send_message(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    _text(arguments, "message")
    return Edited(block=None, words="Sent.")


def _text(arguments: JsonObject, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise EditRefused(f"argument {name!r} must be a text")
    return value


def _block(arguments: JsonObject, blocks: Mapping[str, Block]) -> Block:
    label = _text(arguments, "label")
    block = blocks.get(label)
    if block is None:
        raise EditRefused(f"there is no memory block {label!r}; there are: {', '.join(blocks) or 'none'}")
    if block.read_only:
        raise EditRefused(f"memory block {label!r} is read-only")
    return block


def _changed(block: Block, value: str) -> Edited:
    if len(value) > block.limit:
        raise EditRefused(
            f"memory block {block.label!r} would have {len(value)} characters, its limit is {block.limit}"
        )
    return Edited(block=attrs.evolve(block, value=value), words=value)


_TOOLS: dict[str, Callable[[JsonObject, Mapping[str, Block]], Edited]] = {
    "core_memory_append": _append,
    "core_memory_replace": _core_replace,
    "memory_insert": _insert,
    "memory_replace": _replace,
    "memory_rethink": _rethink,
    "memory_finish_edits": _finish_edits,
    "send_message": _send_message,
}
MEMORY_TOOLS = frozenset(_TOOLS)
