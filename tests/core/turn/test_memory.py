"""The builtin memory tools: each with good and refused arguments."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.json_types import JsonObject
from kelpie_core.limits import BLOCK_LIMIT_CHARS_DEFAULT, LABEL_CHARS_MAX
from kelpie_core.model.block import Block
from kelpie_core.turn.memory import MEMORY_TOOLS, Edited, EditRefused, NewBlock, edit
from tests.twins import NOON

HUMAN = Block(
    id="block-1",
    organization_id="o",
    created_by_id="u",
    label="human",
    value="one\ntwo\ntwo",
    limit=20,
    created_at=NOON,
    updated_at=NOON,
)
EMPTY = attrs.evolve(HUMAN, id="block-2", label="empty", value="")
RULES = attrs.evolve(HUMAN, id="block-3", label="rules", read_only=True)
BLOCKS = {block.label: block for block in (HUMAN, EMPTY, RULES)}

# tool, arguments beside the label, value afterwards
GOOD: list[tuple[str, str, JsonObject, str]] = [
    ("core_memory_append", "human", {"content": "three"}, "one\ntwo\ntwo\nthree"),
    ("core_memory_append", "empty", {"content": "three"}, "three"),
    ("core_memory_append", "empty", {"content": "x" * 20}, "x" * 20),
    ("core_memory_replace", "human", {"old_content": "two", "new_content": "2"}, "one\n2\n2"),
    ("core_memory_replace", "human", {"old_content": "one\n", "new_content": ""}, "two\ntwo"),
    ("memory_replace", "human", {"old_string": "one", "new_string": "1"}, "1\ntwo\ntwo"),
    ("memory_replace", "human", {"old_string": "one\n", "new_string": ""}, "two\ntwo"),
    ("memory_insert", "human", {"new_string": "new"}, "one\ntwo\ntwo\nnew"),
    ("memory_insert", "human", {"new_string": "new", "insert_line": -1}, "one\ntwo\ntwo\nnew"),
    ("memory_insert", "human", {"new_string": "new", "insert_line": 0}, "new\none\ntwo\ntwo"),
    ("memory_insert", "human", {"new_string": "new", "insert_line": 1}, "one\nnew\ntwo\ntwo"),
    ("memory_insert", "human", {"new_string": "new", "insert_line": 3}, "one\ntwo\ntwo\nnew"),
    ("memory_insert", "empty", {"new_string": "new", "insert_line": 0}, "new"),
    ("memory_rethink", "human", {"new_memory": "all new"}, "all new"),
    ("memory_rethink", "human", {"new_memory": ""}, ""),
]

# tool, arguments, what the model is told
REFUSED: list[tuple[str, JsonObject, str]] = [
    ("core_memory_append", {}, "argument 'label' must be a text"),
    ("core_memory_append", {"label": 3, "content": "x"}, "argument 'label' must be a text"),
    ("core_memory_append", {"label": "human"}, "argument 'content' must be a text"),
    (
        "core_memory_append",
        {"label": "persona", "content": "x"},
        "there is no memory block 'persona'; there are: human, empty, rules",
    ),
    ("core_memory_append", {"label": "rules", "content": "x"}, "memory block 'rules' is read-only"),
    (
        "core_memory_append",
        {"label": "human", "content": "x" * 9},
        "memory block 'human' would have 21 characters, its limit is 20",
    ),
    (
        "core_memory_replace",
        {"label": "human", "old_content": "four", "new_content": ""},
        "old_content was not found in memory block 'human'",
    ),
    (
        "core_memory_replace",
        {"label": "human", "old_content": "", "new_content": "x"},
        "old_content was not found in memory block 'human'",
    ),
    ("core_memory_replace", {"label": "human", "old_content": "one"}, "argument 'new_content' must be a text"),
    (
        "memory_replace",
        {"label": "human", "old_string": "two", "new_string": "2"},
        "old_string must occur exactly once in memory block 'human', it occurs 2 times",
    ),
    (
        "memory_replace",
        {"label": "human", "old_string": "", "new_string": "2"},
        "old_string must occur exactly once in memory block 'human', it occurs 0 times",
    ),
    ("memory_replace", {"label": "human", "new_string": "2"}, "argument 'old_string' must be a text"),
    ("memory_insert", {"label": "human"}, "argument 'new_string' must be a text"),
    ("memory_rethink", {"label": "human"}, "argument 'new_memory' must be a text"),
    (
        "memory_rethink",
        {"label": "human", "new_memory": "x" * 21},
        "memory block 'human' would have 21 characters, its limit is 20",
    ),
    ("memory_rethink", {"label": "rules", "new_memory": "x"}, "memory block 'rules' is read-only"),
    ("send_message", {"message": None}, "argument 'message' must be a text"),
]
LINE_WORDS = "insert_line must be a whole number from -1 (the end) to 3"


@pytest.mark.parametrize(("tool", "label", "arguments", "expected"), GOOD)
def test_edit_is_made(tool: str, label: str, arguments: JsonObject, expected: str) -> None:
    """The block has the new value and nothing else new; the model is told the value."""
    block = attrs.evolve(BLOCKS[label], value=expected)
    assert Edited(block=block, words=expected) == edit(tool, {"label": label, **arguments}, BLOCKS)


@pytest.mark.parametrize(("tool", "arguments", "words"), REFUSED)
def test_edit_is_refused(tool: str, arguments: JsonObject, words: str) -> None:
    """What cannot be done is refused, in words that help the model."""
    with pytest.raises(EditRefused) as caught:
        edit(tool, arguments, BLOCKS)
    assert words == str(caught.value)


@pytest.mark.parametrize("line", [-2, 4, 1.0, "1", None, True])
def test_insert_refuses_other_lines(line: object) -> None:
    """A line is a whole number within the block."""
    with pytest.raises(EditRefused) as caught:
        edit("memory_insert", {"label": "human", "new_string": "x", "insert_line": line}, BLOCKS)
    assert LINE_WORDS == str(caught.value)


def test_agent_without_blocks_is_told_so() -> None:
    """An agent that has no memory is told that there is none."""
    with pytest.raises(EditRefused) as caught:
        edit("memory_rethink", {"label": "human", "new_memory": "x"}, {})
    assert "there is no memory block 'human'; there are: none" == str(caught.value)


def test_tools_that_edit_nothing() -> None:
    """Finishing the edits and sending a message only answer."""
    assert Edited(words="Done.") == edit("memory_finish_edits", {}, BLOCKS)
    assert Edited(words="Sent.") == edit("send_message", {"message": "hi"}, BLOCKS)


def test_every_tool_is_tested() -> None:
    """The tables here and the two that edit nothing are all there are."""
    assert MEMORY_TOOLS == {*(row[0] for row in GOOD), "memory", "memory_finish_edits", "send_message"}


@given(
    tool=st.sampled_from(sorted(MEMORY_TOOLS)),
    arguments=st.dictionaries(
        st.sampled_from(
            ("label", "content", "old_content", "new_content", "old_string", "new_string", "new_memory", "insert_line")
        ),
        st.one_of(st.sampled_from(("human", "empty", "rules", "one", "two", "x" * 21)), st.integers(-2, 4), st.none()),
    ),
)
def test_no_argument_breaks_a_limit(tool: str, arguments: JsonObject) -> None:
    """Whatever the model asks for, a block that is changed was there, was not read-only, and stays within its limit."""
    try:
        edited = edit(tool, arguments, BLOCKS)
    except EditRefused:
        edited = Edited(words="")
    if edited.block is not None:
        before = BLOCKS[edited.block.label]
        assert edited.block == attrs.evolve(before, value=edited.block.value)
        assert (False, True) == (before.read_only, len(edited.block.value) <= before.limit)


def command(name: str, **arguments: object) -> JsonObject:
    """Return the arguments of the one tool for all of memory; nulls stand for what a model does not need."""
    return {"command": name, "file_text": None, "insert_line": None, "old_path": None, **arguments}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            command("create", path="notes"),
            Edited(made=NewBlock(label="notes", value="", description=None), words="Created 'notes'."),
        ),
        (
            command("create", path="/memories/work/plan", file_text="x", description="d"),
            Edited(made=NewBlock(label="work/plan", value="x", description="d"), words="Created 'work/plan'."),
        ),
        (
            command("str_replace", path="human", old_string="one", new_string="1"),
            Edited(block=attrs.evolve(HUMAN, value="1\ntwo\ntwo"), words="1\ntwo\ntwo"),
        ),
        (
            command("str_replace", path="/memories/human", old_str="one\n", new_str=None),
            Edited(block=attrs.evolve(HUMAN, value="two\ntwo"), words="two\ntwo"),
        ),
        (
            command("insert", path="empty", insert_text="x"),
            Edited(block=attrs.evolve(EMPTY, value="x"), words="x"),
        ),
        (
            command("insert", path="human", insert_line=0, insert_text="x"),
            Edited(block=attrs.evolve(HUMAN, value="x\none\ntwo\ntwo"), words="x\none\ntwo\ntwo"),
        ),
        (command("delete", path="human"), Edited(dropped=HUMAN, words="Deleted 'human'.")),
        (
            command("rename", old_path="human", new_path="/memories/person"),
            Edited(block=attrs.evolve(HUMAN, label="person"), words="Renamed 'human' to 'person'."),
        ),
        (
            command("rename", path="human", description="d"),
            Edited(block=attrs.evolve(HUMAN, description="d"), words="Described 'human'."),
        ),
    ],
)
def test_command_is_done(arguments: JsonObject, expected: Edited) -> None:
    """The one tool for all of memory makes, edits, drops and renames blocks, named as files or by their labels."""
    assert expected == edit("memory", arguments, BLOCKS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "argument 'command' must be a text"),
        (
            command("view", path="human"),
            "there is no command 'view'; there are: create, str_replace, insert, delete, rename",
        ),
        (command("create"), "argument 'path' must be a text"),
        (command("create", path="human"), "there is a memory block 'human' already"),
        (command("create", path="/memories/"), f"path must name a memory block in 1 to {LABEL_CHARS_MAX} characters"),
        (
            command("create", path="x" * (LABEL_CHARS_MAX + 1)),
            f"path must name a memory block in 1 to {LABEL_CHARS_MAX} characters",
        ),
        (
            command("create", path="x", file_text="x" * (BLOCK_LIMIT_CHARS_DEFAULT + 1)),
            f"file_text has {BLOCK_LIMIT_CHARS_DEFAULT + 1} characters, {BLOCK_LIMIT_CHARS_DEFAULT} are allowed",
        ),
        (command("create", path="x", file_text=5), "argument 'file_text' must be a text"),
        (
            command("str_replace", path="human"),
            "old_string must occur exactly once in memory block 'human', it occurs 0 times",
        ),
        (command("insert", path="human", insert_text="x", insert_line=4), LINE_WORDS),
        (command("insert", path="human"), "argument 'insert_text' must be a text"),
        (command("delete", path="rules"), "memory block 'rules' is read-only"),
        (command("delete", path="nowhere"), "there is no memory block 'nowhere'; there are: human, empty, rules"),
        (command("rename", old_path="human", new_path="empty"), "there is a memory block 'empty' already"),
        (command("rename", old_path="rules", new_path="x"), "memory block 'rules' is read-only"),
        (command("rename"), "argument 'old_path' must be a text"),
        (command("rename", path="human"), "argument 'description' must be a text"),
    ],
)
def test_command_is_refused(arguments: JsonObject, words: str) -> None:
    """What cannot be done is refused, in words that help the model."""
    with pytest.raises(EditRefused) as caught:
        edit("memory", arguments, BLOCKS)
    assert words == str(caught.value)
