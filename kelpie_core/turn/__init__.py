"""The agent turn as a machine: no input but events, no output but effects.

events.py    what can happen
effects.py   what the turn asks for
machine.py   the transition table; nothing else decides
window.py    which messages go into the next model call
memory.py    the builtin memory tools: edits of blocks as pure functions
"""
