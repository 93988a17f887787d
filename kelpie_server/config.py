"""What an operator may choose, as one frozen value. Every default works: no key, no network, no set-up.

Each field says here, and only here, what it means: `kelpie serve --help` and docs/reference/configuration.md are made
from it, and so are the flag, the key of the file and the name in the environment (settings.py).
"""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs

from kelpie_core.limits import (
    AGENT_FILE_BYTES_DEFAULT,
    AGENT_FILE_BYTES_MAX,
    BUSY_WAIT_SECONDS_MAX,
    LEASE_SECONDS,
    LOG_SECONDS_DEFAULT,
)
from kelpie_server.tokens import TOKEN_CHARS_MIN, read_token

VERSION = "0.1.0"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "text", "json")
_MIB = 1024 * 1024
T = TypeVar("T")

LISTENING, ACCESS, STORAGE, MODELS, TURNS = "Listening", "Access", "Storage", "Models", "Turns"
TOOLS, LIMITS, OPERATION = "Tools", "Limits", "Operation"
GROUPS = (LISTENING, ACCESS, STORAGE, MODELS, TURNS, TOOLS, LIMITS, OPERATION)


@attrs.frozen(kw_only=True)
class Setting:
    """What is said of a field: its group, its help, what its value is called, whether it must never be shown.

    `variables` are names in the environment that others use for it too; the one of our own goes before them.
    """

    group: str
    help: str
    metavar: str | None = None
    secret: bool = False
    variables: tuple[str, ...] = ()


def setting(
    default: T,
    help: str,
    *,
    group: str,
    metavar: str | None = None,
    secret: bool = False,
    variables: tuple[str, ...] = (),
    validator: Callable[..., None] | list[Callable[..., None]] | None = None,
) -> T:
    """Return a field of Config."""
    said = Setting(group=group, help=help, metavar=metavar, secret=secret, variables=variables)
    field: T = attrs.field(default=default, validator=validator, repr=not secret, metadata={Setting: said})
    return field


def _check_tokens(config: object, field: object, tokens: tuple[str, ...]) -> None:
    for number, text in enumerate(tokens):
        try:
            read_token(text)
        except ValueError as error:
            raise ValueError(f"'tokens', number {number + 1}: {error}") from None


_POSITIVE = attrs.validators.gt(0)
_NOT_NEGATIVE = attrs.validators.ge(0)


@attrs.frozen(kw_only=True)
class Config:
    """Settings of a server. Raises ValueError for a value that makes no sense."""

    host: str = setting("127.0.0.1", "Address to listen on. 0.0.0.0 or :: listens on all.", group=LISTENING)
    port: int = setting(
        8283,
        "Port to listen on; 0 takes any that is free.",
        group=LISTENING,
        validator=[_NOT_NEGATIVE, attrs.validators.le(65_535)],
    )

    tokens: tuple[str, ...] = setting(
        (),
        "Who may ask. Each is written TOKEN, TOKEN=org-<uuid4> or TOKEN=org-<uuid4>/user-<uuid4>, and has at least "
        f"{TOKEN_CHARS_MIN} characters; the organization is the tenant that the token opens, the user is who asks when "
        "the request names nobody. Without any token everybody may do everything. Keep them in the file or the "
        "environment: a command line can be read by other users of the machine.",
        group=ACCESS,
        metavar="TOKEN",
        secret=True,
        validator=_check_tokens,
    )
    secure: bool = setting(False, "Refuse to start without tokens when listening beyond this machine.", group=ACCESS)
    metrics_open: bool = setting(False, "Let /metrics be read without a token.", group=ACCESS)

    data: Path = setting(
        Path("kelpie.db"), "The database file. It is made if it is not there.", group=STORAGE, metavar="PATH"
    )
    takeover: bool = setting(
        True,
        "At the start take up every unfinished run at once, as no other process can have the database open.",
        group=STORAGE,
    )

    model_default: str | None = setting(
        "kelpie/echo",
        "Model of agents that name none or letta/auto; empty to refuse those. kelpie/echo needs no key: it repeats "
        "what it is told.",
        group=MODELS,
        metavar="HANDLE",
    )
    openai_api_key: str | None = setting(
        None, "Key for openai/... models.", group=MODELS, metavar="KEY", secret=True, variables=("OPENAI_API_KEY",)
    )
    openai_base_url: str | None = setting(
        None,
        "Where openai/... and openai-proxy/... models are asked, if not at OpenAI: any endpoint that speaks its chat "
        "completions, with its /v1.",
        group=MODELS,
        metavar="URL",
        variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    )
    anthropic_api_key: str | None = setting(
        None,
        "Key for anthropic/... models; needs the extra kelpie[anthropic].",
        group=MODELS,
        metavar="KEY",
        secret=True,
        variables=("ANTHROPIC_API_KEY",),
    )
    anthropic_base_url: str | None = setting(
        None,
        "Where anthropic/... models are asked, if not at Anthropic.",
        group=MODELS,
        metavar="URL",
        variables=("ANTHROPIC_BASE_URL",),
    )
    ollama_base_url: str | None = setting(
        None,
        "Where Ollama listens, as http://127.0.0.1:11434.",
        group=MODELS,
        metavar="URL",
        variables=("OLLAMA_BASE_URL",),
    )
    vllm_base_url: str | None = setting(
        None,
        "Where vLLM listens, as http://127.0.0.1:8000.",
        group=MODELS,
        metavar="URL",
        variables=("VLLM_API_BASE", "VLLM_BASE_URL"),
    )
    vllm_api_key: str | None = setting(
        None, "Key for vLLM, if it asks for one.", group=MODELS, metavar="KEY", secret=True, variables=("VLLM_API_KEY",)
    )
    lmstudio_base_url: str | None = setting(
        None,
        "Where LM Studio listens, as http://127.0.0.1:1234.",
        group=MODELS,
        metavar="URL",
        variables=("LMSTUDIO_BASE_URL",),
    )
    llamacpp_base_url: str | None = setting(
        None,
        "Where llama.cpp's server listens, as http://127.0.0.1:8080.",
        group=MODELS,
        metavar="URL",
        variables=("LLAMACPP_BASE_URL",),
    )
    model_endpoints_of_agents: bool = setting(
        True,
        "Ask an agent's model where its llm_config says (model_endpoint), for openai-proxy, self-hosted models and "
        "providers that are not set up; without any key. No: what users and agent files say leads nowhere.",
        group=MODELS,
    )
    model_connect_seconds: float = setting(
        10.0, "How long to wait for a connection to a model.", group=MODELS, validator=_POSITIVE
    )
    model_first_seconds: float = setting(
        300.0,
        "How long to wait for the first piece of an answer; models that think first, or are loaded first, take long.",
        group=MODELS,
        validator=_POSITIVE,
    )
    model_next_seconds: float = setting(
        120.0, "How long to wait for each further piece of an answer.", group=MODELS, validator=_POSITIVE
    )

    busy_wait_seconds: float = setting(
        0.0,
        "How long a message waits for an agent that is at work; 0 refuses it with 409 at once.",
        group=TURNS,
        validator=[_NOT_NEGATIVE, attrs.validators.le(BUSY_WAIT_SECONDS_MAX)],
    )
    recover_seconds: float = setting(
        float(LEASE_SECONDS), "How often to look for turns whose process died.", group=TURNS, validator=_POSITIVE
    )
    ping_seconds: float = setting(
        20.0, "How often a stream in which nothing happens sends a ping.", group=TURNS, validator=_POSITIVE
    )

    stream_log_seconds: float = setting(
        float(LOG_SECONDS_DEFAULT),
        "How long after its end the stream of a turn in the background can still be read.",
        group=TURNS,
        validator=_POSITIVE,
    )

    tools_concurrent_max: int = setting(
        8, "How many tools may run at once; further calls wait.", group=TOOLS, validator=attrs.validators.ge(1)
    )
    tools_memory_bytes_max: int = setting(
        512 * _MIB,
        "How much memory each process of a tool may have.",
        group=TOOLS,
        validator=attrs.validators.ge(64 * _MIB),
    )
    tools_processes_max: int = setting(
        16, "How many processes and threads a tool may have.", group=TOOLS, validator=attrs.validators.ge(1)
    )
    tools_disk_bytes_max: int = setting(
        256 * _MIB, "How large the work folder of a tool may grow.", group=TOOLS, validator=attrs.validators.ge(_MIB)
    )
    tools_network: bool = setting(False, "Let tools reach the network, this machine included.", group=TOOLS)
    tools_python: Path | None = setting(
        None,
        "The interpreter of a virtual environment whose packages tools may import; without it they have the standard "
        "library.",
        group=TOOLS,
        metavar="PATH",
    )
    tools_readable: tuple[str, ...] = setting(
        (), "Further files and folders that tools may read.", group=TOOLS, metavar="PATH"
    )
    tools_folder: Path | None = setting(
        None, "Where work folders of tools are made, if not where temporary files are.", group=TOOLS, metavar="PATH"
    )
    tools_unsandboxed: bool = setting(
        False,
        "Run tools even where the kernel cannot isolate them: they can then do all that this server can.",
        group=TOOLS,
    )

    body_bytes_max: int = setting(
        64 * _MIB, "How large the body of a request may be.", group=LIMITS, validator=attrs.validators.ge(1)
    )
    import_bytes_max: int = setting(
        AGENT_FILE_BYTES_DEFAULT,
        "How large an agent file may be that is imported over HTTP.",
        group=LIMITS,
        validator=[attrs.validators.ge(1), attrs.validators.le(AGENT_FILE_BYTES_MAX)],
    )

    log_level: str = setting(
        "info",
        "What to log: debug, info, warning or error.",
        group=OPERATION,
        validator=attrs.validators.in_(LOG_LEVELS),
    )
    log_format: str = setting(
        "auto",
        "How to log: text, json, or auto, which is text on a terminal and json elsewhere.",
        group=OPERATION,
        validator=attrs.validators.in_(LOG_FORMATS),
    )
    drain_seconds: float = setting(
        30.0,
        "How long what is at work may take to end after SIGTERM. Turns that do not end go on in the next process.",
        group=OPERATION,
        validator=_NOT_NEGATIVE,
    )
    drain_notice_seconds: float = setting(
        0.0,
        "How long after SIGTERM readiness says 503 while all is still served, for a load balancer to take notice.",
        group=OPERATION,
        validator=_NOT_NEGATIVE,
    )
    otlp_endpoint: str | None = setting(
        None,
        "Where to send spans, as http://127.0.0.1:4318; needs the extra kelpie[otel].",
        group=OPERATION,
        metavar="URL",
    )

    def __attrs_post_init__(self) -> None:
        if self.secure and not self.tokens and not is_loopback(self.host):
            raise ValueError(f"'secure' is set and 'host' is {self.host!r}, which others can reach: set 'tokens' too")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
