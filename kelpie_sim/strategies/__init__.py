"""Who runs next among all that are ready. In reading order:

line.py       the line of those that are ready, first come first served and at random; what every strategy keeps to
owners.py     whose step a handle is, and how a task is recognized in another run
estimate.py   how long a program is, counted in one plain run
ranked.py     the lowest rank runs first: what the priority strategies share
pct.py        a priority per task, changed at few drawn moments
pos.py        a priority per step
urw.py        each task as likely as it has steps to go
delay.py      first come first served, but for a few drawn moments
named.py      a strategy by its name, and the portfolio that draws one per seed

Whatever picks, the choice recorded is the place in the line: 0 is the first, and anyone else swaps places with the
first. So a tape replays without its strategy, an all-zero tape is asyncio's own order, and a choice above 0 is one
deviation from it.
"""

from kelpie_sim.strategies.estimate import Estimate
from kelpie_sim.strategies.line import SCHEDULE_STREAM, Fifo, RandomPick, Strategy, picks_of
from kelpie_sim.strategies.named import NAMES, PORTFOLIO, check_name, strategy_named, wants_estimate

__all__ = [
    "NAMES",
    "PORTFOLIO",
    "SCHEDULE_STREAM",
    "Estimate",
    "Fifo",
    "RandomPick",
    "Strategy",
    "check_name",
    "picks_of",
    "strategy_named",
    "wants_estimate",
]
