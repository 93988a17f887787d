"""What an adapter is given."""

from tests.server.world.language_model.samples import call_of, request


def test_keys_are_not_shown():
    """A key stands in no representation."""
    assert "secret" not in repr(call_of(request()))
