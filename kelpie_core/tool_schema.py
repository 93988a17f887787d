"""The JSON schema of a tool from its Python source, read and never run.

The tool is the last function of the module. What it takes is told by its annotations and defaults, what that means by
its docstring. Arguments that the server fills in (`agent_state`, ...) are not the model's. Classes of the source (an
Enum, a dataclass, a TypedDict, a pydantic model) are objects of their fields; a class that is not there is described by
`args_json_schema`, which the client derives where the class lives.
"""

import ast
from collections.abc import Mapping

import attrs

from kelpie_core.errors import InvalidInput
from kelpie_core.json_types import JsonObject, JsonValue
from kelpie_core.limits import JSON_DEPTH_MAX, TOOL_SOURCE_CHARS_MAX
from kelpie_core.tool_docstring import Described, read_docstring

# What the server hands to a function that asks for it, or what is no argument at all.
OFFERED = ("self", "cls", "agent_state", "client", "request_heartbeat")
FOREIGN_SOURCES = ("typescript", "javascript")
_SCALARS: dict[str, JsonObject] = {
    "str": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}, "bool": {"type": "boolean"},
    "Any": {}, "object": {}, "None": {"type": "null"}, "bytes": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"}, "date": {"type": "string", "format": "date"},
    "UUID": {"type": "string", "format": "uuid"}, "Decimal": {"type": "number"},
}  # fmt: skip
_LISTS = ("list", "List", "Sequence", "Iterable", "set", "Set", "frozenset", "tuple", "Tuple")
_OBJECTS = ("dict", "Dict", "Mapping", "MutableMapping")
_ENUMS = ("Enum", "StrEnum", "IntEnum")
_RECORDS = ("BaseModel", "TypedDict", "NamedTuple")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class BadToolSource(InvalidInput):
    """The source of a tool cannot be read as one. `line` is where, None if nowhere in particular."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        place = "" if line is None else f" (line {line})"
        super().__init__(f"Failed to derive json schema: {message}{place}")
        self.line = line


def derive_schema(
    source: str, *, description: str | None = None, args_json_schema: JsonObject | None = None
) -> JsonObject:
    """Return the schema, as {"name", "description", "parameters"}.

    `description` goes before the docstring, `args_json_schema` before annotations. Raises BadToolSource.
    """
    tree = _parsed(source)
    function = _last_function(tree)
    try:
        return _derived(tree, function, description, args_json_schema)
    except RecursionError:
        raise BadToolSource("the types are nested too deep", line=function.lineno) from None


def _derived(
    tree: ast.Module, function: _Function, description: str | None, args_json_schema: JsonObject | None
) -> JsonObject:
    described = read_docstring(ast.get_docstring(function) or "")
    text = description or described.text
    if not text:
        raise BadToolSource(f"Function {function.name} missing docstring", line=function.lineno)
    if args_json_schema and args_json_schema.get("properties"):
        parameters = _given(args_json_schema, described)
    else:
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        parameters = _Reader(classes).parameters(function, described)
    return {"name": function.name, "description": text, "parameters": parameters}


def takes_agent_state(source: str) -> bool:
    """Return whether the tool's function asks for `agent_state`; raise BadToolSource."""
    return any(argument.arg == "agent_state" for argument in _arguments(_last_function(_parsed(source))))


def _parsed(source: str) -> ast.Module:
    if len(source) > TOOL_SOURCE_CHARS_MAX:
        raise BadToolSource(f"it has {len(source)} characters, {TOOL_SOURCE_CHARS_MAX} are allowed")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BadToolSource(f"Failed to parse source code: {error.msg}", line=error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadToolSource(f"Failed to parse source code: {error}") from None


def _last_function(tree: ast.Module) -> _Function:
    functions = [node for node in tree.body if isinstance(node, _Function)]
    if not functions:
        raise BadToolSource("the source has no function on its top level")
    return functions[-1]


def _arguments(function: _Function) -> list[ast.arg]:
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def _given(schema: JsonObject, described: Described) -> JsonObject:
    """Return the client's own schema of the arguments, with the docstring's words where it has none."""
    properties = {
        name: {"description": described.arguments[name], **field} if name in described.arguments else field
        for name, field in _resolved(schema, schema.get("$defs", {}), 0)["properties"].items()
        if name not in OFFERED
    }
    required = [name for name in schema.get("required", ()) if name in properties]
    return {"type": "object", "properties": properties, "required": required}


def _resolved(value: JsonValue, definitions: Mapping[str, JsonValue], depth: int) -> JsonValue:
    """Return a schema with its references written out: not every model's provider follows them."""
    if depth > JSON_DEPTH_MAX:
        raise BadToolSource("args_json_schema refers to itself, or is nested too deep")
    if isinstance(value, list):
        return [_resolved(one, definitions, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).removeprefix("#/$defs/")
    if name:
        if name not in definitions:
            raise BadToolSource(f"args_json_schema refers to {name}, which it does not define")
        merged = {**definitions[name], **{key: one for key, one in value.items() if key != "$ref"}}
        return _resolved(merged, definitions, depth + 1)
    return {key: _resolved(one, definitions, depth + 1) for key, one in value.items() if key != "$defs"}


@attrs.frozen
class _Reader:
    """Reads annotations, with the classes of the source at hand."""

    _classes: Mapping[str, ast.ClassDef]
    _within: tuple[str, ...] = ()

    def parameters(self, function: _Function, described: Described) -> JsonObject:
        """Return the schema of a function's arguments; raise BadToolSource for one that says nothing of its type."""
        given = function.args
        plain = [*given.posonlyargs, *given.args]
        defaulted = {argument.arg for argument in plain[len(plain) - len(given.defaults) :]}
        defaulted |= {one.arg for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value}
        properties, required = {}, []
        for argument in _arguments(function):
            name = argument.arg
            if name in OFFERED:
                continue
            if argument.annotation is None:
                raise BadToolSource(
                    f"Parameter {name} in function {function.name} lacks a type annotation", line=argument.lineno
                )
            words = described.arguments.get(name)
            kind = self.kind(argument.annotation)
            properties[name] = kind if words is None else {**kind, "description": words}
            if name not in defaulted:
                required.append(name)
        return {"type": "object", "properties": properties, "required": required}

    def kind(self, node: ast.expr) -> JsonObject:
        """Return the schema of an annotation; raise BadToolSource for one that means nothing here."""
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str() as text):
                return self.kind(_expression(text, node.lineno))
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._named(name, node)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._one_of([left, right])
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
                return self._subscript(name, inner)
        raise BadToolSource(f"cannot read the type {ast.unparse(node)}", line=node.lineno)

    def _named(self, name: str, node: ast.expr) -> JsonObject:
        if name in _SCALARS:
            return dict(_SCALARS[name])
        if name in _LISTS:
            return {"type": "array", "items": {}}
        if name in _OBJECTS:
            return {"type": "object"}
        if name in self._classes:
            return self._object(self._classes[name])
        words = f"the type {name} is neither known nor a class of the source: send args_json_schema or json_schema"
        raise BadToolSource(words, line=node.lineno)

    def _subscript(self, name: str, inner: ast.expr) -> JsonObject:
        several = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if name in ("Optional", "Union"):
            return self._one_of(several)
        if name == "Annotated":
            return self._annotated(several)
        if name == "Literal":
            return _literal([self._constant(one) for one in several])
        if name in _OBJECTS:
            return {"type": "object", "additionalProperties": self.kind(several[-1])}
        if name in _LISTS:
            kinds = [self.kind(one) for one in several if not _is_ellipsis(one)]
            return {"type": "array", "items": kinds[0] if all(kind == kinds[0] for kind in kinds) else {}}
        raise BadToolSource(f"cannot read the type {name}[...]", line=inner.lineno)

    def _annotated(self, several: list[ast.expr]) -> JsonObject:
        kind = self.kind(several[0])
        words = next((text for node in several[1:] if (text := _words(node)) is not None), None)
        return kind if words is None else {**kind, "description": words}

    def _one_of(self, nodes: list[ast.expr]) -> JsonObject:
        """Return the schema of a union. That a value may be None is told by its default, as models expect it."""
        kinds: list[JsonObject] = []
        for node in nodes:
            kind = self.kind(node)
            members = kind["anyOf"] if set(kind) == {"anyOf"} else [kind]
            kinds += [one for one in members if one != {"type": "null"} and one not in kinds]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {"type": "null"}

    def _object(self, node: ast.ClassDef) -> JsonObject:
        if node.name in self._within:
            raise BadToolSource(f"the type {node.name} contains itself", line=node.lineno)
        bases = [_name(base) for base in node.bases]
        if any(base in _ENUMS for base in bases):
            return _literal([self._constant(one.value) for one in node.body if isinstance(one, ast.Assign)])
        decorated = any("dataclass" in (_name(one) or "") for one in node.decorator_list)
        if not decorated and not any(base in _RECORDS or base in self._classes for base in bases):
            words = f"the type {node.name} is a class without declared fields: send args_json_schema or json_schema"
            raise BadToolSource(words, line=node.lineno)
        properties, required = self._fields(node)
        return {"type": "object", "properties": properties, "required": required}

    def _fields(self, node: ast.ClassDef) -> tuple[JsonObject, list[str]]:
        inner = _Reader(self._classes, (*self._within, node.name))
        properties: JsonObject = {}
        required: list[str] = []
        for base in map(_name, node.bases):
            if base is not None and base in self._classes and base not in inner._within:
                inherited, needed = inner._fields(self._classes[base])
                properties, required = {**properties, **inherited}, [*required, *needed]
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                name, words = field.target.id, None if field.value is None else _words(field.value)
                kind = inner.kind(field.annotation)
                properties[name] = kind if words is None else {**kind, "description": words}
                required = [one for one in required if one != name] + ([name] if _is_required(field.value) else [])
        return properties, required

    def _constant(self, node: ast.expr) -> JsonValue:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise BadToolSource(f"{ast.unparse(node)} is not a plain value", line=node.lineno) from None


def _literal(values: list[JsonValue]) -> JsonObject:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number"}
    found = {kinds.get(type(value)) for value in values}
    kind = found.pop() if len(found) == 1 else None
    return {"enum": values} if kind is None else {"type": kind, "enum": values}


def _expression(text: str, line: int) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise BadToolSource(f"cannot read the type {text!r}", line=line) from None


def _words(node: ast.expr) -> str | None:
    """Return the description in a call such as Field(..., description="...")."""
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "description" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


def _is_required(value: ast.expr | None) -> bool:
    """Return whether a field has no default: none at all, `...`, or a call such as Field(...) that gives none."""
    if isinstance(value, ast.Call):
        named = any(keyword.arg in ("default", "default_factory", "factory") for keyword in value.keywords)
        return not named and (not value.args or _is_ellipsis(value.args[0]))
    return value is None or _is_ellipsis(value)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _name(node: ast.expr) -> str | None:
    target = node.func if isinstance(node, ast.Call) else node
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else None
