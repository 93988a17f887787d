"""Import and export through a server that runs: for a database that is in use. Standard library only.

The token is read from LETTA_API_KEY, as the SDK does.
"""

import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse

from kelpie_core.errors import CallerError, InvalidInput, StoreError

TIMEOUT_SECONDS = 600
CHUNK_BYTES = 1024 * 1024


def import_file(url: str, data: bytes, options: dict[str, str]) -> tuple[str, ...]:
    """Return the ids of the agents that a server made of a file; raise InvalidInput, StoreError."""
    boundary = secrets.token_hex(16)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = b"".join(_form(boundary, data, options))
    with _asked(urllib.request.Request(f"{_base(url)}/v1/agents/import", body, headers, method="POST")) as answer:
        return tuple(json.load(answer)["agent_ids"])


def export_file(url: str, agent_id: str) -> Iterator[bytes]:
    """Yield an agent's file in chunks; raise InvalidInput, and StoreError also if the server breaks off."""
    path = urllib.parse.quote(agent_id, safe="")
    with _asked(urllib.request.Request(f"{_base(url)}/v1/agents/{path}/export")) as answer:
        try:
            while chunk := answer.read(CHUNK_BYTES):
                yield chunk
            if answer.length:  # a body of announced length that ends early raises nothing by itself
                raise StoreError(f"the server broke off: {answer.length} bytes are missing")
        except (OSError, HTTPException) as error:
            raise StoreError(f"the server broke off: {error}") from error


def _asked(request: urllib.request.Request) -> HTTPResponse:
    if token := os.environ.get("LETTA_API_KEY"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error.code, error.read().decode("utf-8", "replace")) from error
    except OSError as error:
        raise StoreError(f"no answer from {request.full_url}: {error}") from error
    return answer


def _refusal(status: int, body: str) -> CallerError | StoreError:
    words = f"the server answered {status}: {body[:2_000]}"
    return StoreError(words) if status >= 500 and status != 501 else InvalidInput(words)


def _base(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"not a URL of a server: {url!r}")
    return url.rstrip("/")


def _form(boundary: str, data: bytes, options: dict[str, str]) -> Iterator[bytes]:
    for name, value in options.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="agent.af"\r\n\r\n'.encode()
    yield data
    yield f"\r\n--{boundary}--\r\n".encode()
