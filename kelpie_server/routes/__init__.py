"""Handlers: each decodes a request, calls one service, encodes the answer. A file per resource.

health.py      whether the server lives, whether it can serve, what it tells of itself
documents.py   what the API is, for machines and for people
agents.py      agents, and the blocks and tools attached to them
blocks.py      memory blocks
tools.py       tools
threads.py     what is asked of a thread: a turn, its history
messages.py    turns of agents, plain, streamed and in the background; histories; cancelling; resetting
conversations.py threads of an agent beside its default one
runs.py        runs, their messages, steps, usage, traces
models.py      which language models and embedders there are
steps.py       steps, their metrics, feedback on them
transfer.py    import and export of agent files
tags.py        the tags of agents
"""
