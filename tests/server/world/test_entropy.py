"""The real source of randomness."""

import pytest

from kelpie_core.ports import Entropy
from kelpie_server.world.entropy import SystemEntropy


@pytest.mark.parametrize("count", [1, 7, 8, 9, 122])
def test_as_many_bits_as_asked_for(count):
    """A number has no more bits than asked for, and every one of them comes up both ways."""
    entropy: Entropy = SystemEntropy()
    drawn = [entropy.bits(count) for _ in range(200)]
    assert max(drawn) < 1 << count
    ones, zeros = 0, 0
    for number in drawn:
        ones |= number
        zeros |= ~number
    whole = (1 << count) - 1
    assert (whole, whole) == (ones, zeros & whole)
