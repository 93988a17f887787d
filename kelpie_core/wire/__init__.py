"""Formats of the outside: bytes and JSON to values of the model and back. Pure functions, errors that name the path.

json_reader.py          a document that somebody else wrote: bytes to JSON, then field by field
agent_file.py           what an agent file holds, as one value, whichever generation it is of
agent_file_parts.py     blocks, tools, messages and agents, as both generations write them
agent_file_checks.py    what must hold between the parts: references, pairs of calls and returns
agent_file_current.py   the new generation: lists of entities that refer to each other
agent_file_legacy.py    the old generation: one flat agent
agent_file_reader.py    the bytes of a file of either generation to its value
agent_file_writer.py    stored records to the pieces of a file of the new generation
"""
