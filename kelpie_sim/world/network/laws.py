"""How a link behaves when nothing is wrong with it: how long packets take, how many get lost, how much fits through.

All of it is computed with integers. Each latency draws at most one choice per packet, and choice 0 is the quickest.
"""

from collections.abc import Callable
from typing import Protocol

import attrs

from kelpie_sim.seed import Stream

US, MS = 1_000, 1_000_000

# Quantiles of the exponential distribution, in 1/1024 of its mean, written down so that no mathematical library has a
# say in them.
_EXPONENTIAL = (
    8, 24, 41, 58, 75, 92, 110, 128, 146, 165, 184, 203, 223, 243, 263, 284, 305, 327, 349, 372, 395, 419, 444, 469,
    494, 520, 547, 575, 603, 633, 663, 694, 726, 759, 793, 828, 865, 903, 942, 983, 1026, 1070, 1117, 1166, 1217, 1271,
    1328, 1388, 1452, 1520, 1594, 1672, 1758, 1851, 1953, 2067, 2195, 2342, 2513, 2719, 2976, 3320, 3844, 4968,
)  # fmt: skip


class Latency(Protocol):
    """How long packets take."""

    def drawer(self, stream: Stream) -> Callable[[], int]:
        """Return what draws the nanoseconds of one packet."""


@attrs.frozen
class Fixed:
    """Each packet takes as long as the other."""

    latency_ns: int = attrs.field(validator=attrs.validators.ge(0))

    def drawer(self, stream: Stream) -> Callable[[], int]:
        """Return what gives the nanoseconds of one packet; it draws nothing."""
        latency_ns = self.latency_ns
        return lambda: latency_ns


@attrs.frozen
class Uniform:
    """From `low_ns` to `high_ns`, in steps of a microsecond, all alike."""

    low_ns: int = attrs.field(validator=attrs.validators.ge(0))
    high_ns: int = attrs.field()

    @high_ns.validator
    def _check_high(self, _: object, value: int) -> None:
        if value < self.low_ns:
            raise ValueError(f"a latency from {self.low_ns} to {value} ns: low before high")

    def drawer(self, stream: Stream) -> Callable[[], int]:
        """Return what draws the nanoseconds of one packet."""
        low_ns, steps, below = self.low_ns, (self.high_ns - self.low_ns) // US + 1, stream.below
        return lambda: low_ns + below(steps) * US


@attrs.frozen
class Exponential:
    """`low_ns` and something on top: `mean_ns` on average, often less, seldom up to five times as much."""

    low_ns: int = attrs.field(validator=attrs.validators.ge(0))
    mean_ns: int = attrs.field(validator=attrs.validators.ge(0))

    def drawer(self, stream: Stream) -> Callable[[], int]:
        """Return what draws the nanoseconds of one packet."""
        low_ns, below = self.low_ns, stream.below
        rises = tuple(self.mean_ns * quantile // 1_024 for quantile in _EXPONENTIAL)
        return lambda: low_ns + rises[below(len(rises))]


_PROBABILITY = attrs.validators.and_(attrs.validators.ge(0.0), attrs.validators.le(1.0))
_POSITIVE = attrs.validators.optional(attrs.validators.gt(0))


@attrs.frozen(kw_only=True)
class Law:
    """The behaviour of a link in one direction."""

    latency: Latency = Uniform(100 * US, 1 * MS)
    bytes_per_second: int | None = attrs.field(default=None, validator=_POSITIVE)
    """None: there is room for everything."""
    loss: float = attrs.field(default=0.0, validator=_PROBABILITY)
    """Probability that a packet is lost; TCP sends it again."""
    duplication: float = attrs.field(default=0.0, validator=_PROBABILITY)
    """Probability that a datagram arrives twice."""
    splitting: float = attrs.field(default=0.0, validator=_PROBABILITY)
    """Probability that a write arrives in two pieces, however short it is."""
    datagram_bytes_max: int = attrs.field(default=65_507, validator=attrs.validators.gt(0))
    """Longer datagrams vanish on the way, as they do where fragments are not let through."""


PLAIN = Law()
LOOPBACK = Law(latency=Fixed(20 * US))
