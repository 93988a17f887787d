"""What an operator may choose, as one frozen value. Every default works: no key, no network, no set-up."""

from pathlib import Path

import attrs

from kelpie_core.limits import AGENT_FILE_BYTES_DEFAULT, AGENT_FILE_BYTES_MAX, BUSY_WAIT_SECONDS_MAX, LEASE_SECONDS

VERSION = "0.1.0"
LOG_LEVELS = ("debug", "info", "warning", "error")
_MIB = 1024 * 1024


@attrs.frozen(kw_only=True)
class Config:
    """Settings of a server. Raises ValueError for a value that makes no sense.

    `model_default` is for agents made without a model, None to refuse them. `takeover`: no other process can have the
    store open, so at start every unfinished run is taken up at once. `busy_wait_seconds` is how long a message waits
    for an agent that is at work; 0 refuses it at once.
    """

    host: str = "127.0.0.1"
    port: int = attrs.field(default=8283, validator=[attrs.validators.ge(0), attrs.validators.le(65_535)])
    data: Path = Path("kelpie.db")
    log_level: str = attrs.field(default="info", validator=attrs.validators.in_(LOG_LEVELS))
    model_default: str | None = "kelpie/echo"
    takeover: bool = True
    body_bytes_max: int = attrs.field(default=64 * _MIB, validator=attrs.validators.ge(1))
    import_bytes_max: int = attrs.field(
        default=AGENT_FILE_BYTES_DEFAULT, validator=[attrs.validators.ge(1), attrs.validators.le(AGENT_FILE_BYTES_MAX)]
    )
    ping_seconds: float = attrs.field(default=20.0, validator=attrs.validators.gt(0))
    recover_seconds: float = attrs.field(default=float(LEASE_SECONDS), validator=attrs.validators.gt(0))
    drain_seconds: float = attrs.field(default=30.0, validator=attrs.validators.ge(0))
    busy_wait_seconds: float = attrs.field(
        default=0.0, validator=[attrs.validators.ge(0), attrs.validators.le(BUSY_WAIT_SECONDS_MAX)]
    )
