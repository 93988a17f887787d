"""What is said of the settings: on the command line, and on the reference page."""

import argparse
from pathlib import Path

from kelpie_server.settings import fields
from kelpie_server.settings_page import add_settings, given_flags, reference_page


def parser() -> argparse.ArgumentParser:
    """Return a parser with all settings."""
    made = argparse.ArgumentParser(prog="kelpie serve")
    add_settings(made)
    return made


def test_the_page_is_up_to_date():
    """docs/reference/configuration.md is what the code says; `python -m tools.write_configuration` writes it."""
    assert Path("docs/reference/configuration.md").read_text() == reference_page()


def test_help_names_every_setting():
    """Each setting is in the help, with its variable and its default, and on the page."""
    told, page = parser().format_help(), reference_page()
    wanted = [word for field in fields() for word in (field.flag, field.variable)]
    assert [] == [word for word in wanted if word not in told or word not in page]


def test_help_answers_questions():
    """The help has groups, examples, a file and what people ask."""
    told = parser().format_help()
    words = ("listening:", "access:", "examples:", "a file:", "questions:", "KELPIE_CONFIG", "kelpie doctor", "SIGTERM")
    assert [] == [word for word in words if word not in told]


def test_only_what_was_said_is_given():
    """A flag that was not given leaves the file and the environment alone; yes, no and lists can be said."""
    options = parser().parse_args(["--port", "5", "--no-takeover", "--secure", "--tokens", "a", "--tokens", "b"])
    assert {"port": "5", "takeover": False, "secure": True, "tokens": ["a", "b"]} == given_flags(options)
    assert {} == given_flags(parser().parse_args([]))


def test_defaults_of_secrets_are_not_values():
    """What is secret has no default that could be shown."""
    assert [] == [field.name for field in fields() if field.said.secret and field.default]
