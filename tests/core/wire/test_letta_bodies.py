"""What bodies of requests may hold."""

import attrs
import pytest

from kelpie_core.service.drafts import AgentDraft, BlockDraft, ToolDraft
from kelpie_core.wire import letta_bodies as bodies


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (bodies.BLOCK, bodies.BlockFields),
        (bodies.BLOCK_EXTRA, bodies.BlockFields),
        (bodies.TOOL, bodies.ToolFields),
        (bodies.TOOL_EXTRA, bodies.ToolFields),
        (bodies.AGENT, bodies.AgentFields),
        (bodies.AGENT_CONFIGS, bodies.AgentFields),
        (bodies.AGENT_EXTRA, bodies.AgentFields),
        (bodies.CREATE_LATER, bodies.AgentFields),
        (bodies.UPDATE_LATER, bodies.AgentFields),
        (bodies.TURN_LATER, bodies.TurnFields),
    ],
)
def test_names_are_of_fields(names, kind):
    """Every name in a list is one of a field."""
    assert set() == set(names) - set(attrs.fields_dict(kind))


@pytest.mark.parametrize(
    ("names", "kind"),
    [(bodies.BLOCK, BlockDraft), (bodies.TOOL, ToolDraft), ((*bodies.AGENT, *bodies.AGENT_CONFIGS), AgentDraft)],
)
def test_what_is_of_the_model_is_in_its_draft(names, kind):
    """A field that is not kept as extra has its place in the draft."""
    assert set() == set(names) - set(attrs.fields_dict(kind))


@pytest.mark.parametrize("kind", [bodies.BlockFields, bodies.ToolFields, bodies.AgentFields, bodies.TurnFields])
def test_every_field_may_be_absent(kind):
    """A body may leave out anything: what must be there is said where it is read."""
    assert {None} == set(attrs.asdict(kind()).values())


def test_secrets_are_not_printed():
    """Values of secrets do not stand in what is logged of a body."""
    fields = bodies.AgentFields(secrets={"K": "s3cret"}, tool_exec_environment_variables={"K": "s3cret"})
    assert "s3cret" not in repr(fields)
