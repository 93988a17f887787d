"""The use cases over the ports: the only part of the core that waits. A file per resource.

drafts.py         what callers hand in
inputs.py         checks of what callers hand in: typed errors that name the path
commit.py         running a transaction to its end, with bounded retries
paging.py         one page of an index, by cursor
matching.py       pages of what matches: filters that no index fixes, read in bounded pieces
history.py        reading a thread's messages, by key
owned.py          reading what belongs to the actor: another organization's things are not found
builtin_tools.py  the tools that exist without anybody creating them
blocks.py  tools.py  agents.py  runs.py  tags.py   one resource each
agent_state.py    an agent with what belongs to it at one moment
agent_list.py     listing and counting agents, by filters, in one of three orders
block_list.py     listing and counting blocks
message_search.py  searching messages by words, backwards up to a bound
conversation_search.py  the builtin tool that does so
departures.py     cursors of what was deleted
sweeps.py         making records vanish in bounded pieces
new_thread.py     a new thread: its system message, what follows, its head
conversations.py  threads of an agent beside its default one, and forks of them
import_plan.py    what an import will write, with ids of this house
transfer.py       import and export of agent files
turn_events.py    what a listener hears of a turn
lease.py          one turn at a time per thread, across processes
model_reply.py    chunks of the model's stream to one reply
tool_search.py    finding tools: by filters, page by page, and by words
agent_view.py     the agent as tools see it, and what becomes of the blocks they change
tool_calls.py     one call of a tool: the only dispatcher, for plain and streamed turns alike
approvals.py      answers to calls that wait for approval, and calls that are withdrawn
turn_request.py   what the model is asked: the window, the tools that the rules allow
turn_start.py     the commit that begins a turn
turn_commit.py    the commit of one transition of a turn
turns.py          driving a turn to its end
event_log.py      the stored log of a background run's stream
log_writer.py     writing it while the run lives here
log_keeping.py    logs that are owed something, and logs that are to go
streams.py        listening by the log, from any event on
supervisor.py     the turns that live in this process, and who listens to them
recovery.py       taking up the turns that a dead process left
tool_runs.py      running a tool outside any turn
reset.py          taking a thread's messages away
messages.py       sending, streaming, listing, cancelling
"""
