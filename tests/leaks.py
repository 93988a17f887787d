"""Leaks of the real world, planted on purpose, by what becomes of them.

    SEEDED    a guard turns them into something that the seed decides
    REFUSED   a guard refuses them by the name of the call
    CAUGHT    no guard can see them: the ladder finds that runs of one seed differ, and names the record

Names are bound here, before any run, wherever that is the point of the leak.
"""

import asyncio
import datetime as dt
import functools
import itertools
import os
import random
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import weakref
from asyncio import sleep as bound_sleep
from collections.abc import Callable
from datetime import datetime as bound_datetime
from os import urandom as bound_urandom
from time import time as bound_time

import apsw

from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World

Leak = Callable[[], object]
BY_HASH, BY_ADDRESS, BY_PASS = frozenset(("hash 22", "hash 4444")), frozenset(("padded heap",)), frozenset(("again",))
NAMES = ("ada", "bob", "cleo", "dan", "eve", "fay", "gus", "hal")
RUNS_BEFORE = itertools.count()
bound_method = dt.datetime.now


class Thing:
    """Hashes by its address."""

    def __init__(self, number: int) -> None:
        self.number = number


def default_argument(clock: Callable[[], float] = time.time) -> float:
    """Read a clock that was bound before the run, where no guard can see it."""
    return clock()


@functools.cache
def first_call() -> list[int]:
    """Return a list that lives on in a cache: what one run adds, the next one finds."""
    return []


def grown_cache() -> int:
    """Return how often this was called in this process."""
    first_call().append(1)
    return len(first_call())


def weak_set() -> list[int]:
    """Return the order of a weak set of objects."""
    things = [Thing(number) for number in range(20)]
    return [thing.number for thing in weakref.WeakSet(things)]


def futures_by_hand() -> list[int]:
    """Return the order of a set of futures that no loop numbered."""
    loop = asyncio.get_running_loop()
    numbered: dict[asyncio.Future[None], int] = {asyncio.Future(loop=loop): number for number in range(20)}
    return [numbered[future] for future in set(numbered)]


def held_by_exception() -> str:
    """Return an error's text with an address in it."""
    try:
        raise KeyError(object())
    except KeyError as error:
        return str(error)


# Lambdas, where a bare reference would do: what a dictionary holds, no guard can exchange.
SEEDED: dict[str, Leak] = {
    "Random without a seed": lambda: random.Random().random(),
    "the module random": lambda: random.choice(range(2**32)),
    "datetime.now, class bound before": lambda: bound_datetime.now(dt.UTC).isoformat(),
    "time.time, bound before": lambda: bound_time(),
    "time.monotonic": lambda: time.monotonic(),
    "uuid1": uuid.uuid1,
    "uuid4": uuid.uuid4,
    "os.urandom, bound before": lambda: bound_urandom(8).hex(),
    "secrets": lambda: secrets.token_hex(8),
    "process id": lambda: os.getpid(),
    "host name": lambda: socket.gethostname(),
}
REFUSED: dict[str, tuple[Leak, str]] = {
    "thread": (lambda: threading.Thread(target=int).start(), "threading.Thread.start"),
    "open": (lambda: open(os.devnull).close(), "open of 'null'"),
    "listdir": (lambda: os.listdir(os.sep), "os.listdir of ''"),
    "socket": (lambda: socket.socket().close(), "socket.__new__"),
    "name look-up": (lambda: socket.getaddrinfo("127.0.0.1", 80), "socket.getaddrinfo"),
    "process": (lambda: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
    "database file": (lambda: sqlite3.connect(os.devnull).close(), "sqlite3.connect"),
    "database file, past connect": (lambda: sqlite3.Connection(os.devnull).close(), "sqlite3.connect"),
    "blocking sleep": (lambda: time.sleep(0), "time.sleep"),
}
# With the rungs that must see it.
CAUGHT: dict[str, tuple[Leak, frozenset[str]]] = {
    "set of texts": (lambda: list(set(NAMES)), BY_HASH),
    "hash of a text": (lambda: hash(NAMES), BY_HASH),
    "environment": (lambda: os.environ["PYTHONHASHSEED"], BY_HASH),
    "set of objects": (lambda: [thing.number for thing in {Thing(number) for number in range(20)}], BY_ADDRESS),
    "weak set of objects": (weak_set, BY_ADDRESS),
    "futures by hand": (futures_by_hand, BY_ADDRESS),
    "id": (lambda: id(object()), BY_ADDRESS),
    "address in a text": (held_by_exception, BY_ADDRESS),
    "datetime.now, method bound before": (lambda: bound_method(dt.UTC).isoformat(), BY_PASS),
    "time.time as a default argument": (default_argument, BY_PASS),
    "counter of the module": (lambda: next(RUNS_BEFORE), BY_PASS),
    "cache that grows": (grown_cache, BY_PASS),
    "names of temporary files": (lambda: next(tempfile._get_candidate_names()), BY_PASS),  # type: ignore[attr-defined]
    "SQLite's own random()": (lambda: next(apsw.Connection(":memory:").execute("SELECT random()"))[0], BY_PASS),
}


async def seeded(world: World) -> None:
    """Let every leak happen that a guard makes harmless."""
    for name, leak in SEEDED.items():
        world.trace.record("leak", name, str(leak()))
    await bound_sleep(3_600)
    world.trace.record("leak", "sleep, bound before", str(asyncio.get_running_loop().time()))


async def caught(world: World) -> None:
    """Let one leak happen; the seed says which."""
    name = list(CAUGHT)[world.seed % len(CAUGHT)]
    world.trace.record("leak", name, str(CAUGHT[name][0]()))


def with_leak(leak: Leak) -> Scenario:
    """Return a scenario with one leak."""

    async def run(world: World) -> None:
        world.trace.record("leak", str(leak()))

    return Scenario(name="leak", run=run)


SEEDED_LEAKS = Scenario(name="seeded-leaks", run=seeded)
CAUGHT_LEAKS = Scenario(name="caught-leaks", run=caught)
SCENARIOS = (SEEDED_LEAKS, CAUGHT_LEAKS)
