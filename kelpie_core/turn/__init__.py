"""The agent turn as a machine: no input but events, no output but effects.

events.py    what can happen
effects.py   what the turn asks for
rules.py     tool rules: which tools may be called next
conduct.py   how an agent's turns go: its rules, and the ways of its type
machine.py   the transition table; nothing else decides
window.py    which messages go into the next model call
memory.py    the builtin memory tools: edits of blocks as pure functions
"""
