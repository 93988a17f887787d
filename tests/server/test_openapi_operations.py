"""What each operation takes and answers."""

import re

import pytest

from kelpie_core.ids import PREFIXES, uuid4_of
from kelpie_server.app import HANDLERS
from kelpie_server.openapi import BODIES
from kelpie_server.openapi_operations import DESCRIBED, id_pattern
from kelpie_server.operations import OPERATIONS


def test_whatever_is_implemented_is_described():
    """An operation with a handler says what it answers; what is described is an operation."""
    assert [] == sorted(set(HANDLERS) - set(DESCRIBED))
    assert set(DESCRIBED) <= {one.name for one in OPERATIONS}


def test_whatever_changes_something_by_a_body_has_one():
    """The classes of bodies are among those that the document shows."""
    kinds = {said.body for said in DESCRIBED.values() if isinstance(said.body, type)}
    assert kinds == set(BODIES)


@pytest.mark.parametrize("prefix", ["agent", "block"])
def test_ids_fit_their_pattern(prefix):
    """The pattern of ids takes those of its kind and no others."""
    assert prefix in PREFIXES
    assert re.search(id_pattern(prefix), f"{prefix}-{uuid4_of(1 << 121)}")
    assert not re.search(id_pattern(prefix), f"x{prefix}-{uuid4_of(1)}")
    assert not re.search(id_pattern(prefix), f"{prefix}-{'0' * 36}")
