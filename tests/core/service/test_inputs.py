"""Checks of what callers hand in: each bound, at it and beyond it, with the place in the error."""

from typing import Any

import attrs
import pytest

from kelpie_core import limits
from kelpie_core.errors import CallerError, InvalidInput, LimitExceeded
from kelpie_core.model.agent import Agent, TurnLimits
from kelpie_core.model.block import Block
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Role
from kelpie_core.model.tool import ClientTool, Tool
from kelpie_core.service.drafts import MessageDraft, Page, TurnOptions
from kelpie_core.service.inputs import (
    check_agent,
    check_block,
    check_count,
    check_distinct,
    check_initial,
    check_page,
    check_tags,
    check_text,
    check_tool,
    check_turn,
)
from tests.house import said
from tests.twins import NOON

OWNED: dict[str, Any] = {"organization_id": "o", "created_by_id": "u", "created_at": NOON, "updated_at": NOON}
BLOCK = Block(id="b", label="human", value="", **OWNED)
TOOL = Tool(id="t", name="roll", **OWNED)
AGENT = Agent(id="a", name="Ada", **OWNED)
LONG = "x" * (limits.TEXT_CHARS_MAX + 1)


def many(count: int) -> tuple[str, ...]:
    """Return so many different texts."""
    return tuple(map(str, range(count)))


def refusal(check: Any, *arguments: Any, **options: Any) -> tuple[type[CallerError], str, str]:
    """Return the kind, the path and the words of the error that a check raises."""
    with pytest.raises(CallerError) as caught:
        check(*arguments, **options)
    path = getattr(caught.value, "path", "")
    return type(caught.value), path, str(caught.value).removeprefix(f"{path}: ")


GOOD_BLOCKS = [
    {"label": "x" * limits.LABEL_CHARS_MAX},
    {"value": "x" * 5, "limit": 5},
    {"limit": 1},
    {"limit": limits.BLOCK_LIMIT_CHARS_MAX},
    {"tags": many(limits.TAGS_MAX)},
    {"tags": ("x" * limits.LABEL_CHARS_MAX,)},
]
BAD_BLOCKS = [
    ({"label": ""}, InvalidInput, "$.label", "must not be empty"),
    ({"label": "x" * 257}, LimitExceeded, "$.label", "has 257 characters, 256 are allowed"),
    ({"value": "x" * 6, "limit": 5}, LimitExceeded, "$.value", "has 6 characters, 5 are allowed"),
    ({"limit": 0}, InvalidInput, "$.limit", "must be between 1 and 10000000"),
    ({"limit": 10_000_001}, InvalidInput, "$.limit", "must be between 1 and 10000000"),
    ({"description": LONG}, LimitExceeded, "$.description", "has 10000001 characters, 10000000 are allowed"),
    ({"value": "a\ud800"}, InvalidInput, "$.value", "holds a lone surrogate at character 1"),
    ({"tags": ("a", "")}, InvalidInput, "$.tags[1]", "must not be empty"),
]
GOOD_TOOLS = [{"name": "x" * limits.NAME_CHARS_MAX}, {"return_char_limit": 1}]
BAD_TOOLS = [
    ({"name": ""}, InvalidInput, "$.name", "must not be empty"),
    ({"name": "x" * 4097}, LimitExceeded, "$.name", "has 4097 characters, 4096 are allowed"),
    ({"source_code": LONG}, LimitExceeded, "$.source_code", "has 10000001 characters, 10000000 are allowed"),
    ({"description": LONG}, LimitExceeded, "$.description", "has 10000001 characters, 10000000 are allowed"),
    ({"return_char_limit": 0}, InvalidInput, "$.return_char_limit", "must be at least 1"),
    ({"tags": many(513)}, LimitExceeded, "$.tags", "has 513 items, 512 are allowed"),
]
GOOD_AGENTS = [
    {"name": "x" * limits.NAME_CHARS_MAX},
    {"model": "x" * limits.HANDLE_CHARS_MAX},
    {"block_ids": many(limits.BLOCKS_PER_AGENT_MAX)},
    {"tool_ids": many(limits.TOOLS_PER_AGENT_MAX)},
    {"limits": TurnLimits(steps_max=1)},
    {"limits": TurnLimits(steps_max=limits.TURN_STEPS_MAX)},
]
BAD_AGENTS = [
    ({"name": ""}, InvalidInput, "$.name", "must not be empty"),
    ({"name": "x" * 4097}, LimitExceeded, "$.name", "has 4097 characters, 4096 are allowed"),
    ({"system": LONG}, LimitExceeded, "$.system", "has 10000001 characters, 10000000 are allowed"),
    ({"description": LONG}, LimitExceeded, "$.description", "has 10000001 characters, 10000000 are allowed"),
    ({"model": "x" * 513}, LimitExceeded, "$.model", "has 513 characters, 512 are allowed"),
    ({"block_ids": many(257)}, LimitExceeded, "$.block_ids", "has 257 items, 256 are allowed"),
    ({"tool_ids": many(513)}, LimitExceeded, "$.tool_ids", "has 513 items, 512 are allowed"),
    ({"block_ids": ("a", "b", "a")}, InvalidInput, "$.block_ids", "holds 'a' twice"),
    ({"tool_ids": ("a", "a")}, InvalidInput, "$.tool_ids", "holds 'a' twice"),
    ({"tags": ("",)}, InvalidInput, "$.tags[0]", "must not be empty"),
    ({"limits": TurnLimits(steps_max=0)}, InvalidInput, "$.limits.steps_max", "must be between 1 and 1000, got 0"),
    (
        {"limits": TurnLimits(tool_calls_max=-1)},
        InvalidInput,
        "$.limits.tool_calls_max",
        "must be between 0 and 100000, got -1",
    ),
    (
        {"limits": TurnLimits(tokens_max=0)},
        InvalidInput,
        "$.limits.tokens_max",
        "must be between 1 and 10000000000, got 0",
    ),
    (
        {"limits": TurnLimits(seconds_max=604_801)},
        InvalidInput,
        "$.limits.seconds_max",
        "must be between 1 and 604800, got 604801",
    ),
    (
        {"limits": TurnLimits(steps_max=1001)},
        InvalidInput,
        "$.limits.steps_max",
        "must be between 1 and 1000, got 1001",
    ),
]


@pytest.mark.parametrize(
    ("check", "record", "rows"),
    [(check_block, BLOCK, GOOD_BLOCKS), (check_tool, TOOL, GOOD_TOOLS), (check_agent, AGENT, GOOD_AGENTS)],
)
def test_at_the_bound_is_fine(check: Any, record: Any, rows: list[dict[str, Any]]) -> None:
    """What is just as long, as many or as small as may be passes."""
    for row in ({}, *rows):
        check(attrs.evolve(record, **row))


@pytest.mark.parametrize(
    ("check", "record", "row"),
    [(check_block, BLOCK, row) for row in BAD_BLOCKS]
    + [(check_tool, TOOL, row) for row in BAD_TOOLS]
    + [(check_agent, AGENT, row) for row in BAD_AGENTS],
    ids=lambda value: value[2] if isinstance(value, tuple) else "",
)
def test_beyond_the_bound_is_refused(check: Any, record: Any, row: tuple[Any, ...]) -> None:
    """One more, or one less, is refused with its place."""
    fields, *expected = row
    assert tuple(expected) == refusal(check, attrs.evolve(record, **fields))


def test_small_checks() -> None:
    """The checks that the others are made of say what is wrong."""
    check_text("", "$.x", chars_max=1)
    check_count((), "$.x", count_max=0)
    check_distinct(("a", "b"), "$.x")
    check_tags(())
    assert (LimitExceeded, "$.x", "has 2 characters, 1 are allowed") == refusal(check_text, "xx", "$.x", chars_max=1)
    assert (LimitExceeded, "$.x", "has 2 items, 1 are allowed") == refusal(check_count, iter("ab"), "$.x", count_max=1)
    assert (InvalidInput, "$.x", "holds 'a' twice") == refusal(check_distinct, iter("aba"), "$.x")


def test_page_has_bounds() -> None:
    """A page has from one item to as many as may be read at once."""
    check_page(Page(limit=1))
    check_page(Page(limit=limits.PAGE_ITEMS_MAX))
    assert (InvalidInput, "$.limit", "must be between 1 and 1000, got 0") == refusal(check_page, Page(limit=0))
    assert (InvalidInput, "$.limit", "must be between 1 and 1000, got 1001") == refusal(check_page, Page(limit=1001))


GOOD_CONTENTS = [
    (TextPart(text="x"),),
    (TextPart(text=""), TextPart(text="x")),
    (OpaquePart(fields={"type": "image"}),),
    (TextPart(text=""), OpaquePart(fields={"type": "image"})),
]


@pytest.mark.parametrize("content", GOOD_CONTENTS)
def test_message_that_says_something_is_fine(content: tuple[Any, ...]) -> None:
    """Some text, or a part of another kind, is enough."""
    check_turn((MessageDraft(content=content),), TurnOptions())


@pytest.mark.parametrize(
    "content",
    [(), (TextPart(text=""),), (ReasoningPart(reasoning="hm"),), (TextPart(text=""), ReasoningPart(reasoning="hm"))],
)
def test_message_that_says_nothing_is_refused(content: tuple[Any, ...]) -> None:
    """An empty message is refused with its place: it would poison the history."""
    drafts = (said(), MessageDraft(content=content))
    assert (InvalidInput, "$.messages[1].content", "must not be empty") == refusal(check_turn, drafts, TurnOptions())


@pytest.mark.parametrize("role", Role)
def test_role_of_a_sent_message(role: Role) -> None:
    """People speak as users, systems or assistants, and answer what waits; nobody sends a tool's return as such."""
    drafts = (said(role=role, approve=True),)
    if role in (Role.USER, Role.SYSTEM, Role.ASSISTANT, Role.APPROVAL):
        check_turn(drafts, TurnOptions())
    else:
        expected = (InvalidInput, "$.messages[0].role", f"role {role} cannot be sent")
        assert expected == refusal(check_turn, drafts, TurnOptions())


def test_text_of_a_message_is_checked_in_its_place() -> None:
    """A text that is too long is refused by the number of its part, whatever stands before it."""
    drafts = (MessageDraft(content=(OpaquePart(fields={"type": "image"}), TextPart(text=LONG))),)
    expected = (LimitExceeded, "$.messages[0].content[1].text", "has 10000001 characters, 10000000 are allowed")
    assert expected == refusal(check_turn, drafts, TurnOptions())


def test_number_of_messages_has_bounds() -> None:
    """A turn has from one message to as many as may be sent at once, and no otid twice."""
    check_turn((said(),) * limits.INPUT_MESSAGES_MAX, TurnOptions())
    assert (InvalidInput, "$.messages", "Messages must not be empty") == refusal(check_turn, (), TurnOptions())
    assert (LimitExceeded, "$.messages", "has 257 items, 256 are allowed") == refusal(
        check_turn, (said(),) * 257, TurnOptions()
    )
    twice = (said(otid="x"), said(), said(otid="x"))
    assert (InvalidInput, "$.messages[].otid", "holds 'x' twice") == refusal(check_turn, twice, TurnOptions())


def test_initial_messages_have_bounds() -> None:
    """What an agent's history begins with is checked as what is sent is, but may be nothing."""
    check_initial((), "$.initial")
    check_initial((said(otid="x"), said(otid="y")), "$.initial")
    twice, empty = (said(otid="x"), said(otid="x")), (said(), MessageDraft(content=()))
    assert (InvalidInput, "$.initial[].otid", "holds 'x' twice") == refusal(check_initial, twice, "$.initial")
    kind, path, _ = refusal(check_initial, empty, "$.initial")
    assert (InvalidInput, "$.initial[1].content") == (kind, path)


@pytest.mark.parametrize(
    "options",
    [
        TurnOptions(steps_max=1),
        TurnOptions(steps_max=limits.TURN_STEPS_MAX),
        TurnOptions(wait_seconds=0),
        TurnOptions(wait_seconds=limits.BUSY_WAIT_SECONDS_MAX),
    ],
)
def test_options_at_the_bound_are_fine(options: TurnOptions) -> None:
    """As many steps, or as long a wait, as may be."""
    check_turn((said(),), options)


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [
        (TurnOptions(steps_max=0), "$.max_steps", "must be between 1 and 1000, got 0"),
        (TurnOptions(steps_max=1001), "$.max_steps", "must be between 1 and 1000, got 1001"),
        (TurnOptions(wait_seconds=-0.1), "$.wait_seconds", "must be between 0 and 600"),
        (TurnOptions(wait_seconds=600.1), "$.wait_seconds", "must be between 0 and 600"),
        (TurnOptions(wait_seconds=float("nan")), "$.wait_seconds", "must be between 0 and 600"),
        (TurnOptions(wait_seconds=float("inf")), "$.wait_seconds", "must be between 0 and 600"),
    ],
)
def test_options_beyond_the_bound_are_refused(options: TurnOptions, path: str, words: str) -> None:
    """No turn makes more steps, or waits longer, than a bound allows."""
    assert (InvalidInput, path, words) == refusal(check_turn, (said(),), options)


def test_answers_are_bounded() -> None:
    """Answers that are too long are refused as a whole, whatever in them is long; so are client-side tools twice."""
    gave = {"type": "tool", "tool_call_id": "c", "tool_return": LONG, "status": "success"}
    drafts = (MessageDraft(role=Role.APPROVAL, approvals=(gave,)),)
    kind, path, words = refusal(check_turn, drafts, TurnOptions())
    assert (LimitExceeded, "$.messages[0].approvals") == (kind, path)
    assert words.endswith("bytes, 10000000 are allowed")
    twice = TurnOptions(client_tools=(ClientTool(name="t"), ClientTool(name="t")))
    assert (InvalidInput, "$.client_tools[].name", "holds 't' twice") == refusal(check_turn, (said(),), twice)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"client_tools": (ClientTool(name=""),)}, (InvalidInput, "$.client_tools[0].name", "must not be empty")),
        (
            {"client_tools": (ClientTool(name="t", description="\ud800"),)},
            (InvalidInput, "$.client_tools", "holds a lone surrogate"),
        ),
        (
            {"client_tools": (ClientTool(name="t", parameters={"x": "x" * 3_999_950}),)},
            (
                LimitExceeded,
                "$.client_tools",
                "has, with client_skills and override_system, 4000015 bytes, 4000000 are allowed",
            ),
        ),
        (
            {"system": "\ud800"},
            (InvalidInput, "$.override_system", "holds a lone surrogate at character 0"),
        ),
        ({"model": "x" * 513}, (LimitExceeded, "$.override_model", "has 513 characters, 512 are allowed")),
    ],
)
def test_what_a_request_brings_along_is_bounded(fields: dict[str, Any], expected: object) -> None:
    """Tools, skills, a model and a system prompt of a request's own are stored with its run: fit, and not too long."""
    check_turn((said(),), TurnOptions(client_tools=(ClientTool(name="t"),), system="x", model="a/b"))
    assert expected == refusal(check_turn, (said(),), TurnOptions(**fields))
