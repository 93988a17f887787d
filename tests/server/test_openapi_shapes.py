"""The shapes of answers."""

import jsonschema
import pytest

from kelpie_core.wire.letta_message import MessageType
from kelpie_server.openapi_shapes import SHAPES, VARIANTS, message_schemas


def test_every_variant_has_a_shape():
    """Each variant of a message that can be shown is described."""
    assert {kind.value for kind in MessageType} == set(VARIANTS)


def test_every_shape_says_what_it_is():
    """Each shape has a name of its own and a sentence."""
    assert len(SHAPES) == len({shape.__name__ for shape in SHAPES})
    assert [] == [shape.__name__ for shape in SHAPES if not shape.__doc__]


@pytest.mark.parametrize(("field", "wrong"), [("content", 5), ("message_type", "user_message"), ("date", None)])
def test_a_variant_is_told_from_others(field, wrong):
    """A message fits the shape of its variant, and not with a field of a wrong type."""
    schemas = message_schemas()
    whole = {"$ref": "#/components/schemas/AssistantMessage", "components": {"schemas": schemas}}
    message = {"id": "m", "date": "2026-01-01T00:00:00Z", "message_type": "assistant_message", "content": "hi"}
    jsonschema.validate(message, whole)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**message, field: wrong}, whole)


def test_a_message_is_one_of_the_variants():
    """What may be any message names each variant, told apart by message_type."""
    union = message_schemas()["Message"]
    assert len(VARIANTS) == len(union["oneOf"]) == len(union["discriminator"]["mapping"])
