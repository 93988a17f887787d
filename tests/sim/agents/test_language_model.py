"""The scripted model: what it says to a script, and that it refuses a window that no provider would take."""

import pytest

from kelpie_core.errors import ModelError
from kelpie_core.model.content import TextPart
from kelpie_core.model.message import Role
from kelpie_core.ports import ModelFinished, ModelRequest, TextDelta, ToolCallDelta
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.language_model import last_words
from tests.sim.agents.worlds import AGENT, message, result_of, returned, said


def asked(*messages):
    """Return a program that asks the model with this window: its words, its calls, its usage."""

    async def program(world):
        cluster = Cluster(world)
        request = ModelRequest(agent_id=AGENT, model=None, system="", messages=messages, tools=())
        return await cluster.server.call(lambda kelpie: gathered(kelpie.ports.model.stream(request)))

    return program


async def gathered(chunks):
    """Return what the chunks say together."""
    words: list[str] = []
    calls: dict[int, tuple[str, str]] = {}
    usage = None
    async for chunk in chunks:
        match chunk:
            case TextDelta(text=text):
                words.append(text)
            case ToolCallDelta(index=index, name=name, arguments=arguments):
                before = calls.get(index, ("", ""))
                calls[index] = (before[0] + (name or ""), before[1] + arguments)
            case ModelFinished():
                usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
    return words, list(calls.values()), usage


def user(seq, script):
    """Return a user's message that bears a script."""
    return message(seq, content=(TextPart(text=script),))


TWO_STEPS = 'call look {"text": "a"} & note {}\nsay that is all'


def test_words_are_streamed_one_by_one():
    """A line of talk comes word by word, and the usage counts window and pieces."""
    assert (["hello ", "you "], [], (1, 2)) == result_of(asked(user(0, "say hello you")))


def test_line_without_a_verb_is_said():
    """A message that is no script is said back."""
    assert (["what? "], [], (1, 1)) == result_of(asked(user(0, "what?")))


def test_calls_of_a_line_come_together():
    """A line of calls gives all of them, arguments in fragments that add up."""
    assert ([], [("look", '{"text": "a"}'), ("note", "{}")], (1, 6)) == result_of(asked(user(0, TWO_STEPS)))


def test_reply_is_the_line_of_its_step():
    """The model counts its replies since the user last spoke, so that it needs no memory."""
    window = (user(0, "say old"), said(1), user(2, TWO_STEPS), said(3, "a", "b"), returned(4, "a", "b"))
    assert ["that ", "is ", "all "] == result_of(asked(*window))[0]


@pytest.mark.parametrize("window", [(), (user(0, "say one"), said(1))], ids=["no user", "behind the last line"])
def test_behind_the_script_it_is_done(window):
    """Without a script, or behind its last line, the model says that it is done."""
    assert ["done "] == result_of(asked(*window))[0]


UNSOUND = (
    ((user(0, "say a"), said(1, "a")), "a tool call has no return"),
    ((user(0, "say a"), returned(1, "a")), "tool calls and returns do not match"),
    ((user(0, "say a"), said(1, "a"), user(2, "say b")), "tool calls and returns do not match"),
    ((said(0, "a"), returned(1, "b")), "tool calls and returns do not match"),
)


@pytest.mark.parametrize(("window", "words"), UNSOUND)
def test_unsound_window_is_refused(window, words):
    """A call without its return, or a return without its call, is refused for good, as a provider would."""

    async def program(world):
        with pytest.raises(ModelError, match=words) as refusal:
            await asked(*window)(world)
        return refusal.value.kind, refusal.value.retriable

    assert ("llm_bad_request", False) == result_of(program)


def test_sound_window_is_taken():
    """Returns in several messages, and an approval between call and return, are sound."""
    window = (user(0, "say a\nsay b"), said(1, "a", "b"), message(2, Role.APPROVAL), returned(3, "a"), returned(4, "b"))
    assert ["b "] == result_of(asked(*window))[0]


@pytest.mark.parametrize(
    ("script", "words"),
    [("say one\nsay two three", "two three "), ("say one\ncall look {}", "done "), ("call look {}", "done ")],
)
def test_last_words_are_those_of_the_last_line(script, words):
    """A script that is followed to its end ends with the words of its last line, or with being done."""
    assert words == last_words(script)
