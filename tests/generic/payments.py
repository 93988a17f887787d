"""Transfers over HTTP: a client repeats a request until it is answered, and each transfer is made once.

The request carries a key of the client's choice. The service makes the transfer and remembers its key at one instant,
and answers a key that it knows with what it answered before.

Wrong ways: "forgetful" keeps no keys; "racy" looks for the key, works, and only then takes note of it.
"""

import asyncio
import json
import logging
import random

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from kelpie_sim.check.sometimes import sometimes

ANSWER_BYTES_MAX = 10_000
KEY = "idempotency-key"
# Clients that leave are no news here.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())


class Books:
    """What is on the accounts: the database of the service, which outlives its crashes."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}
        self.answers: dict[str, dict[str, object]] = {}
        self.made: list[str] = []
        """The key of each transfer, in order."""

    def transfer(self, key: str, account: str, amount: int) -> dict[str, object]:
        """Make a transfer, and remember what was answered."""
        balance = self.balances[account] = self.balances.get(account, 0) + amount
        self.made.append(key)
        answer = self.answers[key] = {"key": key, "balance": balance}
        return answer


def make_app(books: Books, way: str) -> Starlette:
    """Return the service."""

    async def transfer(request: Request) -> JSONResponse:
        key, asked = request.headers[KEY], await request.json()
        known = None if way == "forgetful" else books.answers.get(key)
        # Now and then longer than a client waits.
        await asyncio.sleep(random.choice((0.05, 0.1, 2.5)))
        if way == "" and known is None:
            # Somebody may have been quicker meanwhile: from here to the transfer nobody else runs.
            known = books.answers.get(key)
        if known is not None:
            sometimes("a transfer was asked for again")
            return JSONResponse(known)
        return JSONResponse(books.transfer(key, asked["account"], asked["amount"]))

    return Starlette(routes=[Route("/transfers", transfer, methods=["POST"])])


class Refused(Exception):
    """The request came to nothing that the client can use; `wait_s` says how long to wait."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


async def pay(client: httpx.AsyncClient, key: str, account: str, amount: int) -> dict[str, object]:
    """Make a transfer; ask until there is an answer."""
    while True:
        try:
            return await _ask(client, key, {"account": account, "amount": amount})
        except Refused as refusal:
            await asyncio.sleep(refusal.wait_s)
        except httpx.TransportError as error:
            sometimes("a request was lost")
            sometimes("nobody answered in time", isinstance(error, httpx.TimeoutException))
            await asyncio.sleep(0.3)


async def _ask(client: httpx.AsyncClient, key: str, asked: dict[str, object]) -> dict[str, object]:
    async with client.stream("POST", "/transfers", json=asked, headers={KEY: key}) as response:
        if response.status_code != httpx.codes.OK:
            sometimes("the service was busy", response.status_code == httpx.codes.TOO_MANY_REQUESTS)
            sometimes("the gateway failed", response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR)
            raise Refused(float(response.headers.get("retry-after", "0.3")))
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                sometimes("an answer was too large")
                raise Refused(0.3)
    found: dict[str, object] = json.loads(body)
    return found
