"""What is wrong with a set-up: `kelpie doctor` looks at everything that a server will need, and changes nothing.

Each finding is ok, a warning or a failure, and says what to do. A server that runs on the same settings is no failure.
"""

import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs

from kelpie_core.errors import InvalidInput, StoreError, ToolError, Unsupported
from kelpie_server.config import VERSION, Config, is_loopback

OK: Literal["ok"] = "ok"
WARN: Literal["warn"] = "warn"
FAIL: Literal["fail"] = "fail"
DISK_BYTES_WARN, DISK_BYTES_FAIL = 1024**3, 64 * 1024**2
SYNC_MS_WARN = 100
ASK_SECONDS = 5.0
_TOKEN = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    level: Literal["ok", "warn", "fail"]
    words: str
    remedy: str | None = None

    def __str__(self) -> str:
        remedy = "" if self.remedy is None else f"\n      {'':16} -> {self.remedy}"
        return f"{self.level:<5} {self.what:16} {self.words}{remedy}"


def examine(config: Config) -> Iterator[Finding]:
    """Yield what is found, in the order in which a server would meet it."""
    folder = config.data.absolute().parent
    yield _folder(folder)
    if folder.is_dir():
        yield _sync(folder)
        yield _space(folder)
    yield _database(config)
    yield _address(config)
    yield _access(config)
    yield from _models(config)
    yield _sandbox(config)
    yield _interpreter(config)
    yield _spans(config)


def _found(what: str, level: Literal["ok", "warn", "fail"], words: str, remedy: str | None = None) -> Finding:
    return Finding(what=what, level=level, words=words, remedy=remedy)


def _folder(folder: Path) -> Finding:
    what = "data folder"
    if not folder.is_dir():
        return _found(what, FAIL, f"{folder} is not there", f"mkdir -p {folder}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return _found(what, OK, f"{folder} can be written")
    except OSError as error:
        return _found(what, FAIL, f"{folder} cannot be written: {error}", "give it to the user that runs the server")


def _sync(folder: Path) -> Finding:
    started = time.monotonic()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"kelpie")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return _found("sync", FAIL, f"the disk cannot sync: {error}", "use a disk whose writes can be made durable")
    took_ms = (time.monotonic() - started) * 1e3
    if took_ms > SYNC_MS_WARN:
        return _found("sync", WARN, f"a sync takes {took_ms:.0f} ms, and every commit waits for one", "use a local SSD")
    return _found("sync", OK, f"a sync takes {took_ms:.1f} ms")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**2:,.0f} MiB are free"
    if free < DISK_BYTES_WARN:
        return _found("disk space", FAIL if free < DISK_BYTES_FAIL else WARN, words, "make room on that disk")
    return _found("disk space", OK, words)


def _database(config: Config) -> Finding:
    import apsw

    from kelpie_server.world.sqlite_schema import MIGRATIONS, check_ours

    what, path = "database", config.data
    if not path.exists():
        return _found(what, OK, f"{path} is not there yet and will be made")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            version = check_ours(connection)
        finally:
            connection.close()
    except apsw.BusyError:
        return _found(what, WARN, f"{path} is in use, so a server runs on it", "stop that one before another starts")
    except StoreError as error:
        return _found(what, FAIL, f"{path}: {error}", "name another file, or use the kelpie that wrote it")
    except apsw.Error as error:
        return _found(what, FAIL, f"{path} cannot be read: {error}", "restore it from a backup, or name another file")
    later = "" if version == len(MIGRATIONS) else f", which {len(MIGRATIONS)} replaces at the next start"
    return _found(what, OK, f"{path} has schema {version}{later}")


def _address(config: Config) -> Finding:
    from kelpie_server.serving import bound

    what, place = "address", f"{config.host}:{config.port}"
    try:
        bound(config).close()
    except OSError as error:
        if _kelpie_answers(config):
            return _found(what, WARN, f"a kelpie answers at {place} already", "stop it before another starts")
        return _found(what, FAIL, f"{place} is not free: {error}", "set another port, or end who has it")
    return _found(what, OK, f"{place} is free")


def _kelpie_answers(config: Config) -> bool:
    host = f"[{config.host}]" if ":" in config.host else config.host
    try:
        with urllib.request.urlopen(f"http://{host}:{config.port}/v1/health", timeout=ASK_SECONDS) as answer:
            return VERSION.encode() in answer.read(1_000)
    except OSError:
        return False


def _access(config: Config) -> Finding:
    what = "access"
    if config.tokens:
        return _found(what, OK, f"{len(config.tokens)} tokens")
    if is_loopback(config.host):
        return _found(what, OK, "no tokens: everybody on this machine may do everything")
    return _found(what, WARN, f"no tokens, and {config.host} can be reached by others", f"set tokens; {_TOKEN}")


def _models(config: Config) -> Iterator[Finding]:
    from kelpie_server.world.language_model.providers import providers_of

    try:
        providers = providers_of(config)
    except InvalidInput as error:
        yield _found("models", FAIL, str(error), "correct that setting")
        return
    wanted = (config.model_default or "").partition("/")[0]
    if wanted and wanted not in ("kelpie", "letta", *providers):
        words = f"the default model is {config.model_default}, and {wanted} is not set up"
        yield _found("models", FAIL, words, "set its key or address, or another model_default")
    if not providers:
        yield _found("models", OK, "no provider is set up: the builtin echo model answers")
    for provider in providers.values():
        endpoint = provider.endpoint
        yield _provider(provider.name, endpoint.base_url, endpoint.key, messages=provider.api == "messages")


def _provider(name: str, base_url: str, key: str | None, *, messages: bool) -> Finding:
    """Ask a provider for its list of models: whoever answers is there, and 401 or 403 is a key that does not fit."""
    base = base_url.rstrip("/")
    url = f"{base}/v1/models" if messages and not base.endswith("/v1") else f"{base}/models"
    headers = {} if key is None else {"x-api-key": key} if messages else {"authorization": f"Bearer {key}"}
    if messages:
        headers["anthropic-version"] = "2023-06-01"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=ASK_SECONDS):
            return _found(f"model {name}", OK, f"{base} answers")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (401, 403):
                return _found(f"model {name}", FAIL, f"{base} refuses the key ({error.code})", "set the right key")
            return _found(f"model {name}", OK, f"{base} answers ({error.code} to a question for its models)")
    except (OSError, ValueError) as error:
        return _found(f"model {name}", FAIL, f"{base} does not answer: {error}", "correct its address, or start it")


def _sandbox(config: Config) -> Finding:
    from kelpie_server.world.sandbox.kernel import this_kernel

    kernel = this_kernel()
    if kernel.missing is None:
        return _found("sandbox", OK, f"source of tools is shut in by Landlock {kernel.landlock} and seccomp")
    words = f"source of tools cannot be shut in: {kernel.missing}"
    if config.tools_unsandboxed:
        return _found("sandbox", WARN, f"{words}; it runs all the same", "run only tools that may do what you may")
    return _found("sandbox", WARN, f"{words}; it is refused", "use Linux 5.13 or later with Landlock")


def _interpreter(config: Config) -> Finding:
    from kelpie_server.world.sandbox.python import find_interpreter

    try:
        found = find_interpreter(config.tools_python)
    except ToolError as error:
        return _found("tools' python", FAIL, str(error), "set tools_python to a virtual environment's interpreter")
    return _found("tools' python", OK, f"{found.program}")


def _spans(config: Config) -> Finding:
    from kelpie_server.spans import make_spans

    if config.otlp_endpoint is None:
        return _found("spans", OK, "go nowhere: otlp_endpoint is not set")
    try:
        make_spans(config.otlp_endpoint)
    except Unsupported as error:
        return _found("spans", FAIL, str(error), "pip install 'kelpie[otel]', or leave otlp_endpoint unset")
    return _found("spans", OK, f"go to {config.otlp_endpoint}")
