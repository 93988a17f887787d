"""A memory block in the shape of Letta's API."""

import pytest
from letta_client.types import BlockResponse
from letta_client.types.agents import Block

from kelpie_core.wire.letta_block import block_json
from tests.core.wire.letta_samples import BLOCK_ID, USER, block, read_by_sdk


@pytest.mark.parametrize("kind", [Block, BlockResponse])
def test_the_sdk_reads_a_block(kind):
    """Both of the SDK's block types read it, with its content."""
    shown = read_by_sdk(kind, block_json(block(limit=10, read_only=True, tags=("a",), metadata={"k": 1}, hidden=True)))
    assert (BLOCK_ID, "human", "Bo", 10) == (shown.id, shown.label, shown.value, shown.limit)
    assert (True, ["a"], {"k": 1}, True, USER) == (
        shown.read_only,
        shown.tags,
        shown.metadata,
        shown.hidden,
        shown.created_by_id,
    )


def test_kept_fields_are_shown():
    """What a file or caller said about templates comes back; what does not fit its type, or has no name, does not."""
    shown = block_json(block(extra={"template_name": "t", "is_template": "yes", "project_id": None, "odd": 1}))
    assert ("t", False, None) == (shown["template_name"], shown["is_template"], shown["project_id"])
    assert "odd" not in shown
