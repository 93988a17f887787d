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
from functools import wraps
from typing import Any

from kelpie_sim.guards.active import current
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
    return [
        Patch(owner=os, name="urandom", replacement=_bytes_giver(os.urandom)),
        Patch(owner=os, name="getrandom", replacement=_bytes_giver(getattr(os, "getrandom", os.urandom))),
        Patch(owner=ssl, name="RAND_bytes", replacement=_bytes_giver(ssl.RAND_bytes)),
        Patch(owner=random.Random, name="seed", replacement=_seeded(vars(random.Random)["seed"])),
        # Without the C helpers uuid1 reads the clock, the node and `random`, which are all ours.
        Patch(owner=uuid, name="_generate_time_safe", replacement=None),
        Patch(owner=uuid, name="_UuidCreate", replacement=None),
        Patch(owner=uuid, name="_last_timestamp", replacement=None),
        Patch(owner=uuid, name="_node", replacement=NODE),
        Patch(owner=os, name="getpid", replacement=_constant(os.getpid, PROCESS_ID)),
        Patch(owner=os, name="cpu_count", replacement=_constant(os.cpu_count, CORES)),
        Patch(owner=socket, name="gethostname", replacement=_host_name(socket.gethostname)),
        *SharedRandom().patches(),
    ]


class SharedRandom:
    """The generator behind the functions of `random`: seeded when a run first calls one, and then given back as it was.

    Late, because seeding it, and keeping its state, costs as much as a whole small run.
    """

    def __init__(self) -> None:
        self._shared: random.Random = vars(random)["_inst"]
        self._before: tuple[Any, ...] | None = None

    def patches(self) -> list[Patch]:
        """Return the patches of all functions of the module."""
        return [
            Patch(owner=random, name=name, replacement=self._seeding(name, function))
            for name, function in vars(random).items()
            if getattr(function, "__self__", None) is self._shared
        ]

    def _seeding(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            guard = current()
            if guard is not None and self._before is None:
                self._before = self._shared.getstate()
                guard.at_end.append(self._give_back)
                self._shared.seed(guard.entropy().getrandbits(64))
            # Looked up at each call: `seed` is patched in the class.
            return getattr(self._shared, name)(*args, **kwargs)

        return call

    def _give_back(self) -> None:
        if self._before is not None:
            self._shared.setstate(self._before)
            self._before = None
