"""Formats of the outside: bytes and JSON to values of the model and back. Pure functions, errors that name the path.

json_reader.py          a document that somebody else wrote: bytes to JSON, then field by field
agent_file.py           what an agent file holds, as one value, whichever generation it is of
agent_file_parts.py     blocks, tools, messages and agents, as both generations write them
agent_file_checks.py    what must hold between the parts: references, pairs of calls and returns
agent_file_current.py   the new generation: lists of entities that refer to each other
agent_file_legacy.py    the old generation: one flat agent
agent_file_reader.py    the bytes of a file of either generation to its value
agent_file_writer.py    stored records to the pieces of a file of the new generation
letta_fields.py         typed fields of loosely typed JSON: refused with their path, or sifted
letta_block.py          a memory block in the shape of Letta's API
letta_tool.py           a tool
letta_agent.py          an agent; its model as handle, config and settings
letta_model.py          language models and embedders that there are
letta_message.py        a message: a variant per part
letta_run.py            runs, steps, usage, stop reasons
letta_stream.py         a turn's events as the events of a stream
letta_log.py            the same as they go into a log, and out of it again
letta_bodies.py         what bodies of requests may hold
letta_requests.py       bodies to drafts and changes
letta_conversation.py   conversations: answers, bodies, queries, names of threads
letta_account.py        filters of runs and steps, usage, metrics, traces
letta_tool_requests.py  bodies and queries of requests for tools
letta_filters.py        filters of agents and blocks
letta_search.py         searching messages
letta_query.py          query strings and forms to pages, filters, import options
"""
