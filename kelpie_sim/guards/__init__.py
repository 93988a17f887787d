"""What would leak the real world into a run: replaced by the simulated thing, or refused by the name of the call.

In reading order:

active.py     which run is guarded, and when the guards step aside
patches.py    swapping attributes, and the names that other modules imported before
clock.py      time and datetime show the virtual instant, in UTC; blocking sleep is refused
entropy.py    urandom, uuid, secrets, random: seeded by the run
waits.py      sleep, queues and locks on quicker futures
order.py      what the standard library does in order of addresses
generators.py the interpreter's hooks for async generators
refusals.py   threads, sockets, processes, files: refused
files.py      files on the disks of the hosts, where there are any
databases.py  and databases, by sqlite3
guarded.py    installing all of them for a run or a batch of runs, and taking them away again

Not covered: references taken before the run that are no module attribute (default arguments, class attributes, bound
methods like `now = datetime.now` or `draw = random.random`); C code that asks the system itself (OpenSSL, numpy,
SQLite's own random()); `asyncio.Future()` made by hand (hashes by address; use loop.create_future()); the order of sets
of text under another PYTHONHASHSEED; sets of objects that hash by address.
"""

from kelpie_sim.guards.active import allowed
from kelpie_sim.guards.guarded import batch, guarded

__all__ = ["allowed", "batch", "guarded"]
