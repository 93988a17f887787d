"""The comparable form of agent files: what is the same reads the same, and what differs differs."""

import copy
import json

import pytest

from kelpie_sim.agents.documents import NOON_TEXT, normal_form, normalized, same, upgraded
from kelpie_sim.agents.samples import SAMPLES
from tests.agent_files import bytes_of, document_of

CALL = {"id": "call-1", "function": {"name": "prune", "arguments": "{}"}}
BASE = document_of(
    messages=(
        {"content": "hello", "run_id": "run-9", "created_at": "2026-02-02T12:00:00+00:00"},
        {"role": "assistant", "tool_calls": [CALL], "step_id": "step-9"},
        {"role": "tool", "tool_returns": [{"tool_call_id": "call-1", "status": "success", "func_response": "ok"}]},
    ),
    tags=["green"],
)


def edited(edit):
    """Return the comparable form of the base document after an edit."""
    document = copy.deepcopy(BASE)
    edit(document)
    return normal_form(document)


def message(document, number):
    """Return a message of the document."""
    return document["agents"][0]["messages"][number]


EQUAL = {
    "other ids": lambda d: d.update(json.loads(json.dumps(d).replace("message-", "m-").replace("run-9", "run-1"))),
    "a null field": lambda d: message(d, 0).update(name=None, group_id=None),
    "an empty list": lambda d: d["agents"][0].update(metadata={}, source_ids=[]),
    "text as a part": lambda d: message(d, 0).update(content=[{"type": "text", "text": "hello"}]),
    "another zone": lambda d: message(d, 0).update(created_at="2026-02-02T14:00:00+02:00"),
    "no zone": lambda d: message(d, 0).update(created_at="2026-02-02T12:00:00"),
    "a default": lambda d: d["agents"][0].update(agent_type="letta_v1_agent"),
    "the file's own time": lambda d: d.update(created_at="2020-01-01T00:00:00"),
    "metadata_": lambda d: d["tools"][0].update(metadata_={}),
}
DIFFERENT = {
    "another text": lambda d: message(d, 0).update(content="hallo"),
    "a message less": lambda d: d["agents"][0].update(
        messages=d["agents"][0]["messages"][:2], in_context_message_ids=[]
    ),
    "a message out of the window": lambda d: d["agents"][0]["in_context_message_ids"].pop(),
    "another order of the window": lambda d: d["agents"][0]["in_context_message_ids"].reverse(),
    "another block": lambda d: d["blocks"][0].update(value="red"),
    "no block": lambda d: d["agents"][0].update(block_ids=[]),
    "another tool": lambda d: d["tools"][0].update(name="plant"),
    "a return without its call": lambda d: message(d, 2)["tool_returns"][0].update(tool_call_id="call-2"),
    "another time": lambda d: message(d, 0).update(created_at="2026-02-02T12:00:01"),
    "an unknown field": lambda d: message(d, 0).update(mood="glad"),
    "an unknown field of the file": lambda d: d.update(mood="glad"),
    "two runs": lambda d: message(d, 1).update(run_id="run-8"),
    "no tag": lambda d: d["agents"][0].update(tags=[]),
}


@pytest.mark.parametrize("edit", EQUAL.values(), ids=EQUAL)
def test_same_reads_the_same(edit):
    """What two files may say in different ways reads the same."""
    assert normal_form(BASE) == edited(edit)


@pytest.mark.parametrize("edit", DIFFERENT.values(), ids=DIFFERENT)
def test_different_reads_different(edit):
    """What was lost or changed shows."""
    assert normal_form(BASE) != edited(edit)
    assert not same(normal_form(BASE), edited(edit))


def test_time_that_a_file_lacks_may_be_any():
    """A time that the original does not say is whatever the import made it; one that it says is kept."""
    original = normal_form({**BASE, "agents": [{**BASE["agents"][0], "created_at": "2025-01-01T00:00:00"}]})
    later = copy.deepcopy(original)
    later["blocks"][0]["created_at"] = "2026-05-05T00:00:00+00:00"
    assert NOON_TEXT == original["blocks"][0]["created_at"]
    assert same(original, later)
    later["agent"]["created_at"] = "2026-05-05T00:00:00+00:00"
    assert not same(original, later)


def test_shorter_list_is_not_the_same():
    """A list that lacks its end is another one."""
    short = normal_form(BASE)
    short["messages"].pop()
    assert not same(normal_form(BASE), short)
    assert not same(short, normal_form(BASE))


def test_old_generation_reads_as_the_new():
    """An old file's blocks, tools, variables and window become those of a new one."""
    old = {
        "name": "fern",
        "core_memory": [{"label": "notes", "value": "green", "metadata_": {}}],
        "tools": [{"name": "prune"}],
        "tool_exec_environment_variables": [{"key": "K", "value": "v", "description": "d"}],
        "in_context_message_indices": [1],
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    }
    form = normal_form(old)
    assert ([1], ["K"], [{"key": "K", "description": "d"}]) == (
        form["agent"]["in_context_message_ids"],
        form["agent"]["secrets"],
        form["agent"]["environment_variables"],
    )
    assert (["green"], ["prune"]) == ([b["value"] for b in form["blocks"]], [t["name"] for t in form["tools"]])
    assert form == normal_form(upgraded(old))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_agent_of_a_file_has_a_form(sample):
    """Each agent of a sample reads by its place, equal to itself and to no other."""
    forms = [normalized(sample.data, place) for place in range(len(sample.agent_names))]
    assert list(sample.agent_names) == [form["agent"]["name"] for form in forms]
    assert all(same(form, form) for form in forms)


def test_document_is_left_as_it_was():
    """Comparing changes neither side."""
    before = bytes_of(BASE)
    normal_form(BASE)
    assert before == bytes_of(BASE)
