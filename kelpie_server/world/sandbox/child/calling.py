"""The tool's function: found in its source and called with the model's arguments.

The source is a module like any other, so classes and helpers beside the function work. Only the annotations of the
function itself are left out: they may name classes that exist on the client's machine alone. Where one names a class of
the source, the argument is made one: an Enum, a dataclass, a pydantic model.
"""

import ast
import sys
import types
from collections.abc import Callable

from kelpie_server.world.sandbox.child.offered import Json, JsonObject

FILE = "<tool>"
MODULE = "tool"
# What some agents add to every call for themselves; a tool that does not ask for it does not get it.
_FOR_THE_AGENT = ("request_heartbeat", "inner_thoughts", "thinking")
_OFFERED = ("self", "agent_state")


class NotCallable(Exception):
    """The call cannot be made; the text goes to the model."""


class Function:
    """A tool's function, loaded."""

    def __init__(self, node: "ast.FunctionDef | ast.AsyncFunctionDef", module: types.ModuleType) -> None:
        self._node = node
        self._module = module
        self._hints = {argument.arg: argument.annotation for argument in _arguments(node)}

    @property
    def wants_state(self) -> bool:
        """Whether it takes `agent_state`."""
        return "agent_state" in self._hints

    def call(self, given: JsonObject, state: object, attributed: "Callable[[Json], Json] | None") -> Json:
        """Return what the function returns for these arguments; raise NotCallable, and whatever it raises.

        With `attributed`, objects among the arguments are passed through it.
        """
        named = self._bound(given)
        named = {name: self._made(self._hints.get(name), value) for name, value in named.items()}
        if attributed is not None:
            named = {name: attributed(value) for name, value in named.items()}
        for name, value in {"self": None, "agent_state": state}.items():
            if name in self._hints:
                named[name] = value
        positional = [named.pop(one.arg) for one in self._node.args.posonlyargs if one.arg in named]
        return self._module.__dict__[self._node.name](*positional, **named)

    def _bound(self, given: JsonObject) -> JsonObject:
        named = {name: value for name, value in given.items() if name not in _OFFERED}
        for name in _FOR_THE_AGENT:
            if name not in self._hints:
                named.pop(name, None)
        unknown = [name for name in named if name not in self._hints] if self._node.args.kwarg is None else []
        if unknown:
            raise NotCallable(f"{self._node.name} does not take: {', '.join(unknown)}")
        missing = [name for name in self._required() if name not in named and name not in _OFFERED]
        if "client" in missing:
            raise NotCallable(f"{self._node.name} asks for `client`, which this server does not offer to tools")
        if missing:
            raise NotCallable(f"{self._node.name} lacks: {', '.join(missing)}")
        return named

    def _required(self) -> "list[str]":
        arguments = self._node.args
        plain = [*arguments.posonlyargs, *arguments.args]
        required = plain[: len(plain) - len(arguments.defaults)]
        named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        return [one.arg for one in (*required, *(one for one, default in named if default is None))]

    def _made(self, hint: "ast.expr | None", value: Json) -> Json:
        """Return a value as the class that its annotation names, if the source has that class."""
        match hint:
            case ast.Constant(value=str() as text):
                return self._made(_parsed(text), value)
            case ast.Name(id=name):
                kind = self._module.__dict__.get(name)
                return _instance(kind, value) if isinstance(kind, type) else value
            case ast.Subscript(value=ast.Name(id="list" | "List" | "tuple" | "Tuple"), slice=inner):
                return [self._made(inner, one) for one in value] if isinstance(value, list) else value
            case ast.Subscript(value=ast.Name(id="Optional"), slice=inner) if value is not None:
                return self._made(inner, value)
            case ast.BinOp(left=left, op=ast.BitOr()) if value is not None:
                return self._made(left, value)
        return value


def load(source: str, name: str) -> Function:
    """Return the function `name` of a source, else its last one; raise NotCallable, and what the source raises."""
    tree = ast.parse(source, FILE)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if not functions:
        raise NotCallable("the source has no function")
    node = next((one for one in functions if one.name == name), functions[-1])
    module = types.ModuleType(MODULE)
    module.__file__ = FILE
    sys.modules[MODULE] = module
    function = Function(node, module)
    node.returns = None
    for argument in _arguments(node):
        argument.annotation = None
    exec(compile(tree, FILE, "exec", dont_inherit=True), module.__dict__)
    return function


def _arguments(node: "ast.FunctionDef | ast.AsyncFunctionDef") -> "list[ast.arg]":
    given = node.args
    several = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *several]


def _parsed(text: str) -> "ast.expr | None":
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _instance(kind: type, value: Json) -> Json:
    if hasattr(kind, "__members__") and isinstance(value, str | int):
        members: dict[object, Json] = {member.value: member for member in kind}  # type: ignore[attr-defined]
        return members[value] if value in members else kind(value)
    if isinstance(value, dict) and hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    if isinstance(value, dict) and hasattr(kind, "__dataclass_fields__"):
        return kind(**value)
    return value
