"""Bodies of requests in the shapes of Letta's API, to what the services take."""

import pytest

from kelpie_core.errors import InvalidInput, Unsupported
from kelpie_core.model.agent import AgentType
from kelpie_core.model.content import OpaquePart, ReasoningPart, TextPart
from kelpie_core.model.message import Role
from kelpie_core.service.drafts import (
    AgentChanges,
    AgentDraft,
    BlockChanges,
    BlockDraft,
    MessageDraft,
    ToolChanges,
    ToolDraft,
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
    tool_changes,
    tool_draft,
    turn_request,
)
from tests.core.wire.letta_samples import BLOCK_ID, RUN_ID, TOOL_ID

SCHEMA = {"name": "add", "description": "Add.", "parameters": {"type": "object"}}
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
        {"value": "x", "description": None, "label": None, "is_template": False}, "blocks.update"
    )


def test_block_changes_that_do_not_exist():
    """What cannot be changed is refused by name."""
    with pytest.raises(Unsupported) as caught:
        block_changes({"template_name": "t"}, "blocks.update")
    assert "blocks.update with template_name" == caught.value.operation


def test_tool():
    """A tool is named and described by its schema."""
    body = {"source_code": "def add(): ...", "json_schema": SCHEMA, "tags": ["t"], "metadata_": {"k": 1}}
    assert ToolDraft(
        name="add",
        description="Add.",
        source_code="def add(): ...",
        json_schema=SCHEMA,
        tags=("t",),
        metadata={"k": 1},
        extra={"pip_requirements": [{"name": "numpy"}]},
    ) == tool_draft({**body, "pip_requirements": [{"name": "numpy"}]}, "tools.create")


def test_own_description_of_a_tool_wins():
    """A description given beside the schema counts before the schema's."""
    body = {"source_code": "x", "json_schema": SCHEMA, "description": "Mine."}
    assert "Mine." == tool_draft(body, "tools.create").description


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"json_schema": SCHEMA}, "$.source_code"),
        ({"source_code": "x", "json_schema": {}}, "$.json_schema.name"),
        ({"source_code": "x", "json_schema": {"name": 5}}, "$.json_schema.name"),
        ({"source_code": "x", "json_schema": 5}, "$.json_schema"),
    ],
)
def test_tool_that_is_refused(body, path):
    """A tool needs source and a schema with a name."""
    assert path == path_of(tool_draft, body, "tools.create")


def test_tool_without_a_schema():
    """Deriving a schema from source comes later, and says so."""
    with pytest.raises(Unsupported) as caught:
        tool_draft({"source_code": "x"}, "tools.upsert")
    assert "tools.upsert without json_schema" == caught.value.operation


def test_tool_changes():
    """A new schema renames the tool; null clears what can be empty."""
    assert ToolChanges(
        name="add", json_schema=SCHEMA, metadata={"k": 1}, default_requires_approval=None
    ) == tool_changes({"json_schema": SCHEMA, "metadata_": {"k": 1}, "default_requires_approval": None})
    assert ToolChanges(source_code="y") == tool_changes({"source_code": "y"})


def test_agent_of_defaults():
    """An agent needs nothing: it gets a name, the default model and the tools of its type."""
    draft = agent_draft({}, name_default="kelpie-1", model_default="kelpie/echo")
    assert AgentDraft(name="kelpie-1", model="kelpie/echo", tool_names=("memory_insert", "memory_replace")) == draft


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
    assert ("memory_insert", "memory_replace", "x") == draft.tool_names


def test_model_of_a_config():
    """A config without a handle beside it names the model, and is kept as it came."""
    draft = create(llm_config=LLM)
    assert ("openai/m", LLM) == (draft.model, draft.llm_config)


def test_automatic_model_is_the_default():
    """letta/auto means whatever the server's default is."""
    assert "kelpie/echo" == create(model="letta/auto").model


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
    [("folder_ids", ["x"]), ("initial_message_sequence", [{}]), ("enable_sleeptime", True), ("from_template", "t")],
)
def test_agent_with_what_comes_later(name, value):
    """What does not exist yet is refused by name rather than left out."""
    with pytest.raises(Unsupported) as caught:
        create(**{name: value})
    assert f"agents.create with {name}" == caught.value.operation


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
            options=TurnOptions(steps_max=3, tokens=True, background=True),
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


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"input": "x", "client_tools": [{"name": "t"}]}, "client_tools"),
        ({"input": "x", "override_model": "a/b"}, "override_model"),
        ({"messages": [{"type": "approval", "approvals": []}]}, "a message of type approval"),
        ({"messages": [{"type": "tool_return", "tool_returns": []}]}, "a message of type tool_return"),
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
