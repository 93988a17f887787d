"""A strategy by its name, and the portfolio that draws one per seed.

No strategy is best at everything: a random walk misses what needs one task to starve, priorities miss what needs many
changes, and few delays find most of the rest quickest. So a budget is split.
"""

from __future__ import annotations

import re

from kelpie_sim.seed import Stream, Streams
from kelpie_sim.strategies.delay import Delay
from kelpie_sim.strategies.estimate import Estimate
from kelpie_sim.strategies.line import SCHEDULE_STREAM, Fifo, RandomPick, Strategy
from kelpie_sim.strategies.pct import Pct
from kelpie_sim.strategies.pos import Pos
from kelpie_sim.strategies.urw import Urw
from kelpie_sim.tape import Tape

STRATEGY_STREAM = "strategy"
PORTFOLIO = "portfolio"
GUESSING = "urw:guess"
# Of how many parts each gets how many; tuned on the zoo of bugs (tests/zoo). The plainest comes first.
SHARES = (
    ("delay:2", 1), ("random", 2), ("pct:1", 3), ("pct:2", 1), ("pct:3", 2), ("pos", 3), (GUESSING, 4), ("urw", 4),
)  # fmt: skip
PARTS = sum(share for _, share in SHARES)
_NAME = re.compile(r"fifo|random|pct:[1-9]\d?|pos|urw|urw:guess|delay:[1-9]\d?|portfolio")
NAMES = (Fifo.name, RandomPick.name, "pct:DEPTH", Pos.name, Urw.name, GUESSING, "delay:DELAYS", PORTFOLIO)


def strategy_named(name: str, streams: Streams, estimate: Estimate | None = None) -> Strategy:
    """Return a new strategy, drawing from the stream "schedule", the portfolio also from "strategy".

    With an estimate, those that need one know the program's length. Along a tape that replays, the tape says who runs,
    whatever the name. Raise ValueError for an unknown name.
    """
    kind = drawn_name(streams) if name == PORTFOLIO else name
    if kind == RandomPick.name:
        return RandomPick(streams.stream(SCHEDULE_STREAM))
    check_name(name)
    # First come first served leaves nothing on a tape, and is replayed by doing the same.
    if kind == Fifo.name and not streams.tape.scripts(SCHEDULE_STREAM):
        return Fifo()
    if streams.tape.replays and not streams.tape.continues:
        return RandomPick(streams.stream(SCHEDULE_STREAM))
    return _made(kind, streams.stream(SCHEDULE_STREAM), estimate)


def check_name(name: str) -> None:
    """Raise ValueError, with the names that there are, unless a strategy has this one."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"no strategy is named {name!r}; there are {', '.join(NAMES)}")


def _made(kind: str, stream: Stream, estimate: Estimate | None) -> Strategy:
    name, _, number = kind.partition(":")
    picks = estimate.picks if estimate else 0
    if name == "pct":
        return Pct(stream, int(number), picks)
    if name == "delay":
        return Delay(stream, int(number), picks)
    if name == Pos.name:
        return Pos(stream)
    return Fifo() if name == Fifo.name else Urw(stream, None if kind == GUESSING else estimate)


def wants_estimate(name: str, tape: Tape) -> bool:
    """Return whether a strategy is better with an estimate of the program's length, on this tape."""
    known = name in (Fifo.name, RandomPick.name, Pos.name, GUESSING)
    return not known and (tape.continues or not tape.replays)


def drawn_name(streams: Streams) -> str:
    """Return the name of the strategy that the portfolio gives to this seed."""
    part = streams.stream(STRATEGY_STREAM).below(PARTS)
    for name, share in SHARES:
        part -= share
        if part < 0:
            return name
    raise AssertionError("a part beyond all shares")
