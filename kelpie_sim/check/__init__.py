"""What decides whether a run was right.

- history: what clients asked for and what they were told; checkers read it
- invariants: what must hold of the live program at named moments
- sometimes: what must happen at least once over many seeds, or the search is blind there
"""
