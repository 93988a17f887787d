"""What the service is measured against: Starlette that commits a JSON body to SQLite, and nothing else.

`python -m benchmarks.bare_server DATABASE` serves POST /things on a free port, which it prints. Same server settings
and same durability as ours: uvicorn with httptools, a write-ahead log, a full sync for each commit.
"""

from __future__ import annotations

import sys
import uuid

import apsw
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kelpie_server.config import Config
from kelpie_server.serving import bound


def create_app(path: str) -> Starlette:
    """Return the app over a new database."""
    connection = apsw.Connection(path)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE things (id PRIMARY KEY, body)",
    ):
        connection.execute(statement)

    async def make(request: Request) -> Response:
        thing = {"id": f"thing-{uuid.uuid4()}", **msgspec.json.decode(await request.body())}
        body = msgspec.json.encode(thing)
        connection.execute("INSERT INTO things VALUES (?, ?)", (thing["id"], body))
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/things", make, methods=["POST"])])


if __name__ == "__main__":
    listening = bound(Config(port=0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        create_app(sys.argv[1]), http="httptools", loop="asyncio", access_log=False, log_config=None
    )
    uvicorn.Server(config).run(sockets=[listening])
