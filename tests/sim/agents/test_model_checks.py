"""What providers of models refuse."""

import json

import pytest

from kelpie_sim.agents.model_checks import Unsound, check_chat, check_tools, check_turns, signature_of, texts_of


def call(key="c1", name="look", arguments="{}"):
    """Return a message with a call, as chat completions have it."""
    return {"role": "assistant", "tool_calls": [{"id": key, "function": {"name": name, "arguments": arguments}}]}


def returned(key="c1"):
    """Return a return."""
    return {"role": "tool", "tool_call_id": key, "content": ""}


USER = {"role": "user", "content": "hi"}


def test_sound_chat():
    """Words, calls and their returns in order are taken."""
    check_chat([USER, call("a"), returned("a"), {"role": "assistant", "content": "x"}, call("b"), returned("b")])


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([returned()], "a return without its call"),
        ([call(), USER], "a call without its return"),
        ([call()], "a call without its return"),
        ([call(), returned(), returned()], "a return without its call"),
        ([{"role": "user", "content": ""}], "an empty message"),
        ([{"role": "assistant", "content": None}], "an empty message"),
        ([call("a b")], "a bad id"),
        ([call(name="a b")], "a bad id, name"),
        ([call(arguments="[]")], "a bad id, name or arguments"),
        ([call(), returned(), call(), returned()], "a bad id"),
    ],
)
def test_unsound_chat(messages, words):
    """Whatever a provider would refuse is refused."""
    with pytest.raises(Unsound, match=words):
        check_chat(messages)


def test_bad_arguments_of_a_call():
    """Arguments that are no JSON are not even read."""
    with pytest.raises(json.JSONDecodeError):
        check_chat([call(arguments="{")])


def turn(role, *blocks):
    """Return a turn."""
    return {"role": role, "content": list(blocks)}


def text(words="hi"):
    """Return a block of text."""
    return {"type": "text", "text": words}


USE = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c1"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": signature_of("hm")}


def test_sound_turns():
    """Turns that are taken, with calls that are answered first and thoughts as they were, are taken."""
    messages = [turn("user", text()), turn("assistant", THOUGHT, USE), turn("user", RESULT, text("and"))]
    check_turns(messages, thinks=True)
    assert ["and"] == texts_of(messages[2])


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([turn("assistant", text())], "not taken in turn"),
        ([turn("user", text()), turn("user", text())], "not taken in turn"),
        ([turn("user", text()), turn("assistant", text())], "does not speak last"),
        ([], "does not speak last"),
        ([turn("user", text()), turn("assistant", USE), turn("user", text())], "do not match"),
        ([turn("user", text()), turn("assistant", USE), turn("user", text(), RESULT)], "do not match"),
        ([turn("user", RESULT)], "do not match"),
        ([turn("user", text(" "))], "a blank text"),
        (
            [turn("user", text()), turn("assistant", {**THOUGHT, "thinking": "ha"}), turn("user", text())],
            "not what was",
        ),
        ([turn("user", text()), turn("assistant", {**USE, "input": []}), turn("user", RESULT)], "a bad id"),
    ],
)
def test_unsound_turns(messages, words):
    """Whatever Anthropic would refuse is refused."""
    with pytest.raises(Unsound, match=words):
        check_turns(messages, thinks=False)


def test_thinking_cannot_begin_in_the_middle():
    """A turn that thinks cannot go on from calls without thoughts."""
    messages = [turn("user", text()), turn("assistant", USE), turn("user", RESULT)]
    check_turns(messages, thinks=False)
    with pytest.raises(Unsound, match="goes on from calls without thoughts"):
        check_turns(messages, thinks=True)


@pytest.mark.parametrize("names", [("a", "a"), ("a b",)])
def test_names_of_tools(names):
    """Tools have names of their own that fit."""
    check_tools([{"name": "a"}, {"name": "b"}])
    with pytest.raises(Unsound):
        check_tools([{"name": name} for name in names])
