"""A memory block in the shape of Letta's API."""

import attrs

from kelpie_core.json_types import JsonObject
from kelpie_core.model.block import Block
from kelpie_core.wire.letta_fields import fitting


@attrs.frozen(kw_only=True)
class BlockExtra:
    """Fields of Letta's block that have no meaning here: they are kept and shown as they came."""

    project_id: str | None = None
    template_name: str | None = None
    is_template: bool | None = False
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = False


def block_json(block: Block) -> JsonObject:
    """Return a block as Letta's clients read it."""
    return {
        **attrs.asdict(BlockExtra()),
        **fitting(block.extra, BlockExtra, only_known=True),
        "id": block.id,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "read_only": block.read_only,
        "hidden": block.hidden,
        "metadata": block.metadata,
        "tags": list(block.tags),
        "created_by_id": block.created_by_id,
        "last_updated_by_id": block.last_updated_by_id or block.created_by_id,
    }
