"""A deterministic simulator for asyncio programs: one integer decides everything that can happen.

The same seed gives the same run, byte for byte, on any machine; another seed gives another order of events and other
faults. In reading order, which is the order in which data passes:

errors.py        what can go wrong, and whose fault it is
seed.py          one integer becomes named streams of choices
tape.py          the recorded choices of a run; the tape alone replays it
trace.py         what happened, and its running digest
incarnation.py   whose code is running: one context variable
tasks.py         tasks and futures that hash by number; handles and timers
timers.py        callbacks that wait for an instant
strategies.py    who runs next
real_world.py    what of an event loop is refused, by name of the call
graveyard.py     what crashed hosts leave behind
asyncgens.py     unfinished async generators, in order
registry.py      all tasks, and the errors nobody saw
waiting.py       where a suspended task waits
loop.py          the event loop on virtual time
guards/          what would leak the real world: caught, replaced or refused
run.py           one run from the first step to the burial
world/           what any program touches: clock, host, network, disk
"""
