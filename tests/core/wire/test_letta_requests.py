"""Bodies of requests in the shapes of Letta's API, to what the services take."""

import pytest

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.model.agent import AgentType
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Role
from kelpie_core.model.tool import ClientSkill, ClientTool
from kelpie_core.service.drafts import (
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    MessageDraft,
    TurnOptions,
)
from kelpie_core.wire.letta_message import MessageType
from kelpie_core.wire.letta_requests import (
    ModelMissing,
    TurnRequest,
    agent_changes,
    agent_draft,
    block_changes,
    block_draft,
    run_ids,
    turn_request,
)
from tests.core.wire.letta_samples import BLOCK_ID, RUN_ID, TOOL_ID

LLM = {"model": "m", "model_endpoint_type": "openai", "context_window": 8_000, "odd": 1}


def create(**body) -> AgentDraft:
    """Return the agent that a body describes, without base tools unless it asks for them."""
    body = {"include_base_tools": False, **body}
    return agent_draft(body, name_default="kelpie-1", model_default="kelpie/echo")


def change(**body) -> AgentChanges:
    """Return the changes that a body describes."""
    return agent_changes(body, model_default="kelpie/echo")


def turn(**body) -> TurnRequest:
    """Return the turn that a body asks for."""
    return turn_request(body, "agents.messages.create")


def path_of(call, *arguments, **body) -> str:
    """Return where a body is refused."""
    with pytest.raises(InvalidInput) as caught:
        call(*arguments, **body)
    return caught.value.path


def test_block():
    """A block takes every field; those about templates are kept."""
    body = {
        "label": "human",
        "value": "Bo",
        "limit": 5,
        "description": "d",
        "read_only": True,
        "hidden": False,
        "tags": ["t"],
        "metadata": {"k": 1},
        "is_template": True,
        "project_id": None,
        "unknown": 1,
    }
    assert BlockDraft(
        label="human",
        value="Bo",
        limit=5,
        description="d",
        read_only=True,
        hidden=False,
        tags=("t",),
        metadata={"k": 1},
        extra={"is_template": True},
    ) == block_draft(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [({"value": "x"}, "$.label"), ({"label": "x"}, "$.value"), ({"label": "x", "value": 5}, "$.value")],
)
def test_block_that_is_refused(body, path):
    """What a block must have, and of which type, is said by its path."""
    assert path == path_of(block_draft, body)


def test_block_changes():
    """Null clears a description, and leaves alone what cannot be empty."""
    assert BlockChanges(value="x", description=None) == block_changes(
        {"value": "x", "description": None, "label": None}
    )


def test_block_changes_of_what_is_only_kept():
    """Fields without a meaning here are laid over those that are kept, null among them."""
    extra = {"template_name": "t", "project_id": None}
    assert BlockChanges(extra=extra) == block_changes({"template_name": "t", "project_id": None})


def test_agent_of_defaults():
    """An agent needs nothing: it gets a name, the default model and the tools of its type."""
    draft = agent_draft({}, name_default="kelpie-1", model_default="kelpie/echo")
    names = ("conversation_search", "memory_insert", "memory_replace")
    assert AgentDraft(name="kelpie-1", model="kelpie/echo", tool_names=names) == draft


def test_agent():
    """An agent takes every field; those without a meaning here are kept."""
    assert AgentDraft(
        name="Ada",
        agent_type=AgentType.REACT,
        system="s",
        description="d",
        model="a/b",
        embedding="c/d",
        model_settings={"temperature": 0.5, "odd": 1},
        blocks=(BlockDraft(label="human", value="Bo"),),
        block_ids=(BLOCK_ID,),
        tool_ids=(TOOL_ID,),
        tool_names=("web_search",),
        tool_rules=({"type": "run_first", "tool_name": "x"},),
        tags=("t",),
        metadata={"k": 1},
        secrets={"A": "1", "B": "2"},
        timezone="UTC",
        message_buffer_autoclear=True,
        hidden=True,
        extra={"compaction_settings": {"model": "letta/auto"}, "max_files_open": 3},
    ) == create(
        name="Ada",
        agent_type="react_agent",
        system="s",
        description="d",
        model="a/b",
        embedding="c/d",
        model_settings={"temperature": 0.5, "odd": 1},
        memory_blocks=[{"label": "human", "value": "Bo"}],
        block_ids=[BLOCK_ID],
        tool_ids=[TOOL_ID],
        tools=["web_search", "web_search"],
        tool_rules=[{"type": "run_first", "tool_name": "x"}],
        tags=["t"],
        metadata={"k": 1},
        tool_exec_environment_variables={"A": "0", "B": "2"},
        secrets={"A": "1"},
        timezone="UTC",
        message_buffer_autoclear=True,
        hidden=True,
        compaction_settings={"model": "letta/auto"},
        max_files_open=3,
        parallel_tool_calls=None,
        initial_message_sequence=[],
    )


def test_named_tools_come_after_the_base_tools():
    """A tool that is named and of the base is there once."""
    draft = create(include_base_tools=True, agent_type="letta_v1_agent", tools=["x", "memory_insert"])
    assert ("conversation_search", "memory_insert", "memory_replace", "x") == draft.tool_names


def test_model_of_a_config():
    """A config without a handle beside it names the model, and is kept as it came."""
    draft = create(llm_config=LLM)
    assert ("openai/m", LLM) == (draft.model, draft.llm_config)


def test_automatic_model_is_kept():
    """letta/auto is stored as it came: what it means is found out at each call."""
    assert "letta/auto" == create(model="letta/auto").model


def test_no_model_and_no_default():
    """Without either there is no agent to make."""
    with pytest.raises(ModelMissing):
        agent_draft({}, name_default="x", model_default=None)


def test_older_single_settings():
    """Settings that older clients give one by one become settings, under those given as such."""
    draft = create(max_tokens=5, temperature=0.5, parallel_tool_calls=False, model_settings={"temperature": 0.1})
    assert {"max_output_tokens": 5, "temperature": 0.1, "parallel_tool_calls": False} == draft.model_settings


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": 5}, "$.name"),
        ({"agent_type": "odd"}, "$.agent_type"),
        ({"memory_blocks": [{"label": "a", "value": "b"}, {"label": "c"}]}, "$.memory_blocks[1].value"),
        ({"memory_blocks": [{"label": "a", "value": 5}]}, "$.memory_blocks[0].value"),
        ({"block_ids": ["x"]}, "$.block_ids[0]"),
        ({"tool_ids": [TOOL_ID, BLOCK_ID]}, "$.tool_ids[1]"),
        ({"llm_config": {"model": "m"}}, "$.llm_config"),
        ({"llm_config": {**LLM, "context_window": "x"}}, "$.llm_config.context_window"),
        ({"model_settings": {"temperature": "hot"}}, "$.model_settings.temperature"),
        ({"secrets": {"A": 1}}, "$.secrets[...]"),
    ],
)
def test_agent_that_is_refused(body, path):
    """A field of a wrong type or form is named by its path."""
    assert path == path_of(create, **body)


@pytest.mark.parametrize(
    ("name", "value"),
    [("folder_ids", ["x"]), ("enable_sleeptime", True), ("from_template", "t")],
)
def test_agent_with_what_comes_later(name, value):
    """What does not exist yet is refused by name rather than left out."""
    with pytest.raises(Unsupported) as caught:
        create(**{name: value})
    assert f"agents.create with {name}" == caught.value.operation


def test_agent_that_begins_with_messages():
    """Initial messages are those of a request for a turn; a wrong one is named by its path."""
    draft = create(initial_message_sequence=[{"role": "assistant", "content": "hello", "otid": "o"}])
    assert (MessageDraft(role=Role.ASSISTANT, content=(TextPart(text="hello"),), otid="o"),) == draft.initial_messages
    assert "$.initial_message_sequence[0]" == path_of(create, initial_message_sequence=[{"content": "x"}])


def test_turn_may_be_a_stream_by_default():
    """Where a stream is the rule, only who says so gets a plain answer."""
    for body, expected in (({}, True), ({"streaming": None}, True), ({"streaming": False}, False)):
        assert expected is turn_request({"input": "x", **body}, "o", streaming=True).streaming
    with pytest.raises(Unsupported, match="o with callback_url"):
        turn_request({"input": "x", "callback_url": "u"}, "o")


def test_agent_changes():
    """Only what is given changes; null clears what can be empty and leaves alone what cannot."""
    assert AgentChanges(name="Bo", description=None, tags=()) == change(
        name="Bo", description=None, tags=[], system=None, model=None
    )


def test_new_model_makes_the_old_config_void():
    """A handle alone replaces the config that named another model."""
    assert AgentChanges(model="a/b", llm_config=None) == change(model="a/b")


def test_new_config_brings_its_model():
    """A config alone replaces the handle."""
    assert AgentChanges(model="openai/m", llm_config=LLM) == change(llm_config=LLM)


def test_new_secrets_replace_the_old():
    """Secrets are replaced as a whole; the newer name counts."""
    assert AgentChanges(secrets={"A": "1"}) == change(tool_exec_environment_variables={"B": "2"}, secrets={"A": "1"})


def test_new_settings():
    """Settings are replaced as they come."""
    assert AgentChanges(model_settings={"temperature": 0.1}) == change(model_settings={"temperature": 0.1})


def test_new_single_settings_and_what_is_only_kept():
    """Older single settings are laid over those that there are, as are fields that are only kept, null among them."""
    expected = AgentChanges(settings={"max_output_tokens": 5}, extra={"context_window_limit": 9, "project_id": None})
    assert expected == change(max_tokens=5, context_window_limit=9, project_id=None)


@pytest.mark.parametrize("name", ["message_ids", "folder_ids"])
def test_agent_changes_that_come_later(name):
    """What cannot be changed yet is refused by name."""
    with pytest.raises(Unsupported) as caught:
        change(**{name: ["x"]})
    assert f"agents.update with {name}" == caught.value.operation


def test_turn():
    """A turn takes messages and options."""
    wanted = turn(
        messages=[{"role": "user", "content": "hi", "otid": "o", "name": "Bo", "type": "message"}],
        max_steps=3,
        streaming=True,
        stream_tokens=True,
        background=True,
        include_pings=False,
        include_return_message_types=["assistant_message"],
        client_tools=[],
        use_assistant_message=True,
    )
    assert (
        TurnRequest(
            drafts=(MessageDraft(role=Role.USER, content=(TextPart(text="hi"),), otid="o", name="Bo"),),
            options=TurnOptions(steps_max=3, tokens=True, background=True, types=frozenset(("assistant_message",))),
            types=frozenset((MessageType.ASSISTANT,)),
            streaming=True,
            pings=False,
        )
        == wanted
    )


def test_turn_of_plain_input():
    """Input is one message of the user; pings are on, all message types come, nothing is streamed."""
    assert TurnRequest(
        drafts=(MessageDraft(content=(TextPart(text="hi"),)),),
        options=TurnOptions(),
        types=None,
        streaming=False,
        pings=True,
    ) == turn(input="hi")


def test_parts_of_a_message():
    """Text and reasoning are understood, images and the like are carried along."""
    image = {"type": "image", "source": {}}
    (draft,) = turn(input=[{"text": "a"}, {"type": "reasoning", "reasoning": "b", "is_native": False}, image]).drafts
    assert (
        TextPart(text="a"),
        ReasoningPart(reasoning="b", is_native=False),
        OpaquePart(fields=image),
    ) == draft.content


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ({"messages": [], "input": "x"}, "$"),
        ({"messages": 5}, "$.messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "$.messages[0].role"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 5}]}, "$.messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": "odd"}]}]}, "$.messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": ["x"]}]}]}, "$.messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "$.messages[0].content[0].text"),
        ({"messages": [{"type": "odd", "role": "user", "content": "x"}]}, "$.messages[0].type"),
        ({"input": "x", "max_steps": "many"}, "$.max_steps"),
        ({"input": "x", "include_return_message_types": ["odd"]}, "$.include_return_message_types[0]"),
    ],
)
def test_turn_that_is_refused(body, path):
    """What is wrong with a request for a turn is named by its path."""
    assert path == path_of(turn, **body)


def test_turn_of_its_own_kind():
    """A request brings tools, skills, a model and a system prompt of its own, for this turn only."""
    wanted = turn(
        input="x",
        client_tools=[{"name": "shell", "description": "d", "parameters": {"type": "object"}}, {"name": "read"}],
        client_skills=[{"name": "s", "description": "d", "location": "l"}],
        override_model="a/b",
        override_system="be brief",
        include_compaction_messages=True,
        use_assistant_message=True,
        assistant_message_tool_name="send_message",
        assistant_message_tool_kwarg="message",
    )
    expected = TurnOptions(
        model="a/b",
        system="be brief",
        client_tools=(
            ClientTool(name="shell", description="d", parameters={"type": "object"}),
            ClientTool(name="read"),
        ),
        client_skills=(ClientSkill(name="s", description="d", location="l"),),
    )
    assert expected == wanted.options


def _bare(answer):
    """Return an answer that does not say of which kind it is."""
    return {name: value for name, value in answer.items() if name != "type"}


VERDICT = {"type": "approval", "tool_call_id": "c", "approve": True}
RETURN = {"type": "tool", "tool_call_id": "c", "tool_return": "six", "status": "success"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "approval", "approvals": [VERDICT, RETURN]}, {"approvals": (VERDICT, RETURN)}),
        ({"type": "approval", "approvals": [_bare(VERDICT), _bare(RETURN)]}, {"approvals": (VERDICT, RETURN)}),
        ({"type": "tool_return", "tool_returns": [_bare(RETURN)], "otid": "o"}, {"approvals": (RETURN,), "otid": "o"}),
        (
            {"type": "approval", "approve": False, "approval_request_id": "m", "reason": "r", "group_id": "g"},
            {"approve": False, "approval_request_id": "m", "denial_reason": "r", "group_id": "g"},
        ),
    ],
)
def test_answers_to_what_waits(body, expected):
    """Verdicts and returns become one message that answers, and each says of which kind it is."""
    (draft,) = turn(messages=[body]).drafts
    assert MessageDraft(role=Role.APPROVAL, **expected) == draft


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"type": "be_nice", "tool_name": "t"}, "$.tool_rules[1].type"),
        ({"tool_name": "t"}, "$.tool_rules[1].type"),
        ({"type": "exit_loop"}, "$.tool_rules[1]"),
        ({"type": "constrain_child_tools", "tool_name": "t", "children": "x"}, "$.tool_rules[1].children"),
        ({"type": "max_count_per_step", "tool_name": "t"}, "$.tool_rules[1]"),
    ],
)
def test_tool_rule_that_nobody_would_obey(rule, path):
    """A rule of an unknown type, or without what its type needs, is refused by its place, in both requests."""
    rules = [{"type": "exit_loop", "tool_name": "t"}, rule]
    assert path == path_of(create, tool_rules=rules)
    assert path == path_of(change, tool_rules=rules)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"agent_type": "memgpt_agent"}, ["exit_loop", "continue_loop"]),
        ({"agent_type": "memgpt_agent", "include_base_tool_rules": False}, []),
        ({"agent_type": "letta_v1_agent"}, []),
        ({"agent_type": "letta_v1_agent", "include_base_tool_rules": True}, ["exit_loop", "continue_loop"]),
    ],
)
def test_base_tool_rules(body, expected):
    """The MemGPT types get rules for their base tools unless told otherwise, and what is asked for comes behind."""
    own = {"type": "run_first", "tool_name": "t"}
    rules = create(**body, tools=["memory_insert", "send_message", "other"], tool_rules=[own]).tool_rules
    assert (expected, own) == ([rule["type"] for rule in rules[:-1]], rules[-1])


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"input": "x", "return_logprobs": True}, "return_logprobs"),
        ({"input": "x", "use_assistant_message": False}, "use_assistant_message"),
        ({"input": "x", "assistant_message_tool_name": "say"}, "assistant_message_tool_name"),
        ({"input": "x", "assistant_message_tool_kwarg": "words"}, "assistant_message_tool_kwarg"),
    ],
)
def test_turn_with_what_comes_later(body, what):
    """What does not exist yet is refused by name rather than left out."""
    with pytest.raises(Unsupported) as caught:
        turn(**body)
    assert f"agents.messages.create with {what}" == caught.value.operation


@pytest.mark.parametrize(
    ("body", "ids"),
    [({}, None), ({"run_ids": None}, None), ({"run_ids": []}, None), ({"run_ids": [RUN_ID]}, (RUN_ID,))],
)
def test_runs_to_cancel(body, ids):
    """A cancellation names runs, or means whichever is at work."""
    assert ids == run_ids(body)


@pytest.mark.parametrize(("ids", "path"), [(5, "$.run_ids"), ([5], "$.run_ids[0]"), (["x"], "$.run_ids[0]")])
def test_runs_that_are_refused(ids, path):
    """A malformed run id is named by its path."""
    assert path == path_of(run_ids, {"run_ids": ids})
