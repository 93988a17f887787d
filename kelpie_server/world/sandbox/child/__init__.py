"""What runs in a tool's process. Stdlib only: the interpreter of tools need not have anything of the server's.

bootstrap.py  reads the request, shuts itself in, runs the tool, gives the result back
isolation.py  rlimits, another user, Landlock, seccomp: in that order, or not at all
calling.py    the tool's function: found in its source and called with the model's arguments
offered.py    what a tool is handed: `agent_state`, and objects whose fields are attributes
"""
