"""The real source of randomness."""

import os


class SystemEntropy:
    """The `Entropy` of this machine: fit for ids that nobody can guess."""

    def bits(self, count: int) -> int:
        """Return `count` random bits as an integer."""
        octets = -(-count // 8)
        return int.from_bytes(os.urandom(octets)) >> (8 * octets - count)
