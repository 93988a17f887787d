"""What decides whether a run was right.

- history: what clients asked for and what they were told; checkers read it
- operations: the same as values, live or read back from a file
- values: texts and keys of what was recorded, the same in every process
- models: what a shared thing may do, one operation at a time
- linearizability: is there an order, true to real time, in which each answer is right
- transactions: what each transaction read from outside, and what it wrote
- cycles: the shortest cycles of graphs whose edges have kinds
- dependencies: which transaction must come before which, and reads that are wrong by themselves
- serializability: could the transactions have run one after the other; anomalies by their names
- laws: all of these by name, for histories that were written to a file
- invariants: what must hold of the live program at named moments
- temporal: always, eventually, leads to, cools: laws that speak of time
- sometimes: what must happen at least once over many seeds, or the search is blind there
"""
