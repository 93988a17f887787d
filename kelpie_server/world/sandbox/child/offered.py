"""What a tool is handed: the agent as `agent_state`, and objects whose fields can be read as attributes.

Of the agent only the values of its memory blocks can be changed. Everything else raises, so that no change is lost in
silence.
"""

from collections.abc import Iterator
from typing import Any

# JSON of unknown shape has no better type.
Json = Any
JsonObject = dict[str, Any]

CHANGEABLE = "only the values of memory blocks can be changed"


class Fields(dict):  # type: ignore[type-arg]
    """A JSON object that is read by key and by attribute alike."""

    def __getattr__(self, name: str) -> Json:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no field {name!r}; there are: {', '.join(self)}") from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


class ReadOnly(Fields):
    """The same, but it cannot be changed."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise AttributeError(f"agent_state: {CHANGEABLE}")

    __setattr__ = __setitem__ = __delitem__ = __delattr__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse  # type: ignore[assignment]


class Block:
    """A memory block. Its value can be set."""

    def __init__(self, fields: JsonObject) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "value":
            raise AttributeError(f"memory block {self.label!r}: {CHANGEABLE}, not its {name}")
        if not isinstance(value, str):
            raise TypeError(f"memory block {self.label!r}: a value must be a text, not {type(value).__name__}")
        self.__dict__["value"] = value

    def __getattr__(self, name: str) -> Json:
        raise AttributeError(f"a memory block has no {name!r}")

    def __str__(self) -> str:
        return str(self.value)


class Memory:
    """The blocks of an agent."""

    def __init__(self, blocks: "list[JsonObject]") -> None:
        self.__dict__["blocks"] = tuple(map(Block, blocks))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"agent_state.memory: {CHANGEABLE}")

    def get_block(self, label: str) -> Block:
        """Return the block of a label; raise KeyError."""
        for block in self.get_blocks():
            if block.label == label:
                return block
        raise KeyError(f"there is no memory block {label!r}; there are: {', '.join(self.list_block_labels())}")

    def get_blocks(self) -> "list[Block]":
        """Return all blocks."""
        return list(self.__dict__["blocks"])

    def list_block_labels(self) -> "list[str]":
        """Return the labels."""
        return [block.label for block in self.get_blocks()]

    def update_block_value(self, label: str, value: str) -> None:
        """Give a block a new value; raise KeyError, TypeError for a value that is no text."""
        self.get_block(label).value = value

    def set_block(self, *_: object) -> None:
        """Raise: a tool cannot make blocks."""
        raise AttributeError(f"agent_state.memory: {CHANGEABLE}, none can be added")

    def __iter__(self) -> "Iterator[Block]":
        return iter(self.get_blocks())


def agent_state(state: JsonObject) -> ReadOnly:
    """Return the object for the agent."""
    fields = {name: _frozen(value) for name, value in state.items() if name != "memory"}
    return ReadOnly({**fields, "memory": Memory(state["memory"]["blocks"])})


def edits(offered: ReadOnly, state: JsonObject) -> "dict[str, str]":
    """Return the blocks whose value differs from what was offered, by label."""
    before = {block["label"]: block["value"] for block in state["memory"]["blocks"]}
    return {block.label: block.value for block in offered["memory"] if block.value != before[block.label]}


def attributed(value: Json) -> Json:
    """Return a JSON value whose objects can be read by attribute too."""
    if isinstance(value, dict):
        return Fields({name: attributed(inner) for name, inner in value.items()})
    return [attributed(inner) for inner in value] if isinstance(value, list) else value


def _frozen(value: Json) -> Json:
    if isinstance(value, dict):
        return ReadOnly({name: _frozen(inner) for name, inner in value.items()})
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
