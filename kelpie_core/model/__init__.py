"""The nouns of the house: frozen values, equal by content, times in aware UTC.

checks.py     validators that the values share
actor.py      who asks: user and organization
content.py    what a message says: text, reasoning, and parts that are carried along
block.py      a memory block
tool.py       a tool, a call of it, its return
approval.py   calls that wait for somebody's answer, and the answers
message.py    a chat message
agent.py      an agent's configuration, and its head: the part that moves with every turn
conversation.py a thread of messages beside the agent's default one
turn.py       the state of a turn, usage, stop reasons
run.py        the stored account of a turn, with the turn's state in it
step.py       one model call with its tools
event_log.py  the stored log of a background run's stream
sweep.py      records that are to vanish
departure.py  where something stood before it was deleted
"""
