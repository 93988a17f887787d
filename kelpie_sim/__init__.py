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
strategies/      who runs next
real_world.py    what of an event loop is refused, by name of the call
asyncgens.py     unfinished async generators, in order
graveyard.py     what crashed hosts leave behind
registry.py      all tasks, and the errors nobody saw
waiting.py       where a suspended task waits, and who holds the lock it waits for
standstill.py    what stood in the way of a program that does not get on
livelock.py      programs that run on and on: a limit, and who took the steps
brakes.py        lives that may not run as they like: dead, paused, slow
loop.py          the event loop on virtual time
guards/          what would leak the real world: caught, replaced or refused
libraries/       what third-party libraries need to run in the world
run.py           one run from the first step to the burial
world/           what any program touches: clock, host, network
faults.py        what can go wrong on purpose
options.py       swarm: the seed draws the options too
buggify.py       where a program helps its simulation to find trouble
check/           what decides whether a run was right
scenario.py      a program with its workload, its faults and its bounds
outcome.py       what a run came to, as values
findings.py      from an exception to a finding and its signature
simulation.py    one seed, one outcome: the only file that knows all parts
nemesis.py       harm over a phase, then healing and the demand to settle
determinism.py   the ladder of rungs that proves a seed is a run
sweep.py         fail the k-th operation, for each k
exhaustive.py    all orders of a small program: a proof
branching.py     going on from a rare moment with another seed
corpus.py        failures once found, replayed for ever
tally.py         what many runs came to, as values that add up
batch.py         some seeds of one scenario in one process
executors.py     where batches run: here, in processes, on a Ray cluster
journal.py       what a campaign has done, on disk, to go on from
campaign.py      many scenarios over many seeds on all cores
seeded_test.py   one test of a suite over its seeds
shrink/          from a failing run to a small one, and its story in words
properties/      Hypothesis drives the world: data, order and faults shrink together
report/          what people get to see of runs
agents/          Kelpie in the world: the only room that knows the core and the server
pytest_plugin.py simulation tests that read like any test
commands/        what the command line can do, a file per sort of command
cli.py           the command line as a whole
__main__.py      where the commands start
"""
