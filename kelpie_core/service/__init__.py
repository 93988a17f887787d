"""The use cases over the ports: the only part of the core that waits. A file per resource.

drafts.py         what callers hand in
inputs.py         checks of what callers hand in: typed errors that name the path
commit.py         running a transaction to its end, with bounded retries
paging.py         one page of an index, by cursor
history.py        reading an agent's messages, by key
owned.py          reading what belongs to the actor: another organization's things are not found
builtin_tools.py  the tools that exist without anybody creating them
blocks.py  tools.py  agents.py  runs.py   one resource each
sweeps.py         making records vanish in bounded pieces
import_plan.py    what an import will write, with ids of this house
transfer.py       import and export of agent files
turn_events.py    what a listener hears of a turn
lease.py          one turn at a time per agent, across processes
model_reply.py    chunks of the model's stream to one reply
tool_calls.py     one call of a tool: the only dispatcher, for plain and streamed turns alike
turn_start.py     the commit that begins a turn
turn_commit.py    the commit of one transition of a turn
turns.py          driving a turn to its end
supervisor.py     the turns that live in this process, and who listens to them
recovery.py       taking up the turns that a dead process left
messages.py       sending, streaming, listing, cancelling
"""
