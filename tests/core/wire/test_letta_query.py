"""Query strings and forms in the shapes of Letta's API."""

import pytest

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.service.drafts import Page
from kelpie_core.service.import_plan import ImportOptions
from kelpie_core.wire.letta_message import MessageType
from kelpie_core.wire.letta_query import flag_of, import_options, one_of, page_of, refuse_filters, types_of
from tests.core.wire.letta_samples import AGENT_ID


def page(**query: str) -> Page:
    """Return the page of agents that a query asks for."""
    return page_of({name: [value] for name, value in query.items()}, "agent", limit=50, descending=True)


def test_a_list_has_its_own_defaults():
    """A query that says nothing gives the list's own limit and order."""
    assert Page(limit=50, descending=True) == page()


def test_a_page_is_asked_for():
    """Limit, cursors and order are the query's."""
    assert Page(limit=7, after=AGENT_ID, before=AGENT_ID, descending=False) == page(
        limit="7", after=AGENT_ID, before=AGENT_ID, order="asc"
    )


@pytest.mark.parametrize(
    ("query", "descending"),
    [({"order": "desc"}, True), ({"order": "asc", "ascending": "false"}, False), ({"ascending": "true"}, False)],
)
def test_order(query, descending):
    """The newer name of the order counts before the older."""
    assert descending is page(**query).descending


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("limit", "1" * 5_000),
        ("limit", "-"),
        ("after", "x"),
        ("before", "block-9b2d813f-0f6b-4776-97a4-ba14c7af9636"),
        ("order", "up"),
        ("ascending", "up"),
    ],
)
def test_nonsense_is_refused_with_its_path(name, value):
    """A value that makes no sense is the caller's error, and says which."""
    with pytest.raises(InvalidInput) as caught:
        page(**{name: value})
    assert f"$.{name}" == caught.value.path


@pytest.mark.parametrize(
    ("word", "flag"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_flags(word, flag):
    """A flag is said in several ways."""
    assert flag is flag_of({"f": [word]}, "f", default=not flag)


def test_one_of():
    """The last of several values counts, an empty one is none."""
    query = {"a": ["1", "2"], "b": [""], "c": []}
    assert ("2", None, None, None) == tuple(one_of(query, name) for name in "abcd")


def test_types():
    """Message types are told by name, all of them if none is."""
    assert types_of({}) is None
    assert frozenset((MessageType.USER, MessageType.TOOL_CALL)) == types_of(
        {"include_return_message_types": ["user_message", "tool_call_message"]}
    )


def test_unknown_type_is_refused():
    """A message type that does not exist is the caller's error."""
    with pytest.raises(InvalidInput):
        types_of({"include_return_message_types": ["odd"]})


def test_filters_that_do_not_exist_are_refused():
    """A filter that would be ignored is refused by name; one that is off is none."""
    refuse_filters({"x": ["false"], "y": [""], "z": ["1"]}, ("x", "y", "w"), "agents.list")
    with pytest.raises(Unsupported) as caught:
        refuse_filters({"z": ["1"]}, ("x", "z"), "agents.list")
    assert "agents.list by z" == caught.value.operation


def test_import_without_options():
    """A form with a file alone imports as is the default."""
    assert ImportOptions() == import_options({})


def test_import_options():
    """Every option of the form counts."""
    form = {
        "name": ["Bo"],
        "model": ["a/b"],
        "embedding": ["c/d"],
        "append_copy_suffix": ["false"],
        "strip_messages": ["true"],
        "override_existing_tools": ["false"],
        "env_vars_json": ['{"A":"1","B":"2"}'],
        "secrets": ['{"B":"3"}'],
    }
    assert ImportOptions(
        name="Bo",
        model="a/b",
        embedding="c/d",
        append_copy_suffix=False,
        strip_messages=True,
        override_existing_tools=False,
        secrets={"A": "1", "B": "3"},
    ) == import_options(form)


def test_older_names_of_import_options():
    """Older clients' names count where the newer are absent."""
    form = {"override_name": ["Bo"], "override_model_handle": ["a/b"], "override_embedding_handle": ["c/d"]}
    assert ImportOptions(name="Bo", model="a/b", embedding="c/d") == import_options(form)


@pytest.mark.parametrize("word", ["{", '{"A":1}', "[]"])
def test_bad_secrets_are_refused(word):
    """Secrets that are no texts by name are the caller's error, and say where."""
    with pytest.raises(InvalidInput) as caught:
        import_options({"secrets": [word]})
    assert caught.value.path.startswith("$.secrets")
