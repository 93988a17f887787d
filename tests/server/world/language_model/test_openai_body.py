"""A request as chat completions want it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.model.content import OpaquePart, ReasoningPart
from kelpie_core.model.message import Role
from kelpie_core.ports import REQUIRED
from kelpie_server.world.language_model.json_body import TOOL_ARGUMENTS, decoded, encoded
from kelpie_server.world.language_model.openai_body import chat_body, closed, is_strict, names_of, parameters_of
from kelpie_sim.agents.model_checks import check_chat, check_tools
from tests.server.world.language_model.samples import (
    LOOK_SCHEMA,
    call,
    image,
    message,
    request,
    returned,
    said,
    told,
    tool,
    user,
)
from tests.server.world.language_model.windows import TOOLS, WINDOWS

COMMON = {"model": "m1", "stream": True, "stream_options": {"include_usage": True}}
SYSTEM = {"role": "system", "content": "Be brief."}


def body_of(asked, model="m1", *, official=False):
    """Return the body of a request."""
    return chat_body(asked, model, names_of(asked), official=official)


def messages_of(*window, official=False):
    """Return the messages behind the system prompt."""
    first, *rest = body_of(request(*window), official=official)["messages"]
    assert SYSTEM == first
    return rest


def options_of(model="m1", *, official=False, tools=(), **settings):
    """Return what settings ask for."""
    body = body_of(request(user("hi"), model_settings=settings, tools=tools), model, official=official)
    return {name: value for name, value in body.items() if name not in {**COMMON, "messages": 0, "tools": 0}}


def test_plain_request():
    """System prompt and window, streamed with the usage at the end; no prompt, no system message."""
    hi = {"role": "user", "content": "hi"}
    assert {**COMMON, "messages": [SYSTEM, hi]} == body_of(request(user("hi")))
    assert {**COMMON, "messages": [hi]} == body_of(request(user("hi"), system=" "))


def test_calls_and_returns():
    """Calls stand with what was said, each return behind them under its call's id; thoughts are not sent."""
    window = (
        said(ReasoningPart(reasoning="hm"), "let me", calls=(call("a"), call("b", arguments='{"x'))),
        told(returned("a", "1"), returned("b", None, ok=False)),
        said(ReasoningPart(reasoning="only thought")),
    )
    unread = encoded({TOOL_ARGUMENTS: '{"x'}).decode()
    calls = [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"text":"a"}'}},
        {
            "id": "b",
            "type": "function",
            "function": {"name": "look", "arguments": unread},
        },
    ]
    expected = [
        {"role": "assistant", "content": "let me", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
    ]
    assert expected == messages_of(*window)


def test_calls_without_words():
    """A reply of calls alone has no content."""
    (reply, _) = messages_of(said(calls=(call("a"),)), told(returned("a")))
    assert reply["content"] is None


def test_system_messages_in_the_window():
    """OpenAI takes them anywhere; the templates of others break, so they come as the user's."""
    note = message(Role.SYSTEM, "note")
    assert [{"role": "system", "content": "note"}] == messages_of(note, official=True)
    assert [{"role": "user", "content": "note"}] == messages_of(note)


def test_names_of_users():
    """A user's name is made fit."""
    assert [{"role": "user", "content": "hi", "name": "Ada_L"}] == messages_of(user("hi", name="Ada L"))


def test_pictures():
    """Text and pictures stand in parts; what cannot be shown is left out."""
    shown = image(data="AA", media_type="image/jpeg", detail="low")
    linked, lost = image(url="https://x/y.png"), image(file_id="f")
    unknown = OpaquePart(fields={"type": "sound"})
    content = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]
    assert [{"role": "user", "content": content}] == messages_of(user("see", shown, linked, lost, unknown))
    assert [] == messages_of(user(lost))


def test_tools():
    """Tools are offered once each under names that fit; calls of the window bear the same names."""
    tools = (tool("look up"), tool("look up"), tool("bare", description="Do.", json_schema=None))
    asked = request(said(calls=(call("a", "look up"),)), told(returned("a")), tools=tools)
    body = body_of(asked)
    expected = [
        {"name": "look_up", "description": "Look.", "parameters": LOOK_SCHEMA},
        {"name": "bare", "description": "Do.", "parameters": {"type": "object", "properties": {}}},
    ]
    assert [{"type": "function", "function": each} for each in expected] == body["tools"]
    assert "look_up" == body["messages"][1]["tool_calls"][0]["function"]["name"]
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        (REQUIRED, "required"),
        ("look", {"type": "function", "function": {"name": "look"}}),
        ("not offered", None),
    ],
)
def test_tool_choice(choice, sent):
    """One tool, any tool or none must be called, as the request says."""
    assert sent == body_of(request(user("hi"), tools=(tool(),), tool_choice=choice)).get("tool_choice")


def test_without_tools_nothing_is_said_of_them():
    """A choice, or calls side by side, make no sense without tools, and providers refuse them."""
    asked = request(user("hi"), tool_choice=REQUIRED, model_settings={"parallel_tool_calls": True})
    assert {"tools", "tool_choice", "parallel_tool_calls"}.isdisjoint(body_of(asked))


def test_options():
    """Settings are passed on to who knows them."""
    options = {"temperature": 0.5, "max_output_tokens": 9, "verbosity": "low", "reasoning": {"reasoning_effort": "low"}}
    sent = {"temperature": 0.5, "max_tokens": 9, "verbosity": "low", "reasoning_effort": "low"}
    assert sent == options_of(**options)
    assert {} == options_of(reasoning={"reasoning_effort": "minimal"})
    assert {"parallel_tool_calls": False} == options_of(tools=(tool(),), parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gpt-4o-mini", {"max_completion_tokens": 9, "temperature": 0.5}),
        ("gpt-5-mini", {"max_completion_tokens": 9, "reasoning_effort": "minimal", "verbosity": "low"}),
        ("gpt-5-chat-latest", {"max_completion_tokens": 9, "temperature": 0.5, "verbosity": "low"}),
        ("o3", {"max_completion_tokens": 9, "reasoning_effort": "low"}),
    ],
)
def test_openai_refuses_what_a_model_does_not_know(model, sent):
    """OpenAI gets of the settings what the model takes: V1's default asks every model for the least effort."""
    effort = {"reasoning_effort": "minimal"}
    options = options_of(model, official=True, temperature=0.5, max_output_tokens=9, verbosity="low", reasoning=effort)
    assert sent == options


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_schema"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"type": "object"}},
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        ),
    ],
)
def test_response_format(wanted, sent):
    """A schema is sent with the name that it must have, given or not."""
    assert {"response_format": sent} == options_of(response_format=wanted)


def test_strict_tools():
    """Strict are the tools whose schema can be held to; others are offered as ever."""
    nested = {"type": "object", "properties": {"a": {"type": "array", "items": LOOK_SCHEMA}}, "required": ["a"]}
    optional = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = (tool("one", nested), tool("two", optional))
    one, two = body_of(request(user("hi"), tools=tools, model_settings={"strict": True}))["tools"]
    assert (True, closed(nested)) == (one["function"]["strict"], one["function"]["parameters"])
    assert False is one["function"]["parameters"]["properties"]["a"]["items"]["additionalProperties"]
    assert ("strict" not in two["function"], optional) == (True, two["function"]["parameters"])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "object", "properties": []},
        {"anyOf": [{"type": "object", "properties": {"a": {}}}]},
    ],
)
def test_schemas_that_are_not_strict(schema):
    """Open objects, and objects with optional properties at any depth, cannot be held to."""
    assert not is_strict(schema)


@pytest.mark.parametrize("parameters", [None, [], {"type": "string"}])
def test_parameters_are_always_an_objects(parameters):
    """A schema that is no object's is none."""
    assert {"type": "object", "properties": {}} == parameters_of(tool(json_schema={"parameters": parameters}))


@given(window=WINDOWS, tools=TOOLS, official=st.booleans())
def test_every_window_is_taken(window, tools, official):
    """Whatever a window holds, what is made of it is JSON that no provider refuses."""
    asked = request(*window, tools=tools)
    body = decoded(encoded(body_of(asked, official=official)))
    check_chat(body["messages"])
    check_tools([each["function"] for each in body.get("tools", [])])
