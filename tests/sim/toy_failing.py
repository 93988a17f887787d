"""The toy's scenarios that fail, as a module of their own for the command line's tests."""

from tests.sim.toy import COUNT, LEAKING, LEAKING_ADDRESSES, UNLOCKED

SCENARIOS = (COUNT, UNLOCKED, LEAKING, LEAKING_ADDRESSES)
