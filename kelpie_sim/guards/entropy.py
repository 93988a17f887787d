"""All entropy of a guarded run comes from one key of the stream "guard/entropy".

Covered: os.urandom (and so uuid4, secrets, SystemRandom), os.getrandom, ssl.RAND_bytes, uuid1, the functions of the
module `random`, and Random() without a seed. What names the machine (process id, host name, number of cores) is made
up too: it is not random, but differs as much.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import uuid
from collections.abc import Callable
from typing import Any

from kelpie_sim.guards.active import Guard, current
from kelpie_sim.guards.patches import Patch
from kelpie_sim.incarnation import INCARNATION

PROCESS_ID = 1
CORES = 4
# A locally administered address, so that it collides with no real one.
NODE = 0x02_00_00_00_00_01


def _bytes_giver(real: Callable[..., bytes]) -> Callable[..., bytes]:
    def give(count: int, *flags: int) -> bytes:
        guard = current()
        return real(count, *flags) if guard is None else guard.entropy().randbytes(count)

    return give


def _constant(real: Callable[[], Any], value: object) -> Callable[[], Any]:
    return lambda: real() if current() is None else value


def _host_name(real: Callable[[], str]) -> Callable[[], str]:
    def gethostname() -> str:
        life = INCARNATION.get()
        if current() is None:
            return real()
        return "localhost" if life is None else life.host.name

    return gethostname


def _seeded(real: Callable[..., None]) -> Callable[..., None]:
    """Return Random.seed that takes the run's entropy where it would take the system's."""

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        guard = current()
        real(self, guard.entropy().getrandbits(64) if a is None and guard is not None else a, version)

    return seed


def entropy_patches() -> list[Patch]:
    """Return the patches of os, random, uuid, ssl and socket."""
    seed = _seeded(vars(random.Random)["seed"])
    shared: random.Random = vars(random)["_inst"]
    return [
        Patch(owner=os, name="urandom", replacement=_bytes_giver(os.urandom)),
        Patch(owner=os, name="getrandom", replacement=_bytes_giver(getattr(os, "getrandom", os.urandom))),
        Patch(owner=ssl, name="RAND_bytes", replacement=_bytes_giver(ssl.RAND_bytes)),
        Patch(owner=random.Random, name="seed", replacement=seed),
        Patch(owner=random, name="seed", replacement=seed.__get__(shared)),
        # Without the C helpers uuid1 reads the clock, the node and `random`, which are all ours.
        Patch(owner=uuid, name="_generate_time_safe", replacement=None),
        Patch(owner=uuid, name="_UuidCreate", replacement=None),
        Patch(owner=uuid, name="_last_timestamp", replacement=None),
        Patch(owner=uuid, name="_node", replacement=NODE),
        Patch(owner=os, name="getpid", replacement=_constant(os.getpid, PROCESS_ID)),
        Patch(owner=os, name="cpu_count", replacement=_constant(os.cpu_count, CORES)),
        Patch(owner=socket, name="gethostname", replacement=_host_name(socket.gethostname)),
    ]


class SharedRandom:
    """Seeds the generator behind the functions of `random`, and gives the harness its own state back."""

    def __init__(self) -> None:
        self._before: tuple[Any, ...] = ()

    def apply(self, guard: Guard) -> None:
        """Seed it for the run."""
        self._before = random.getstate()
        random.seed(guard.entropy().getrandbits(64))

    def undo(self) -> None:
        """Restore its state."""
        random.setstate(self._before)
