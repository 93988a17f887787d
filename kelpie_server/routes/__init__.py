"""Handlers: each decodes a request, calls one service, encodes the answer. A file per resource.

health.py      whether the server lives, whether it can serve
agents.py      agents, and the blocks and tools attached to them
blocks.py      memory blocks
tools.py       tools
messages.py    turns, plain and streamed; histories; cancelling
runs.py        runs, their messages and steps
transfer.py    import and export of agent files
"""
