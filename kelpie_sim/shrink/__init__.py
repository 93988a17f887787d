"""From a failing run to a small one with the same finding, and its short story.

In reading order, which is the order in which a failure passes:

choices      the choices of a run as they are edited: those that are not 0
line         who ran when and who overtook whom; orders that are told as a plan, not as a tape
trials       runs of edited tapes: counted, remembered, held against the best so far
passes       edits that make things fewer and smaller: faults, streams, workload, options
ordering     edits of who runs when: as near to asyncio's own order as the failure allows
shrinker     all passes until none helps, and what came of it
story        a shrunk failure in numbered lines of words
"""
