"""The log: lines on standard error, of keys and values or of JSON, without a secret in any of them.

What the libraries log with the standard library's logging goes the same way. A line is searched for secrets when it is
complete, so that none gets through in an error's text or a traceback.
"""

import logging
import re
import sys
from collections.abc import Callable, Collection
from typing import TextIO

import structlog

HIDDEN = "[hidden]"
# What looks like a secret wherever it comes from: who is asking, and keys of the common providers.
_PATTERNS = re.compile(
    r"(?i)(bearer\s+|x-bare-password['\"]?\s*[:=]\s*['\"]?(?:password\s+)?)[^\s'\",;]+|\bsk-[\w-]{8,}"
)


def set_up_logging(level: str, log_format: str = "text", secrets: Collection[str] = ()) -> None:
    """Log from `level` on; `log_format` is text, json, or auto: text on a terminal, json elsewhere."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    finish = _finish(as_text, redactor(secrets))
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*before, finish],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    _route_standard_logging(number, structlog.stdlib.ProcessorFormatter(processor=finish, foreign_pre_chain=before))


def redactor(secrets: Collection[str]) -> Callable[[str], str]:
    """Return what hides these secrets, and what looks like one, in a text."""
    known = [re.escape(secret) for secret in sorted(secrets, key=len, reverse=True) if secret]
    exact = re.compile("|".join(known)) if known else None

    def redact(text: str) -> str:
        text = exact.sub(HIDDEN, text) if exact is not None else text
        return _PATTERNS.sub(lambda found: (found[1] or "") + HIDDEN, text)

    return redact


def _finish(as_text: bool, redact: Callable[[str], str]) -> structlog.typing.Processor:
    order = ["timestamp", "level", "event"]
    render: structlog.typing.Processor = (
        structlog.processors.KeyValueRenderer(key_order=order)
        if as_text
        else structlog.processors.JSONRenderer(sort_keys=False)
    )

    def finish(logger: object, name: str, event: structlog.typing.EventDict) -> str:
        first = {key: event[key] for key in order if key in event}
        rest = {key: value for key, value in event.items() if key not in (*order, "_record", "_from_structlog")}
        return redact(str(render(logger, name, first | rest)))

    return finish


def _route_standard_logging(level: int, formatter: logging.Formatter) -> None:
    handler: logging.StreamHandler[TextIO] = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.INFO))
