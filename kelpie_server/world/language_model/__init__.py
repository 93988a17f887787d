"""The language models of a server. Only the builtin echo model so far: it answers for every model an agent names."""

from kelpie_core.echo_model import EchoModel
from kelpie_core.ports import LanguageModel


def make_language_model() -> LanguageModel:
    """Return what answers for the models of all agents."""
    return EchoModel()
