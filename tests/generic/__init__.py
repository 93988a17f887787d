"""Programs that have nothing to do with agents, under every fault that any program may meet. In reading order:

log.py            a log of records on a disk that fails, crashes and lies
sums.py           sums over UDP: what comes twice, late or damaged counts once
payments.py       transfers over HTTP through a gateway: each is made once
leases.py         a lease by clocks that are wrong, and the fence that makes it safe all the same
replicas.py       a register on three disks, one of which may be lost
ids.py            ids that nobody has to be asked for
counters.py       a counter on several nodes, told by gossip
broadcast.py      messages that are to reach all nodes
topics.py         logs by key on a leader and its followers
common.py         what the scenarios share
scenarios.py      the programs with their faults and laws
maelstrom.py      those after Maelstrom's workloads
test_generic.py   they hold, and what was planted in them is found
"""
