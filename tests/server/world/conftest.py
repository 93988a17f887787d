"""What tests of far sides share."""

import pytest

from tests.server.world.processes import children


@pytest.fixture
def others() -> list[int]:
    """Return the children that this process has before the test."""
    return children()
