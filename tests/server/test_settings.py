"""Settings from a file, the environment and the command line."""

import re
from pathlib import Path

import pytest

from kelpie_server.config import Config
from kelpie_server.settings import SettingError, fields, read_config, secrets_of

SOURCES = (".py", ".sh", "")
READ = re.compile(
    r'environ(?:\.get)?[(\[]\s*"(KELPIE_\w+)|export (KELPIE_\w+)=|^[A-Z_]+ = "(KELPIE_[A-Z_]+)"$', re.MULTILINE
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a configuration file is."""
    return tmp_path / "kelpie.toml"


def test_what_is_not_said_is_the_default():
    """Nothing given gives the defaults; the environment of others is not looked at."""
    assert Config() == read_config({}, {"PATH": "x", "HOME": "y"})


def test_each_goes_over_the_one_before(file):
    """The environment goes over the file, and the command line over both."""
    file.write_text('port = 1\nhost = "::1"\nlog_level = "error"\n')
    config = read_config({"port": "3"}, {"KELPIE_PORT": "2", "KELPIE_LOG_LEVEL": "debug"}, file=file)
    assert (3, "::1", "debug") == (config.port, config.host, config.log_level)


def test_the_environment_names_the_file(file):
    """KELPIE_CONFIG names the file unless the command line does."""
    file.write_text("port = 1\n")
    assert 1 == read_config({}, {"KELPIE_CONFIG": str(file)}).port


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("drain_seconds", "1.5", 1.5),
        ("drain_seconds", "2", 2.0),
        ("secure", "yes", True),
        ("takeover", "OFF", False),
        ("data", "/a/b.db", Path("/a/b.db")),
        ("model_default", "", None),
        ("model_default", "a/b", "a/b"),
        ("tokens", "abcdefgh,ijklmnop qrstuvwx", ("abcdefgh", "ijklmnop", "qrstuvwx")),
        ("tokens", "", ()),
    ],
)
def test_texts_are_read_by_the_field(name, text, value):
    """A text of the environment means what its field holds: a number, yes or no, a list, nothing."""
    assert value == getattr(read_config({}, {f"KELPIE_{name.upper()}": text}), name)


def test_the_file_holds_values_of_their_own_type(file):
    """The file says numbers as numbers, lists as lists, paths as texts."""
    file.write_text('port = 5\ntokens = ["abcdefgh"]\ndata = "x.db"\ndrain_seconds = 3\nsecure = true\n')
    config = read_config({}, {}, file=file)
    assert (5, ("abcdefgh",), Path("x.db"), 3.0, True) == (
        config.port,
        config.tokens,
        config.data,
        config.drain_seconds,
        config.secure,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "unknown key 'prot'; did you mean port?"),
        ("xyzzy = 1", "unknown key 'xyzzy'; `kelpie serve --help`"),
        ('port = "1"', "port: expected `int`"),
        ("port = true", "port: expected `int`"),
        ("port = 70000", "'port' must be <="),
        ("data = 5", "data: expected a text"),
        ("tokens = [5]", "tokens: expected `str`"),
        ("port = ", "is not TOML"),
        ('log_level = "loud"', "'log_level' must be in"),
    ],
)
def test_nonsense_in_the_file(file, text, told):
    """What the file says wrongly is an error that names the key; a key that nobody knows is never ignored."""
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        read_config({}, {}, file=file)
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    """A file that was named and cannot be read is an error, not an empty one."""
    with pytest.raises(SettingError, match="cannot read the configuration file"):
        read_config({}, {}, file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"KELPIE_PROT": "1"}, "unknown variable KELPIE_PROT in the environment; did you mean KELPIE_PORT?"),
        ({"KELPIE_PORT": "x"}, "KELPIE_PORT: expected `int`, got `str`, got 'x'"),
        ({"KELPIE_SECURE": "perhaps"}, "KELPIE_SECURE: expected `bool`"),
    ],
)
def test_nonsense_in_the_environment(environment, told):
    """What the environment says wrongly is an error that names the variable."""
    with pytest.raises(SettingError) as caught:
        read_config({}, environment)
    assert told in str(caught.value)


def test_variables_of_kubernetes_are_not_ours():
    """A service that is called kelpie puts variables of its own into the environment; they mean nothing here."""
    environment = {
        "KELPIE_PORT": "tcp://10.0.0.1:8283",
        "KELPIE_SERVICE_HOST": "10.0.0.1",
        "KELPIE_SERVICE_PORT_HTTP": "8283",
        "KELPIE_PORT_8283_TCP_ADDR": "10.0.0.1",
    }
    assert Config() == read_config({}, environment)


def test_variables_of_tests_and_benches_are_not_ours():
    """What the project's own tests, benches and simulator read from the environment does not trouble a server."""
    paths = [path for root in ("tests", "benchmarks", "kelpie_sim", ".ci") for path in Path(root).rglob("*")]
    texts = [path.read_text() for path in paths if path.is_file() and path.suffix in SOURCES]
    names = {next(filter(None, found)) for text in texts for found in READ.findall(text)}
    assert {"KELPIE_BROWSER", "KELPIE_AGENT_FILES"} <= names
    assert Config() == read_config({}, dict.fromkeys(names, "required"))


@pytest.mark.parametrize("text", ["short", "abcdefgh=org-nope"])
def test_a_bad_token_is_not_shown(text):
    """An error about a token says which one it is, and not the token."""
    with pytest.raises(SettingError, match="number 2") as caught:
        read_config({}, {"KELPIE_TOKENS": f"goodenough {text}"})
    assert text not in str(caught.value)


def test_secrets_are_known():
    """Whatever must not be shown is told to the log, the token also without its organization."""
    organization = "org-00000000-0000-4000-8000-000000000001"
    config = Config(tokens=("abcdefgh", f"ijklmnop={organization}"))
    assert {"abcdefgh", "ijklmnop", f"ijklmnop={organization}"} == secrets_of(config)
    assert "abcdefgh" not in repr(config)


def test_every_field_says_what_it_means():
    """No field is without its group and help, and what is secret is not in the configuration's repr."""
    assert [] == [field.name for field in fields() if not field.said.help or field.said.group == "Other"]
    shown = repr(Config())
    assert [] == [field.name for field in fields() if field.said.secret and f"{field.name}=" in shown]


def test_a_field_has_its_names():
    """A field's flag and variable are made from its name."""
    (field,) = (one for one in fields() if one.name == "busy_wait_seconds")
    assert ("--busy-wait-seconds", "KELPIE_BUSY_WAIT_SECONDS") == (field.flag, field.variable)
