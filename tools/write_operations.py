"""Write docs/reference/operations.md: every operation of Letta's client, and whether this server has it.

    python -m tools.write_operations

All of it comes from the table of operations and the handlers; a test holds the page to them.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

from kelpie_server.app import HANDLERS, OWN_ROUTES
from kelpie_server.idempotency import Handler
from kelpie_server.operations import OPERATIONS, Operation

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "operations.md"
HEAD = """# Operations

Every operation of Letta's client (`letta-client` 1.12.1), by the name it has there. What is not implemented answers 501
with its name, and changes nothing. Paths answer with and without a slash at their end. The shapes are in the OpenAPI
document of a running server, at `/openapi.json`, and as a page at `/docs`.

The page is written by `python -m tools.write_operations`; a test holds it to the code.
"""
COLUMNS = "| operation | request | what it does |\n|---|---|---|\n"
OWN = """
## Beside the client's operations

For those who run a server, and for older clients.

| request | what it does |
|---|---|
"""


def page() -> str:
    """Return the page as the code has it."""
    done = sum(one.name in HANDLERS for one in OPERATIONS)
    counted = f"\n{done} of {len(OPERATIONS)} operations are implemented.\n\n"
    return HEAD + counted + COLUMNS + "".join(map(_row, OPERATIONS)) + OWN + "".join(_own_rows())


def _row(operation: Operation) -> str:
    handler = HANDLERS.get(operation.name)
    what = "*not implemented: 501*" if handler is None else _what(handler)
    return f"| {operation.name} | `{operation.method} {operation.path}` | {what} |\n"


def _own_rows() -> Iterator[str]:
    for path, handlers in OWN_ROUTES.items():
        for method, handler in handlers.items():
            yield f"| `{method} {path}` | {_what(handler)} |\n"


def _what(handler: Handler) -> str:
    """Return the first sentence of a handler's docstring."""
    return (inspect.getdoc(handler) or "").split("\n")[0].replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
