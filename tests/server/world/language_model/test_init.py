"""The language models of a server."""

from kelpie_core.echo_model import EchoModel
from kelpie_server.world.language_model import make_language_model


def test_the_echo_model_answers_for_all():
    """Without a key and a network there is the echo model."""
    assert isinstance(make_language_model(), EchoModel)
