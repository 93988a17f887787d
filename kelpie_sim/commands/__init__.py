"""What the command line can do, a file per sort of command. Each adds its parsers and returns exit codes.

options   arguments that several commands share: scenarios, seeds, jobs, spans of time
search    run, soak: many seeds
single    replay, shrink, explain: one failing run
seeds     seeds: what the corpus holds
explore   prove, branch: all orders of a small program; searches that go on from rare points
laws      check: a recorded history held to a law
proofs    determinism, list, digests
"""
