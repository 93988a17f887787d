"""A lease that clocks decide on, and the fence that keeps what it guards right when they are wrong.

A worker leases the right to change a number: reads it, works a while, writes it increased by one. Both the office that
grants leases and the worker go by their own wall clocks, and nobody can tell a pause from within; so two workers may
believe that they hold the lease. Each lease has a token, later ones a higher token, kept safe on the office's disk. The
store refuses whoever comes with an older token than it has seen, at reads and at writes.

Wrong ways: "open" is a store without the fence; "loose" checks the fence at writes only; "forgetful" is an office that
does not keep its tokens safe.
"""

import asyncio
import contextlib
import os
import random
import time

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs.wire import Document, Unreachable, call, serve

LEASE_SECONDS = 3.0
WORK_SECONDS = 1.0
PATH = "/token"


def next_token(way: str) -> int:
    """Return a token above all that were given before, and keep it safe. Raise OSError."""
    if way == "forgetful":
        return _kept_token() + 1 if os.path.exists(PATH) else 1
    token = _kept_token() + 1
    with open(PATH + ".new", "w", encoding="ascii") as file:
        file.write(str(token))
        file.flush()
        os.fsync(file.fileno())
    os.replace(PATH + ".new", PATH)
    root = os.open("/", os.O_RDONLY)
    os.fsync(root)
    os.close(root)
    return token


def _kept_token() -> int:
    if not os.path.exists(PATH):
        return 0
    with open(PATH, encoding="ascii") as file:
        return int(file.read())


async def office(way: str) -> None:
    """Grant leases for ever."""
    until_s = 0.0

    async def answer(document: Document) -> Document:
        nonlocal until_s
        if document["do"] == "renew":
            until_s = time.time() + LEASE_SECONDS
            return {}
        if time.time() < until_s:
            return {"error": "taken"}
        try:
            token = await asyncio.to_thread(next_token, way)
        except OSError as error:
            sometimes("the office could not open its file")
            return {"error": str(error)}
        until_s = time.time() + LEASE_SECONDS
        return {"token": token}

    await serve(answer)


class Store:
    """The number, every change of it, and the highest token seen."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.number = 0
        self.changes: list[tuple[int, int]] = []
        """(token, number) of each write."""
        self._token = 0

    async def answer(self, document: Document) -> Document:
        """Read, or write, under the fence."""
        token, reads = document["token"], document["do"] == "read"
        if token < self._token and self.way != "open" and not (reads and self.way == "loose"):
            sometimes("the fence kept a late worker out")
            return {"error": "late"}
        if not (reads and self.way == "loose"):
            self._token = max(self._token, token)
        if not reads:
            self.number = document["number"]
            self.changes.append((token, self.number))
        return {"number": self.number}


async def store(kept: Store) -> None:
    """Keep the number for ever."""
    await serve(kept.answer)


async def work(name: str, done: list[str]) -> None:
    """Increase the number again and again; note each time in `done`."""
    while True:
        with contextlib.suppress(Unreachable):
            if await _increase():
                done.append(name)
        # Not at a beat, which would let one win each time.
        await asyncio.sleep(random.uniform(0.2, 0.8))


async def _increase() -> bool:
    granted = await call("office", {"do": "lease"})
    if "token" not in granted:
        return False
    until_s = time.time() + LEASE_SECONDS
    read = await call("store", {"do": "read", "token": granted["token"]})
    if "number" not in read:
        return False
    await _worked()
    if time.time() >= until_s:
        sometimes("a lease ran out at work")
        return False
    change = {"do": "write", "token": granted["token"], "number": read["number"] + 1}
    return "number" in await call("store", change)


async def _worked() -> None:
    """Work, while a task renews the lease; without memory for that, go on without."""
    renewal = _renew()
    try:
        renewing = asyncio.create_task(renewal)
    except MemoryError:
        sometimes("there was no memory for a task")
        await asyncio.sleep(WORK_SECONDS)
        return
    await asyncio.sleep(WORK_SECONDS)
    await asyncio.wait([renewing])


async def _renew() -> None:
    with contextlib.suppress(Unreachable):
        await call("office", {"do": "renew"})
