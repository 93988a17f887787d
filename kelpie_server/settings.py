"""Settings from a file, the environment and the command line, each over the one before.

The file is TOML with the names of Config's fields as keys. In the environment the name is KELPIE_ and the field's in
capitals, on the command line the field's with dashes. A name that nobody knows is an error, never ignored.
"""

import difflib
import functools
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs
import msgspec

from kelpie_server.config import Config, Setting

PREFIX = "KELPIE_"
CONFIG_VARIABLE = "KELPIE_CONFIG"
# What the project's own tests, benches and simulator read: no settings of a server, and no mistakes either.
_OF_TOOLS = re.compile(r"KELPIE_(AGENT_FILES|BROWSER|NODE|BENCH_\w+|CHECKERS_\w+)")
_SERVICE_VARIABLE = re.compile(r"KELPIE_(SERVICE_(HOST|PORT)|PORT_\d+_TCP)(_\w+)?")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class SettingError(Exception):
    """A setting is unknown or makes no sense; the message says which, and where it stands."""


@attrs.frozen(kw_only=True)
class Field:
    """A field of Config under all its names, with what is said of it."""

    name: str
    kind: object
    default: object
    said: Setting

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def all_variables(self) -> tuple[str, ...]:
        """Its names in the environment, the strongest first."""
        return (self.variable, *self.said.variables)

    @property
    def is_list(self) -> bool:
        """Whether it has several values."""
        return typing.get_origin(self.kind) is tuple

    @property
    def is_table(self) -> bool:
        """Whether only the file can hold it."""
        return typing.get_origin(self.kind) is dict


@functools.cache
def fields() -> tuple[Field, ...]:
    """Return every field of Config, in its order there."""
    kinds = typing.get_type_hints(Config)
    return tuple(
        Field(name=one.name, kind=kinds[one.name], default=one.default, said=one.metadata.get(Setting) or _SAID_NOTHING)
        for one in attrs.fields(Config)
    )


_SAID_NOTHING = Setting(group="Other", help="")


def read_config(flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None = None) -> Config:
    """Return the settings that file, environment and flags (by field's name) give together; raise SettingError.

    The file is the one named, else the one that KELPIE_CONFIG names, else none.
    """
    named = environment.get(CONFIG_VARIABLE)
    path = file or (Path(named) if named else None)
    given = _from_file(path) if path is not None else {}
    given |= _from_environment(environment)
    given |= {name: _value(_known(name), value, _known(name).flag) for name, value in flags.items()}
    try:
        return Config(**given)  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingError(str(error.args[0])) from error


def secrets_of(config: Config) -> frozenset[str]:
    """Return every text of the settings that must not be shown, whole and in its parts."""
    values = [getattr(config, field.name) for field in fields() if field.said.secret]
    texts = [text for value in values for text in _texts_in(value)]
    return frozenset(part for text in texts for part in (text, text.partition("=org-")[0]) if part)


def _texts_in(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return [text for member in members for text in _texts_in(member)]


def _from_file(path: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"cannot read the configuration file {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path} is not TOML: {error}") from error
    known = {field.name: field for field in fields()}
    for name in table:
        if name not in known:
            raise SettingError(f"{path}: unknown key {name!r}{_hint(name, known)}")
    return {name: _converted(known[name], value, f"{path}: {name}", strict=True) for name, value in table.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    known = {field.variable: field for field in fields() if not field.is_table}
    shared = [(field, name) for field in fields() for name in reversed(field.said.variables) if environment.get(name)]
    given = {field.name: _value(field, environment[name], name) for field, name in shared}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE and not _is_of_others(name, environment[name]):
            if name not in known:
                raise SettingError(f"unknown variable {name} in the environment{_hint(name, known)}")
            given[known[name].name] = _value(known[name], environment[name], name)
    return given


def _is_of_others(name: str, value: str) -> bool:
    """Return whether a variable is of the project's tools, or Kubernetes made it for a service called kelpie."""
    known = _OF_TOOLS.fullmatch(name) or _SERVICE_VARIABLE.fullmatch(name)
    return known is not None or value.startswith("tcp://")


def _known(name: str) -> Field:
    return next(field for field in fields() if field.name == name)


def _value(field: Field, value: object, place: str) -> object:
    """Return the value that a text means for a field."""
    if isinstance(value, str):
        value = _words(value) if field.is_list else _unquoted(field, value)
    return _converted(field, value, place, strict=False)


def _unquoted(field: Field, text: str) -> object:
    if text == "" and type(None) in typing.get_args(field.kind):
        return None
    return _WORDS.get(text.lower(), text) if field.kind is bool else text


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _converted(field: Field, value: object, place: str, *, strict: bool) -> object:
    try:
        # From a text a number is read; in the file it must be one.
        return msgspec.convert(value, field.kind, strict=strict, dec_hook=_special)
    except msgspec.ValidationError as error:
        shown = "" if field.said.secret else f", got {value!r}"
        raise SettingError(f"{place}: {_lowered(str(error))}{shown}") from error


def _special(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError(f"Expected a text for {kind.__name__}")


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; `kelpie serve --help` lists what there is"
