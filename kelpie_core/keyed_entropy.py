"""Entropy for a request that may be sent again: the same key draws the same ids.

So a retry finds what the first attempt stored, by its own id, instead of storing it twice; nothing has to be kept for
that. All else that is drawn, the jitter of a back-off above all, comes from the true entropy: how often something had
to be tried must not change which ids come next.
"""

import hashlib

import attrs

from kelpie_core.ids import UUID4_BITS
from kelpie_core.ports import Entropy

_BYTES = UUID4_BITS // 8 + 1


@attrs.define(eq=False)
class KeyedEntropy:
    """Draws ids from `key`, one after another, and other bits from `rest`."""

    _key: bytes = attrs.field(repr=False)
    _rest: Entropy
    _drawn: int = attrs.field(default=0, init=False)

    def bits(self, count: int) -> int:
        """Return `count` bits: the key's next ones for an id, true ones for anything else."""
        if count != UUID4_BITS:
            return self._rest.bits(count)
        digest = hashlib.blake2b(self._drawn.to_bytes(8), digest_size=_BYTES, key=self._key).digest()
        self._drawn += 1
        return int.from_bytes(digest) >> (8 * _BYTES - UUID4_BITS)


def key_of(*parts: bytes) -> bytes:
    """Return the key of a request by what makes it the same request; no two lists of parts give the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
