"""A memory block."""

from kelpie_core.limits import BLOCK_LIMIT_CHARS_DEFAULT
from kelpie_core.model.block import Block
from kelpie_core.records import BLOCKS
from tests.twins import NOON


def test_block_comes_back_equal() -> None:
    """What is stored is read back equal; the limit is the default one unless said."""
    block = Block(
        id="block-1",
        organization_id="org-1",
        created_by_id="user-1",
        label="human",
        value="Ünïcode \U0001f40e\n",
        tags=("a", "b"),
        extra={"is_template": False},
        created_at=NOON,
        updated_at=NOON,
    )
    assert BLOCK_LIMIT_CHARS_DEFAULT == block.limit
    assert block == BLOCKS.decode(BLOCKS.encode(block))
