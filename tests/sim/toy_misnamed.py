"""The toy with a fault whose filter names no operation, as a module of its own for the command line's tests."""

import attrs

from tests.sim.toy import COUNT, CountRefused

SCENARIOS = (attrs.evolve(COUNT, faults=lambda swarm: (CountRefused(on="count_erase"),)),)
