"""What an import will write."""

import itertools
import json
from typing import Any

import attrs
import pytest

from kelpie_core.errors import InvalidInput, LimitExceeded
from kelpie_core.model.actor import Actor
from kelpie_core.model.agent import Agent, AgentHead, Span
from kelpie_core.model.message import Message
from kelpie_core.service.import_plan import IMPORT_DEFAULTS, ImportOptions, ImportPlan, check_options, plan_import
from kelpie_core.wire.agent_file_current import read_current
from tests.agent_files import Json, document_of
from tests.twins import NOON

ACTOR = Actor(user_id="user-me", organization_id="org-mine")
HEAD = AgentHead(agent_id="agent:0", organization_id="org-mine")


def planned(document: Json, options: ImportOptions = IMPORT_DEFAULTS) -> ImportPlan:
    """Return the plan of a file, with ids that count up."""
    counter = itertools.count()
    return plan_import(
        read_current(document), options, mint=lambda kind: f"{kind}:{next(counter)}", actor=ACTOR, now=NOON
    )


def agent_with(document: Json | None = None, **options: Any) -> Agent:
    """Return the agent that these options give."""
    return planned(document or document_of(), ImportOptions(**options)).agents[0]


def test_every_id_is_fresh() -> None:
    """Each id of the file becomes one fresh id wherever it is used; ids that are none of the file's stay."""
    messages = (
        {"run_id": "r", "step_id": "s", "sender_id": "agent-0", "otid": "o"},
        {"run_id": "r", "step_id": "r", "approval_request_id": "message-0", "sender_id": "identity-1"},
        {"approval_request_id": "message-77"},
    )
    plan = planned(document_of(messages=messages))
    assert ("agent:0", ("block:1",), ("tool:2",)) == (
        plan.agents[0].id,
        plan.agents[0].block_ids,
        plan.agents[0].tool_ids,
    )
    assert ("agent:0",) == plan.agent_ids
    assert (["block:1"], ["tool:2"]) == ([block.id for block in plan.blocks], [tool.id for tool in plan.tools])
    assert (attrs.evolve(HEAD, seq_next=3, window=(Span(first=0, end=3),)),) == plan.heads

    def ids_of(message: Message) -> tuple[str | None, ...]:
        return message.id, message.run_id, message.step_id, message.sender_id, message.approval_request_id

    assert [
        ("message:3", "run:6", "step:7", "agent:0", None),
        ("message:4", "run:6", "step:8", "identity-1", "message:3"),
        ("message:5", None, None, None, "message-77"),
    ] == [ids_of(message) for message in plan.messages]
    assert ["agent:0"] * 3 == [message.agent_id for message in plan.messages]
    assert ["o", None, None] == [message.otid for message in plan.messages]


def test_everything_belongs_to_the_actor() -> None:
    """Agents, blocks and tools get the actor as their owner, and now as the time that the file does not say."""
    plan = planned(document_of(created_at="2025-01-01T00:00:00Z"))
    owned: tuple[Any, ...] = (*plan.agents, *plan.blocks, *plan.tools)
    assert {("user-me", "org-mine")} == {(part.created_by_id, part.organization_id) for part in owned}
    assert [2025, NOON.year, NOON.year] == [part.created_at.year for part in owned]
    assert [2025, NOON.year, NOON.year] == [part.updated_at.year for part in owned]


def test_message_without_a_time() -> None:
    """A message whose time the file does not say gets the time of the import."""
    assert NOON == planned(document_of(messages=({"created_at": None},))).messages[0].created_at


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "fern_copy"), ({"append_copy_suffix": False}, "fern"), ({"name": "moss"}, "moss")],
)
def test_name(options: dict[str, Any], expected: str) -> None:
    """An agent is a copy by name unless a name is given or the suffix is not wanted."""
    assert expected == agent_with(**options).name


def test_name_too_long_as_a_copy() -> None:
    """A name that fits but not with its suffix is refused by its place in the file."""
    with pytest.raises(LimitExceeded) as caught:
        agent_with(document_of(name="x" * 4_096))
    assert "$.agents[0].name" == caught.value.path
    assert 4_096 == len(agent_with(document_of(name="x" * 4_096), append_copy_suffix=False).name)


def test_stripped_of_messages() -> None:
    """Without its messages an agent begins anew: no history, no window."""
    plan = planned(document_of(messages=({}, {})), ImportOptions(strip_messages=True))
    assert ((), (HEAD,)) == (plan.messages, plan.heads)


def test_other_model() -> None:
    """Another model drops what the file says about the old one; another embedding likewise; else all stays."""
    document = document_of(
        model="a/b", llm_config={"x": 1}, model_settings={"y": 2}, embedding="e", embedding_config={"z": 3}
    )
    shown = [
        (agent.model, agent.llm_config, agent.model_settings, agent.embedding, agent.embedding_config)
        for agent in (agent_with(document), agent_with(document, model="c/d"), agent_with(document, embedding="f"))
    ]
    assert [
        ("a/b", {"x": 1}, {"y": 2}, "e", {"z": 3}),
        ("c/d", None, None, "e", {"z": 3}),
        ("a/b", {"x": 1}, {"y": 2}, "f", None),
    ] == shown


def test_secrets_are_filled_in() -> None:
    """Values of the caller go over those of the file; neither is changed in place."""
    given = {"A": "1"}
    agent = agent_with(document_of(secrets={"A": "", "B": "2"}), secrets=given)
    assert ({"A": "1", "B": "2"}, {"A": "1"}) == (agent.secrets, given)
    assert "2" not in repr(ImportOptions(secrets={"B": "2"}))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {}),
        ({"metadata": {"r": "1"}}, {"agent_file": {"metadata": {"r": "1"}}}),
        ({"schema": "9"}, {"agent_file": {"schema": "9"}}),
        ({"schema": "9", "metadata": {"r": "1"}}, {"agent_file": {"schema": "9", "metadata": {"r": "1"}}}),
    ],
)
def test_what_the_file_says_of_itself_is_kept(more: Json, expected: Json) -> None:
    """What a file says of itself stays with each of its agents, beside their own unknown fields."""
    assert {"x": None, **expected} == agent_with(document_of(x=None) | more).extra


def test_agents_of_one_file() -> None:
    """Agents keep the order of the file, and so do their messages, agent by agent."""
    document = document_of(messages=({}, {}))
    second = json.loads(json.dumps(document["agents"][0]).replace("message-", "m-").replace("agent-0", "agent-1"))
    document["agents"].append({**second, "name": "moss"})
    plan = planned(document)
    assert ["fern_copy", "moss_copy"] == [agent.name for agent in plan.agents]
    assert {plan.blocks[0].id} == {block_id for agent in plan.agents for block_id in agent.block_ids}
    places = [(agent_id, seq) for agent_id in plan.agent_ids for seq in range(2)]
    assert places == [(message.agent_id, message.seq) for message in plan.messages]


@pytest.mark.parametrize(
    ("options", "error", "path"),
    [
        ({"name": ""}, InvalidInput, "$.name"),
        ({"name": "x" * 4_097}, LimitExceeded, "$.name"),
        ({"model": "x" * 513}, LimitExceeded, "$.model"),
        ({"embedding": "\ud800"}, InvalidInput, "$.embedding"),
        ({"secrets": {"": "x"}}, InvalidInput, "$.secrets"),
        ({"secrets": {"A": "\udfff"}}, InvalidInput, "$.secrets.A"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[InvalidInput], path: str) -> None:
    """Options that cannot be stored are refused by name."""
    with pytest.raises(error) as caught:
        check_options(ImportOptions(**options))
    assert path == caught.value.path


def test_good_options() -> None:
    """The default options and full ones pass."""
    check_options(ImportOptions())
    check_options(ImportOptions(name="n", model="m", embedding="e", secrets={"A": ""}))
