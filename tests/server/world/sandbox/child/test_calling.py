"""The tool's function, found and called."""

import pytest

from kelpie_server.world.sandbox.child.calling import NotCallable, load

PYDANTIC = "class Model:\n    @classmethod\n    def model_validate(cls, value):\n        return ('made', value)\n"


def called(source, given=None, *, name="f", state=None, attributed=None):
    """Return what the function of a source returns."""
    return load(source, name).call(given or {}, state, attributed)


def test_named_function_or_the_last():
    """The function of the tool's name is called, else the last of the source."""
    source = "def f(): return 1\ndef g(): return 2"
    assert (1, 2) == (called(source), called(source, name="h"))


@pytest.mark.parametrize(
    ("signature", "given", "expected"),
    [
        ("a, /, b, *, c=3", {"a": 1, "b": 2}, "1 2 3"),
        ("a, /, b, *, c=3", {"a": 1, "b": 2, "c": 4}, "1 2 4"),
        ("a=1, b=2, **c", {"b": 3, "x": 4}, "1 3 {'x': 4}"),
        ("a, b, c, request_heartbeat", {"a": 1, "b": 2, "c": 3, "request_heartbeat": True}, "1 2 3"),
        ("a, b, c", {"a": 1, "b": 2, "c": 3, "request_heartbeat": True, "thinking": "x"}, "1 2 3"),
        ("self, agent_state, b, c, a=0, client=None", {"b": 1, "c": 2, "agent_state": "forged"}, "0 1 2"),
    ],
)
def test_arguments_are_bound(signature, given, expected):
    """Arguments go where the signature has them; what the agent adds for itself goes only where it is asked for."""
    assert expected == called(f"def f({signature}): return f'{{a}} {{b}} {{c}}'", given)


def test_offered_arguments_are_the_servers():
    """`agent_state` is what the server offers, whatever the model sent under that name."""
    assert "real" == called("def f(agent_state): return agent_state", {"agent_state": "forged"}, state="real")
    assert load("def f(agent_state): pass", "f").wants_state is True
    assert load("def f(): pass", "f").wants_state is False


@pytest.mark.parametrize(
    ("source", "given", "words"),
    [
        ("def f(a, b): pass", {"a": 1}, "f lacks: b"),
        ("def f(*, a): pass", {}, "f lacks: a"),
        ("def f(): pass", {"a": 1, "b": 2}, "f does not take: a, b"),
        ("def f(client): pass", {}, "asks for `client`"),
        ("x = 1", {}, "the source has no function"),
    ],
)
def test_calls_that_cannot_be_made(source, given, words):
    """What is wrong with a call is said in words."""
    with pytest.raises(NotCallable, match=words):
        called(source, given)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        ("Model", {"x": 1}, ("made", {"x": 1})),
        ("'Model'", {"x": 1}, ("made", {"x": 1})),
        ("Optional[Model]", {"x": 1}, ("made", {"x": 1})),
        ("Model | None", {"x": 1}, ("made", {"x": 1})),
        ("Model | None", None, None),
        ("list[Model]", [{"x": 1}], [("made", {"x": 1})]),
        ("list[Model]", "odd", "odd"),
        ("Model", 5, 5),
        ("Elsewhere", {"x": 1}, {"x": 1}),
        ("'not a type('", 5, 5),
        ("dict[str, Model]", {"x": 1}, {"x": 1}),
    ],
)
def test_classes_of_the_source(hint, value, expected):
    """An argument becomes what its annotation names, if the source has that class; else it stays as it came."""
    assert expected == called(f"{PYDANTIC}def f(a: {hint}): return a", {"a": value})


def test_enum_that_has_no_such_member():
    """A word that is no member is the Enum's own error."""
    source = "import enum\nclass E(enum.Enum):\n    A = 'a'\ndef f(a: E): return a.name"
    assert "A" == called(source, {"a": "a"})
    with pytest.raises(ValueError, match="'b' is not a valid E"):
        called(source, {"a": "b"})


def test_objects_are_passed_through():
    """Where objects shall have attributes, they are passed through what gives them these."""
    assert "{'x': 1}" == called("def f(a): return a", {"a": {"x": 1}}, attributed=str)
