"""Kelpie in the world: the only room of the simulator that knows the core and the server.

faults.py          what can go wrong around Kelpie, and at which operations
clock.py           the clock and entropy ports
store.py           the way to the durable store, with its faults
sqlite.py          the production SQLite store inside the world
language_model.py  a model that the user's message scripts
model_endpoints.py the same as providers that are asked over the network
model_checks.py    what providers refuse
tools.py           scripted tools and the ledger of their effects
invariants.py      what must hold of the durable state at every commit
cluster.py         servers over one store
http.py            the production HTTP app, at message level
streaming.py       clients that hear a background run to its end, however often they are cut off
client.py          clients that write down what they asked and were told
audit.py           what clients were told, held against the store at the end
documents.py       agent files in comparable form
samples.py         the agent files that scenarios import
scenarios/         the scenarios
"""
