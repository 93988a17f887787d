"""Ids: a prefix that tells the kind, and a UUID4 made from bits that the entropy port gives.

The core never makes an id from anything else, so that the same entropy gives the same ids.
"""

import re
from typing import TYPE_CHECKING

from kelpie_core.errors import InvalidInput

if TYPE_CHECKING:
    from kelpie_core.ports import Entropy

UUID4_BITS = 122
PREFIXES = frozenset(
    ("agent", "conv", "block", "tool", "message", "run", "step", "user", "org", "import", "call", "lease", "sweep")
)
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

USER_DEFAULT = "user-00000000-0000-4000-8000-000000000000"
ORGANIZATION_DEFAULT = "org-00000000-0000-4000-8000-000000000000"


def uuid4_of(bits: int) -> str:
    """Return the UUID4 text whose 122 free bits are the low bits of `bits`."""
    high, mid, low = bits >> 74 & (1 << 48) - 1, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    text = f"{high << 80 | 4 << 76 | mid << 64 | 2 << 62 | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def make_id(prefix: str, bits: int) -> str:
    """Return an id of the kind `prefix` from 122 random bits."""
    assert prefix in PREFIXES, prefix
    return f"{prefix}-{uuid4_of(bits)}"


def draw_uuid4(entropy: "Entropy") -> str:
    """Return a fresh UUID4 text from the entropy port."""
    return uuid4_of(entropy.bits(UUID4_BITS))


def draw_id(prefix: str, entropy: "Entropy") -> str:
    """Return a fresh id of the kind `prefix` from the entropy port."""
    return make_id(prefix, entropy.bits(UUID4_BITS))


def is_id(prefix: str, text: str) -> bool:
    """Return whether `text` is a well-formed id of the kind `prefix`."""
    return text.startswith(prefix + "-") and _UUID4.fullmatch(text, len(prefix) + 1) is not None


def check_id(prefix: str, text: str, *, path: str = "$") -> str:
    """Return `text`; raise InvalidInput if it is not an id of the kind `prefix`."""
    if not is_id(prefix, text):
        raise InvalidInput(f"expected an id of the form {prefix}-<uuid4>, got {text[:80]!r}", path=path)
    return text
