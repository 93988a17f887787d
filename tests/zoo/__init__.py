"""A zoo of small asyncio programs, each with one known bug that only some orders of events show.

In the manner of SCTBench: locks are asyncio.Lock, and before each access to what is shared stands a scheduling point.
They use nothing but asyncio, so any tool can be measured on them.

program.py    what a program is
ordering.py   read before, between or after the writes it belongs to
locking.py    the wrong lock, two in both orders, none
sharing.py    what was read is taken for true
waiting.py    signals missed, misled, believed
"""

from tests.zoo import locking, ordering, sharing, waiting
from tests.zoo.program import Program

PROGRAMS: tuple[Program, ...] = (*ordering.PROGRAMS, *locking.PROGRAMS, *sharing.PROGRAMS, *waiting.PROGRAMS)

__all__ = ["PROGRAMS", "Program"]
