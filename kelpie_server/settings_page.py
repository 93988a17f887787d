"""What is said of the settings, made from Config's fields: the options of `kelpie serve --help`, the reference page."""

import argparse
from collections.abc import Iterator, Mapping

from kelpie_server.config import GROUPS
from kelpie_server.settings import CONFIG_VARIABLE, Field, fields

_OTHER = "Other"
QUESTIONS = """\
settings:
  Each option can also stand in a file (--config FILE, or KELPIE_CONFIG) under its name with underscores, and in the
  environment under the name that its help ends with. The environment goes over the file, and options over both. An
  unknown name is an error.

examples:
  kelpie serve                                         try it: no key, no network, data in ./kelpie.db
  kelpie serve --data /var/lib/kelpie/kelpie.db        keep the data in a place of its own
  kelpie serve --config /etc/kelpie.toml               settings from a file
  KELPIE_TOKENS="$(cat tokens)" kelpie serve --host 0.0.0.0 --secure
                                                       for others, with tokens, or not at all
  kelpie doctor --config /etc/kelpie.toml              find out what is wrong with a set-up

a file:
  host = "0.0.0.0"
  data = "/var/lib/kelpie/kelpie.db"
  tokens = ["4fQ...=org-00000000-0000-4000-8000-000000000001"]

questions:
  How do clients reach it?     Letta(base_url="http://127.0.0.1:8283", api_key=TOKEN)
  Is it up? Can it serve?      GET /v1/health; GET /v1/ready, which reads and writes the store
  What is it doing?            GET /metrics (Prometheus), and the log on standard error
  What does it answer?         GET /openapi.json, and as a page GET /docs
  How is it stopped?           SIGTERM or Ctrl-C: readiness turns 503, what is at work ends, the database is closed
  Can several share the data?  Not one database file: a second server is refused
  How is it backed up?         kelpie export for an agent; the file with its -wal while the server is stopped
"""


def add_settings(parser: argparse.ArgumentParser, *, epilog: str | None = QUESTIONS) -> None:
    """Give a parser an option for each field of Config, in groups, and a page's end below them."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = epilog
    parser.add_argument("--config", metavar="FILE", help=f"settings in TOML [{CONFIG_VARIABLE}]")
    for group, members in _grouped():
        section = parser.add_argument_group(group.lower())
        for field in members:
            if field.is_table:
                continue
            if field.kind is bool:
                section.add_argument(
                    field.flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=_help_of(field)
                )
            else:
                section.add_argument(
                    field.flag,
                    default=argparse.SUPPRESS,
                    metavar=_metavar_of(field),
                    action="extend" if field.is_list else "store",
                    nargs=1 if field.is_list else None,
                    help=_help_of(field),
                )


def given_flags(options: argparse.Namespace) -> Mapping[str, object]:
    """Return the settings that the command line gave, by field's name."""
    names = {field.name for field in fields()}
    return {name: value for name, value in vars(options).items() if name in names}


def reference_page() -> str:
    """Return docs/reference/configuration.md."""
    return "\n".join([_HEAD, *(line for group, members in _grouped() for line in _section(group, members))])


_HEAD = """# Configuration

Every setting of `kelpie serve`. Each can be given in a file, in the environment and on the command line; the
environment goes over the file, and the command line over both. An unknown name is an error. `kelpie doctor`, with the
same options, says what is wrong with a set-up. The page is written by `python -m tools.write_configuration`; a test
holds it to the code.

The file is TOML, named with `--config FILE` or `KELPIE_CONFIG`:

```toml
host = "0.0.0.0"
data = "/var/lib/kelpie/kelpie.db"
tokens = ["4fQ...=org-00000000-0000-4000-8000-000000000001"]
```
"""


def _section(group: str, members: list[Field]) -> Iterator[str]:
    yield f"## {group}\n"
    yield "| setting | environment | command line | default | what it means |\n|---|---|---|---|---|"
    for field in members:
        elsewhere = (
            ("", "") if field.is_table else (", ".join(f"`{name}`" for name in field.all_variables), f"`{field.flag}`")
        )
        yield f"| `{field.name}` | {' | '.join(elsewhere)} | {_default_of(field)} | {field.said.help} |"
    yield ""


def _grouped() -> Iterator[tuple[str, list[Field]]]:
    for group in (*GROUPS, _OTHER):
        if members := [field for field in fields() if field.said.group == group]:
            yield group, members


def _help_of(field: Field) -> str:
    default = _default_of(field)
    return f"{field.said.help} [{', '.join(field.all_variables)}, default: {default}]".replace("%", "%%")


def _default_of(field: Field) -> str:
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    empty = field.default is None or field.default in ((), {}, "")
    return "none" if empty else str(field.default)


def _metavar_of(field: Field) -> str:
    if field.said.metavar:
        return field.said.metavar
    return "N" if field.kind in (int, float) else "WORD"
