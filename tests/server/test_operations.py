"""Every operation of Letta's client, as data."""

import inspect
import re
from collections.abc import Iterator

from letta_client import Letta

from kelpie_server.operations import OPERATIONS, operations_by_path

ASKS = re.compile(r'self\._?(get|post|put|patch|delete|get_api_list)\(\s*(?:path_template\(\s*)?"([^"]+)"')


def sdk_operations() -> Iterator[tuple[str, str, str]]:
    """Yield (name, method, path) of what the SDK can ask for, read off its source."""
    for name, function in sdk_functions("", Letta, {"with_options", "copy"}):
        if found := ASKS.search(function):
            method = {"get_api_list": "GET"}.get(found[1], found[1].upper())
            yield name, method, bare(found[2].rstrip("/"))


def bare(path: str) -> str:
    """Return a path without the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path)


def sdk_functions(prefix: str, kind: type, skipped: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the full name and source of the public functions of a resource and of those below it."""
    for name, member in vars(kind).items():
        if name.startswith("_") or name in skipped:
            continue
        if inspect.isfunction(member):
            yield f"{prefix}{name}", inspect.getsource(member)
        below = getattr(getattr(member, "func", getattr(member, "fget", None)), "__annotations__", {}).get("return")
        if isinstance(below, str) and below.endswith("Resource"):
            module = inspect.getmodule(getattr(member, "func", getattr(member, "fget", None)))
            resource = getattr(module, below, None) or _resource(below, module)
            yield from sdk_functions(f"{prefix}{name}.", resource, skipped)


def _resource(name: str, module: object) -> type:
    source = inspect.getsource(module)  # type: ignore[arg-type]
    where = re.search(rf"from (\S+) import [^\n]*\b{name}\b", source)
    assert where is not None, name
    package = module.__name__.rpartition(".")[0]  # type: ignore[attr-defined]
    return getattr(__import__("importlib").import_module(where[1], package), name)  # type: ignore[no-any-return]


def test_the_table_is_the_sdk_s():
    """Whatever the SDK can ask for is in the table, with its method and path, and nothing else is."""
    assert set(sdk_operations()) == {(one.name, one.method, bare(one.path)) for one in OPERATIONS}


def test_every_operation_has_a_place_of_its_own():
    """No two operations share method and path."""
    assert 129 == len(OPERATIONS) == len({(one.method, one.path) for one in OPERATIONS})


def test_fixed_words_come_before_parameters():
    """A path with a fixed word is found before the one that has a parameter in its place."""
    paths = list(operations_by_path())
    assert paths.index("/v1/agents/import") < paths.index("/v1/agents/{agent_id}")
    assert paths.index("/v1/folders/{folder_id}/files") < paths.index("/v1/folders/{folder_id}/{file_id}")


def test_operations_are_found_by_path():
    """All operations of a path are together."""
    assert {"GET", "POST"} == {one.method for one in operations_by_path()["/v1/agents"]}
