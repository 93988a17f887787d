"""What a tool is handed."""

import pytest

from kelpie_server.world.sandbox.child.offered import agent_state, attributed, edits

STATE = {
    "id": "agent-1",
    "tags": ["a", {"b": 1}],
    "metadata": {"deep": {"x": 1}},
    "memory": {
        "blocks": [{"label": "human", "value": "Bo", "limit": 9}, {"label": "persona", "value": "", "limit": 9}]
    },
}


def test_agent_is_read_by_attribute():
    """The fields of the agent and its blocks read as those of an object, at every depth."""
    agent = agent_state(STATE)
    assert ("agent-1", 1, 1) == (agent.id, agent.tags[1].b, agent.metadata.deep.x)
    memory = agent.memory
    assert ("Bo", 9, "Bo") == (memory.get_block("human").value, memory.get_block("human").limit, str(memory.blocks[0]))
    assert (["human", "persona"], 2) == (memory.list_block_labels(), len(list(memory)))
    assert {} == edits(agent, STATE)


def test_edits_are_the_values_that_differ():
    """A value that is set, by the block or by the memory, is an edit; one that is set back is none."""
    agent = agent_state(STATE)
    agent.memory.get_block("human").value = "Cy"
    agent.memory.update_block_value("persona", "x")
    agent.memory.update_block_value("persona", "")
    assert {"human": "Cy"} == edits(agent, STATE)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda agent: setattr(agent, "name", "x"), AttributeError, "agent_state: only the values of memory blocks"),
        (lambda agent: agent.update(a=1), AttributeError, "only the values"),
        (lambda agent: agent.metadata.__setitem__("a", 1), AttributeError, "only the values"),
        (lambda agent: setattr(agent.memory, "blocks", ()), AttributeError, "only the values"),
        (lambda agent: agent.memory.set_block(None), AttributeError, "none can be added"),
        (lambda agent: setattr(agent.memory.get_block("human"), "limit", 1), AttributeError, "not its limit"),
        (lambda agent: setattr(agent.memory.get_block("human"), "value", 1), TypeError, "must be a text, not int"),
        (lambda agent: agent.memory.get_block("x"), KeyError, "no memory block 'x'; there are: human, persona"),
        (lambda agent: agent.nothing, AttributeError, "no field 'nothing'; there are: id"),
        (lambda agent: agent.memory.get_block("human").nothing, AttributeError, "no 'nothing'"),
    ],
)
def test_changes_that_would_be_lost(change, error, words):
    """Whatever cannot be stored is refused when it is tried."""
    with pytest.raises(error, match=words):
        change(agent_state(STATE))


def test_objects_of_arguments():
    """Objects are read by key and by attribute, in lists too, and can be changed: they are the tool's own."""
    value = attributed({"a": [{"b": 1}], "c": None})
    value.a[0].b += 1
    assert ({"a": [{"b": 2}], "c": None}, 2) == (value, value["a"][0].b)
