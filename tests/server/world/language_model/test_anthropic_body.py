"""A request as Anthropic wants it."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie_core.model.content import OpaquePart, ReasoningPart
from kelpie_core.model.message import Role
from kelpie_core.ports import REQUIRED
from kelpie_server.world.language_model.anthropic_body import BEGIN, GO_ON, OUTPUT_TOKENS_DEFAULT, message_parameters
from kelpie_server.world.language_model.json_body import decoded, encoded
from kelpie_server.world.language_model.openai_body import closed, names_of
from kelpie_sim.agents.model_checks import check_tools, check_turns
from tests.server.world.language_model.samples import (
    LOOK_SCHEMA,
    call,
    call_of,
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

CACHED = {"cache_control": {"type": "ephemeral"}}
THOUGHT = ReasoningPart(reasoning="hm", signature="sig")
HIDDEN = OpaquePart(fields={"type": "redacted_reasoning", "data": "zz"})
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
USED = {"type": "tool_use", "id": "c1", "name": "look", "input": {"text": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "found"}


def parameters_of(asked):
    """Return the parameters of a request."""
    return message_parameters(call_of(asked), names_of(asked))


def text(words):
    """Return a block of text."""
    return {"type": "text", "text": words}


def turns_of(*window, **fields):
    """Return who speaks and what, without the mark of the cache at the end."""
    turns = parameters_of(request(*window, **fields))["messages"]
    assert CACHED["cache_control"] == turns[-1]["content"][-1].pop("cache_control")
    return [(turn["role"], turn["content"]) for turn in turns]


def test_plain_request():
    """System prompt and last block are marked for the cache; tokens are bounded though nobody said so."""
    expected = {
        "model": "m1",
        "max_tokens": OUTPUT_TOKENS_DEFAULT,
        "system": [{**text("Be brief."), **CACHED}],
        "messages": [{"role": "user", "content": [{**text("hi"), **CACHED}]}],
    }
    assert expected == parameters_of(request(user("hi")))
    assert "system" not in parameters_of(request(user("hi"), system=""))


def test_turns_are_taken():
    """What comes from one side in a row is one turn, system messages are marked as such, blank texts left out."""
    window = (message(Role.SUMMARY, "before"), message(Role.SYSTEM, "note"), said("a"), said("b", " "), user("c"))
    expected = [
        ("user", [text("before"), text("<system>note</system>")]),
        ("assistant", [text("a"), text("b")]),
        ("user", [text("c")]),
    ]
    assert expected == turns_of(*window)


def test_user_speaks_first_and_last():
    """Where the user has not spoken, something stands in the user's place."""
    assert [("user", [text(BEGIN)])] == turns_of()
    assert [("user", [text(BEGIN)]), ("assistant", [text("a")]), ("user", [text(GO_ON)])] == turns_of(said("a"))


def test_calls_and_returns():
    """Returns stand first in the turn behind their calls; a failed one says so, an empty one has no content."""
    window = (
        user("go"),
        said("let me", calls=(call("c1"), call("c2", arguments="[1]"))),
        told(returned("c1"), returned("c2", "", ok=False)),
        user("and?"),
    )
    failed = {"type": "tool_result", "tool_use_id": "c2", "is_error": True}
    wrapped = {**USED, "id": "c2", "input": {"arguments_that_are_not_json": "[1]"}}
    expected = [
        ("user", [text("go")]),
        ("assistant", [text("let me"), USED, wrapped]),
        ("user", [RESULT, failed, text("and?")]),
    ]
    assert expected == turns_of(*window, tools=(tool(),))


def test_thoughts_go_back_to_their_thinker():
    """Signed and redacted thoughts are sent back as they came, before what was said, to who thought them."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "zz"},
        text("so"),
    ]
    own = turns_of(user("go"), said(THOUGHT, HIDDEN, "so", model="own/m1"), user("and?"))
    assert ("assistant", blocks) == own[1]
    others = turns_of(user("go"), said(THOUGHT, HIDDEN, "so", model="other/m1"), user("and?"))
    assert ("assistant", [text("so")]) == others[1]


def test_thoughts_alone_are_no_turn():
    """A reply of nothing but thoughts, and thoughts that nobody signed, are left out."""
    window = (
        user("a"),
        said(THOUGHT, model="own/m1"),
        user("b"),
        said(ReasoningPart(reasoning="x"), "c", model="own/m1"),
    )
    assert [("user", [text("a"), text("b")]), ("assistant", [text("c")]), ("user", [text(GO_ON)])] == turns_of(*window)


def test_pictures():
    """Pictures of the types that Anthropic knows are shown, by their bytes or their address."""
    jpeg, bitmap = image(data="AA", media_type="image/jpeg"), image(data="AA", media_type="image/bmp")
    blocks = [
        text("see"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
    ]
    assert [("user", blocks)] == turns_of(user("see", jpeg, bitmap, image(url="https://x/y.png"), HIDDEN))


def test_tools():
    """Tools are offered with their schemas, under names that fit, strict where they can be held to."""
    bare = tool("do it", json_schema=None)
    offered = parameters_of(request(user("hi"), tools=(tool(), bare), model_settings={"strict": True}))
    expected = [
        {"name": "look", "description": "Look.", "input_schema": closed(LOOK_SCHEMA), "strict": True},
        {
            "name": "do_it",
            "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
            "strict": True,
        },
    ]
    assert (expected, {"type": "auto"}) == (offered["tools"], offered["tool_choice"])


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": REQUIRED}, {"type": "any"}),
        ({"tool_choice": "look"}, {"type": "tool", "name": "look"}),
        ({"tool_choice": "not offered"}, {"type": "auto"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(fields, choice):
    """Which tool must be called, and whether several may be, is said in Anthropic's words."""
    assert choice == parameters_of(request(user("hi"), tools=(tool(),), **fields))["tool_choice"]


def test_calls_of_tools_that_are_gone():
    """A window with calls needs tools: their names are told, and that none may be called."""
    asked = parameters_of(request(user("go"), said(calls=(call(),)), told(returned("c1"))))
    stub = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
    assert ([stub], {"type": "none"}) == (asked["tools"], asked["tool_choice"])


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"temperature": 1.7, "max_output_tokens": 9}, {"temperature": 1.0, "max_tokens": 9}),
        (
            THINKING,
            {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": OUTPUT_TOKENS_DEFAULT + 2_000},
        ),
        (
            {"thinking": {"budget_tokens": 5}, "temperature": 0.5, "max_output_tokens": 9},
            {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "max_tokens": 1_033},
        ),
        ({"effort": "high"}, {"output_config": {"effort": "high"}, "max_tokens": OUTPUT_TOKENS_DEFAULT}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": LOOK_SCHEMA}}},
            {
                "output_config": {"format": {"type": "json_schema", "schema": closed(LOOK_SCHEMA)}},
                "max_tokens": OUTPUT_TOKENS_DEFAULT,
            },
        ),
        ({"response_format": {"type": "json_object"}}, {"max_tokens": OUTPUT_TOKENS_DEFAULT}),
    ],
)
def test_options(settings, sent):
    """Settings in Anthropic's words: thoughts have room of their own, and no temperature beside them."""
    asked = parameters_of(request(user("hi"), model_settings=settings))
    assert sent == {name: value for name, value in asked.items() if name not in ("model", "messages", "system")}


LOOP = (user("go"), said(THOUGHT, calls=(call(),), model="own/m1"), told(returned("c1")))
BLIND = (user("go"), said("x", calls=(call(),), model="own/m1"), told(returned("c1")))
OTHERS = (user("go"), said(THOUGHT, calls=(call(),), model="other/m1"), told(returned("c1")))


@pytest.mark.parametrize(
    ("window", "thinks"),
    [
        (LOOP, True),
        ((*LOOP, user("and?")), True),
        (BLIND, False),
        ((*BLIND, user("and?")), False),
        (OTHERS, False),
        ((*BLIND, said("done"), user("again")), True),
    ],
)
def test_thinking_cannot_begin_in_the_middle(window, thinks):
    """A turn goes on from calls as it made them: with thoughts or without."""
    asked = request(*window, tools=(tool(),), model_settings=THINKING)
    assert thinks == ("thinking" in parameters_of(asked))
    assert "thinking" not in parameters_of(attrs.evolve(asked, tool_choice=REQUIRED))


@given(window=WINDOWS, tools=TOOLS, thinks=st.booleans())
def test_every_window_is_taken(window, tools, thinks):
    """Whatever a window holds, what is made of it is JSON that Anthropic does not refuse."""
    asked = request(*window, tools=tools, model_settings=THINKING if thinks else None)
    parameters = decoded(encoded(parameters_of(asked)))
    check_turns(parameters["messages"], "thinking" in parameters)
    check_tools(parameters.get("tools", []))
    called = {block["name"] for turn in parameters["messages"] for block in turn["content"] if "input" in block}
    assert bool(called) <= bool(parameters.get("tools"))
