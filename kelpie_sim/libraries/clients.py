"""httpx, httpx2 and the SDKs on them: no real certificates, no proxies of this machine, one platform for all.

Reading the certificates of the machine takes 20 ms per client, more than a whole run; and no simulated connection is
ever encrypted. Proxies come from the environment, the platform from commands that are run for it: both differ from
machine to machine, and would be sent over the wire.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from kelpie_sim.guards.active import current
from kelpie_sim.libraries.adapter import Adapter, Version

PLATFORM = "Linux"
ARCHITECTURE = "x64"


@cache
def _bare_context(verify: bool) -> ssl.SSLContext:
    """Return the one context of all simulated clients that check names, or of those that do not.

    It trusts nobody, and nothing is ever encrypted with it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = verify
    return context


def _fit_transports(transports: Any) -> None:
    real = transports.create_ssl_context

    def create_ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:
        own = current() is not None and isinstance(verify, bool) and cert is None
        return _bare_context(verify) if own else real(verify=verify, cert=cert, trust_env=trust_env)

    transports.create_ssl_context = create_ssl_context


def _fit_proxies(utils: Any) -> None:
    real = utils.getproxies

    def getproxies() -> Any:
        return real() if current() is None else {}

    utils.getproxies = getproxies


def _fit_sdk(base_client: Any) -> None:
    base_client.get_platform = _constant(base_client.get_platform, PLATFORM)
    base_client.get_architecture = _constant(base_client.get_architecture, ARCHITECTURE)
    # Its cache may hold what was true outside of a run.
    real, inside = base_client.platform_headers, cache(base_client.platform_headers.__wrapped__)

    def platform_headers(version: str, *, platform: Any) -> Any:
        return (real if current() is None else inside)(version, platform=platform)

    base_client.platform_headers = platform_headers


def _constant(real: Callable[[], Any], value: object) -> Callable[[], Any]:
    return lambda: real() if current() is None else value


def _httpx(library: str, core: str, known_from: Version, known_before: Version) -> tuple[Adapter, ...]:
    known = partial(Adapter, library=library, known_from=known_from, known_before=known_before)
    return (
        known(module=f"{library}._transports.default", fit=_fit_transports, late=(core,)),
        known(module=f"{library}._utils", fit=_fit_proxies),
    )


def _sdk(library: str, known_from: Version, known_before: Version) -> Adapter:
    module = f"{library.replace('-', '_')}._base_client"
    return Adapter(library=library, module=module, known_from=known_from, known_before=known_before, fit=_fit_sdk)


CLIENTS = (
    *_httpx("httpx", "httpcore", (0, 28), (0, 29)),
    *_httpx("httpx2", "httpcore2", (2, 16), (3,)),
    _sdk("letta-client", (1, 12), (2,)),
    _sdk("openai", (3, 54), (4,)),
    _sdk("anthropic", (2, 12), (3,)),
)
