"""Entropy of a guarded run comes from the seed."""

import os
import random
import secrets
import socket
import ssl
import uuid
from random import random as imported_function

import pytest

from kelpie_sim.guards.entropy import CORES, NODE, PROCESS_ID
from kelpie_sim.tape import Tape
from tests.sim.programs import World


def seen(read, seed=1, tape=None):
    """Return what a reader sees inside of a run."""

    async def main():
        return read()

    return World(seed, tape=tape).run(main())


def urandom_by_alias():
    """Return bytes by the name that the module random has for it."""
    return vars(random)["_urandom"](8)


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.urandom(8),
        urandom_by_alias,
        lambda: os.getrandom(8),
        lambda: ssl.RAND_bytes(8),
        lambda: secrets.token_hex(8),
        lambda: secrets.randbelow(2**60),
        lambda: random.SystemRandom().random(),
        lambda: uuid.uuid4(),
        lambda: uuid.uuid1(),
        lambda: random.random(),
        lambda: imported_function(),
        lambda: random.Random().random(),
        lambda: (random.seed(), random.random()),
    ],
)
def test_entropy_is_the_seeds(read):
    """The same seed gives the same, another seed something else, and two draws differ."""
    one, again, other = seen(read), seen(read), seen(read, seed=2)
    first, second = seen(lambda: (read(), read()))
    assert (one, False, False) == (again, one == other, first == second)


def test_entropy_needs_one_choice_of_the_tape():
    """However much is drawn, the tape holds its key only; so ids stay different when a tape is cut short."""
    tape = Tape()
    seen(lambda: [uuid.uuid4() for _ in range(100)], tape=tape)
    ids = seen(lambda: [uuid.uuid4() for _ in range(100)], tape=Tape.replaying(Tape()))
    assert (2, 100) == (len(tape.choices("guard/entropy")), len(set(ids)))


def test_entropy_that_nobody_asks_for_leaves_no_choice():
    """A run that draws nothing has nothing of it on its tape."""
    tape = Tape()
    seen(lambda: None, tape=tape)
    assert () == tape.names()


def test_given_seed_is_kept():
    """A generator with a seed of its own draws the same inside of a run and outside."""
    assert random.Random(5).random() == seen(lambda: random.Random(5).random())


def test_what_names_the_machine_is_made_up():
    """Process, cores, host and network card are the same everywhere."""
    names = seen(lambda: (os.getpid(), os.cpu_count(), socket.gethostname(), uuid.uuid1().node))
    assert (PROCESS_ID, CORES, "localhost", NODE) == names


def test_host_is_named_by_its_name():
    """On a simulated host, gethostname gives its name."""

    async def program():
        names.append(socket.gethostname())

    async def main():
        await host.start(program)

    world, names = World(), list[object]()
    host = world.host("server")
    world.run(main())
    assert ["server"] == names


def test_harness_gets_its_own_state_back():
    """The shared generator goes on after a run as if there had been none."""
    random.seed(7)
    expected = [random.random(), random.random()]
    random.seed(7)
    drawn = [random.random()]
    seen(lambda: random.seed(1))
    assert expected == [*drawn, random.random()]


def test_entropy_is_real_again_afterwards():
    """After a run the system is asked again."""
    seen(lambda: None)
    assert (False, os.getpid()) == (os.urandom(16) == os.urandom(16), int(os.readlink("/proc/self")))
