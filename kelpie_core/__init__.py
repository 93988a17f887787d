"""The agent-state core: pure. No clock, entropy, socket, file or thread of its own; all of it comes in through ports.

json_types.py   the name for JSON that is carried along
limits.py       every bound
errors.py       the error tree
ids.py          ids from the bits of the entropy port
texts.py        text of others made fit to be stored
keys.py         order-preserving encoding of keys
tool_docstring.py what a docstring says of a function's arguments
tool_schema.py  the JSON schema of a tool from its source
model/          the nouns: frozen values
turn/           the agent turn as a machine
records.py      the stored tables as data
ports.py        what the core asks of the world
keyed_entropy.py ids that a repeated request draws again
optimistic.py   the transaction that every store shares
memory_store.py a small complete store in memory
echo_model.py   a model that needs no key and no network
wire/           outside formats
service/        use cases over the ports
kelpie.py       the face for embedding
"""
