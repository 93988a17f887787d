"""The schema of a tool from its source."""

import json

import pytest

from kelpie_core.errors import InvalidInput
from kelpie_core.limits import TOOL_SOURCE_CHARS_MAX
from kelpie_core.tool_schema import BadToolSource, derive_schema, takes_agent_state

ADD = '''
def bench_add(a: int, b: int) -> int:
    """Add.

    Args:
        a (int): one
        b (int): other
    """
    return a
'''
CLASSES = '''
from enum import Enum
class Colour(Enum):
    """A colour."""
    RED = "red"
    BLUE = "blue"
class Base(BaseModel):
    x: int = Field(..., description="how far")
    y: float = 1.5
class Dot(Base):
    x: str
    tags: list[str] = Field(default_factory=list)
    size: int = Field(description="how big")
    z: int = ...
    LIMIT = 3
@dataclass(frozen=True)
class Line:
    first: "Dot"
    colour: Colour | None = None
class Plain:
    pass
class Loop(TypedDict):
    inner: "Loop"
class Ring(Ring):
    n: int
'''


def properties(hint, classes=""):
    """Return the schema of an argument with that annotation."""
    schema = derive_schema(f'{classes}\ndef f(a: {hint}):\n    """Do."""')
    return schema["parameters"]["properties"]["a"]


def test_schema_is_as_the_reference_has_it():
    """A plain function gives the shape that clients know."""
    number = {"type": "integer"}
    fields = {"a": {**number, "description": "one"}, "b": {**number, "description": "other"}}
    expected = {
        "name": "bench_add",
        "description": "Add.",
        "parameters": {"type": "object", "properties": fields, "required": ["a", "b"]},
    }
    assert expected == derive_schema(ADD)
    assert "Mine." == derive_schema(ADD, description="Mine.")["description"]


def test_the_last_function_is_the_tool():
    """Helpers stand before the tool; async functions are tools like others; methods are not."""
    source = 'def helper(): pass\nasync def tool(): "Do."\nclass C:\n    def method(self): "No."'
    assert "tool" == derive_schema(source)["name"]


def test_required_and_offered_arguments():
    """What has a default is not required; what the server fills in is not shown at all."""
    source = (
        "def f(self, agent_state: AgentState, client, request_heartbeat: bool, a: int, /, b: str, *rest, c: int = 1, "
        "d: float, **more):\n    'Do.'"
    )
    parameters = derive_schema(source)["parameters"]
    assert (["a", "b", "c", "d"], ["a", "b", "d"]) == (list(parameters["properties"]), parameters["required"])


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("str", {"type": "string"}),
        ("bool", {"type": "boolean"}),
        ("float", {"type": "number"}),
        ("Any", {}),
        ("None", {"type": "null"}),
        ("datetime.datetime", {"type": "string", "format": "date-time"}),
        ("list", {"type": "array", "items": {}}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("typing.List['str']", {"type": "array", "items": {"type": "string"}}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        ("tuple[int, str]", {"type": "array", "items": {}}),
        ("dict", {"type": "object"}),
        ("Dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Optional[int]", {"type": "integer"}),
        ("int | None", {"type": "integer"}),
        ("Union[int, str, None]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("int | str | int", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Union[None]", {"type": "null"}),
        ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
        ("Literal[1, 'b']", {"enum": [1, "b"]}),
        ("Annotated[int, 5, Field(description='how many')]", {"type": "integer", "description": "how many"}),
        ("Annotated[int, Field(ge=1)]", {"type": "integer"}),
        ("Colour", {"type": "string", "enum": ["red", "blue"]}),
    ],
)
def test_types(hint, expected):
    """Each annotation has its schema; that a value may be None is told by its default."""
    assert expected == properties(hint, CLASSES)


def test_classes_of_the_source():
    """A class of the source is an object of its fields, those it inherits among them."""
    dot = {
        "type": "object",
        "properties": {
            "x": {"type": "string"},
            "y": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "size": {"type": "integer", "description": "how big"},
            "z": {"type": "integer"},
        },
        "required": ["x", "size", "z"],
    }
    colour = {"type": "string", "enum": ["red", "blue"]}
    line = {"type": "object", "properties": {"first": dot, "colour": colour}, "required": ["first"]}
    assert line == properties("Line", CLASSES)
    base = {"x": {"type": "integer", "description": "how far"}, "y": {"type": "number"}}
    assert {"type": "object", "properties": base, "required": ["x"]} == properties("Base", CLASSES)
    assert {"n": {"type": "integer"}} == properties("Ring", CLASSES)["properties"]


def test_schema_of_the_client():
    """A schema of the arguments goes before the annotations, its references written out."""
    given = {
        "properties": {
            "data": {"$ref": "#/$defs/Entry", "description": "what"},
            "count": {"type": "integer"},
            "agent_state": {"type": "object"},
        },
        "required": ["data", "agent_state"],
        "$defs": {
            "Entry": {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}}},
            "Item": {"type": "string"},
        },
    }
    source = 'def f(self, data: InventoryEntry, count: int):\n    """Do.\n\n    Args:\n        count: how many\n    """'
    entry = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "string"}}}}
    expected = {
        "type": "object",
        "properties": {
            "data": {**entry, "description": "what"},
            "count": {"description": "how many", "type": "integer"},
        },
        "required": ["data"],
    }
    assert expected == derive_schema(source, args_json_schema=given)["parameters"]
    assert ["a", "b"] == derive_schema(ADD, args_json_schema={})["parameters"]["required"]


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        ({}, "refers to Entry, which it does not define"),
        ({"Entry": {"properties": {"next": {"$ref": "#/$defs/Entry"}}}}, "refers to itself"),
    ],
)
def test_schema_of_the_client_that_is_not_sound(definitions, words):
    """References that lead nowhere, or round and round, are refused."""
    given = {"properties": {"a": {"$ref": "#/$defs/Entry"}}, "$defs": definitions}
    with pytest.raises(BadToolSource, match=words):
        derive_schema(ADD, args_json_schema=given)


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        ("def f(:", "Failed to parse source code: ", 1),
        ("x = 1\n\0", "Failed to parse source code: source code string cannot contain null bytes", None),
        ("x = 1", "the source has no function on its top level", None),
        ("x" * (TOOL_SOURCE_CHARS_MAX + 1), "it has 1000001 characters", None),
        ("\ndef x(): pass", "Function x missing docstring", 2),
        ("def f(\n  a):\n  'Do.'", "Parameter a in function f lacks a type annotation", 2),
        ("def f(a: Nowhere):\n  'Do.'", "the type Nowhere is neither known nor a class of the source", 1),
        ("def f(a: Box[int]):\n  'Do.'", r"cannot read the type Box\[...\]", 1),
        ("def f(a: 'x y'):\n  'Do.'", "cannot read the type 'x y'", 1),
        ("def f(a: g()):\n  'Do.'", r"cannot read the type g\(\)", 1),
        ("def f(a: Literal[g()]):\n  'Do.'", r"g\(\) is not a plain value", 1),
        (CLASSES + "def f(a: Plain):\n  'Do.'", "Plain is a class without declared fields", 20),
        (CLASSES + "def f(a: Loop):\n  'Do.'", "the type Loop contains itself", 22),
        ("def f(a: " + "int | " * 700 + "int):\n  'Do.'", "nested too deep|Failed to parse", None),
        ("def f(a: " + "int | " * 9_000 + "int):\n  'Do.'", "nested too deep|Failed to parse", None),
    ],
)
def test_source_that_is_no_tool(source, words, line):
    """What is wrong with a source is said with its line; it is the caller's input that is at fault."""
    with pytest.raises(BadToolSource, match=f"Failed to derive json schema: .*({words})") as caught:
        derive_schema(source)
    assert isinstance(caught.value, InvalidInput)
    if line is not None:
        assert (line, f"(line {line})") == (caught.value.line, str(caught.value)[-len(f"(line {line})") :])


def test_schema_can_be_sent():
    """Whatever is derived is JSON."""
    assert derive_schema(ADD) == json.loads(json.dumps(derive_schema(ADD)))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(agent_state): pass", True),
        ("def f(*, agent_state: 'AgentState'): pass", True),
        ("def f(a): return agent_state", False),
        ("def f(agent_state): pass\ndef g(): pass", False),
    ],
)
def test_asking_for_the_agent(source, expected):
    """A tool asks for the agent by an argument of that name."""
    assert expected is takes_agent_state(source)
