"""The builtin memory tools, as pure functions: a block's value and the model's arguments in, a new value out.

The driver applies them inside the commit that stores their returns, against the block as it then is. So agents that
edit one shared block at once never overwrite each other: an edit is an operation, not a value.
"""

from collections.abc import Callable, Mapping

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import BLOCK_LIMIT_CHARS_DEFAULT, LABEL_CHARS_MAX
from kelpie_core.model.block import Block


class EditRefused(Exception):
    """The edit cannot be made; the text goes to the model as the call's error return."""


@attrs.frozen(kw_only=True)
class NewBlock:
    """A block that is to be made, and given to the agent."""

    label: str
    value: str
    description: str | None


@attrs.frozen(kw_only=True)
class Edited:
    """What a memory tool did, and the words for the model.

    `block` is the block as it is now to be stored, `made` one that is to be made, `dropped` one that the agent no
    longer has; None where there is none.
    """

    words: str
    block: Block | None = None
    made: NewBlock | None = None
    dropped: Block | None = None


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


def _command(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    """Do what the one tool for all of memory is told: its blocks are files, their labels the paths."""
    command = _text(arguments, "command")
    if command not in _COMMANDS:
        raise EditRefused(f"there is no command {command[:80]!r}; there are: {', '.join(_COMMANDS)}")
    return _COMMANDS[command](arguments, blocks)


def _create(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    label, value = _new_label(arguments, "path", blocks), _text(arguments, "file_text", default="")
    if len(value) > BLOCK_LIMIT_CHARS_DEFAULT:
        raise EditRefused(f"file_text has {len(value)} characters, {BLOCK_LIMIT_CHARS_DEFAULT} are allowed")
    description = _text(arguments, "description", default="") or None
    return Edited(made=NewBlock(label=label, value=value, description=description), words=f"Created {label!r}.")


def _command_replace(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    old, new = (
        next((arguments[key] for key in keys if arguments.get(key) is not None), "")
        for keys in (("old_string", "old_str"), ("new_string", "new_str"))
    )
    return _replace({"label": _label(arguments, "path"), "old_string": old, "new_string": new}, blocks)


def _command_insert(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    given = {"label": _label(arguments, "path"), "new_string": _text(arguments, "insert_text")}
    line = arguments.get("insert_line")  # models fill in what they do not need with null
    return _insert(given if line is None else given | {"insert_line": line}, blocks)


def _delete(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    block = _block({"label": _label(arguments, "path")}, blocks)
    return Edited(dropped=block, words=f"Deleted {block.label!r}.")


def _rename(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    """Give a block another label; with a path and a description, another description."""
    if arguments.get("old_path") is None and arguments.get("path") is not None:
        block = _block({"label": _label(arguments, "path")}, blocks)
        return Edited(
            block=attrs.evolve(block, description=_text(arguments, "description")), words=f"Described {block.label!r}."
        )
    block = _block({"label": _label(arguments, "old_path")}, blocks)
    label = _new_label(arguments, "new_path", blocks)
    return Edited(block=attrs.evolve(block, label=label), words=f"Renamed {block.label!r} to {label!r}.")


_COMMANDS: dict[str, Callable[[JsonObject, Mapping[str, Block]], Edited]] = {
    "create": _create,
    "str_replace": _command_replace,
    "insert": _command_insert,
    "delete": _delete,
    "rename": _rename,
}


def _label(arguments: JsonObject, name: str) -> str:
    """Return the label that a path names: it may be written as lying under /memories."""
    return _text(arguments, name).removeprefix("/memories").strip("/")


def _new_label(arguments: JsonObject, name: str, blocks: Mapping[str, Block]) -> str:
    label = _label(arguments, name)
    if not 1 <= len(label) <= LABEL_CHARS_MAX:
        raise EditRefused(f"{name} must name a memory block in 1 to {LABEL_CHARS_MAX} characters")
    if label in blocks:
        raise EditRefused(f"there is a memory block {label!r} already")
    return label


def _finish_edits(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    return Edited(words="Done.")


def _send_message(arguments: JsonObject, blocks: Mapping[str, Block]) -> Edited:
    _text(arguments, "message")
    return Edited(words="Sent.")


def _text(arguments: JsonObject, name: str, *, default: str | None = None) -> str:
    value = arguments.get(name)
    if value is None:
        value = default
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
    "memory": _command,
}
MEMORY_TOOLS = frozenset(_TOOLS)
