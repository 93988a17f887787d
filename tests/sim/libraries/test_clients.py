"""httpx, httpx2 and the SDKs in the world: nothing of this machine gets into them."""

import asyncio
import ssl
import time

import anthropic._base_client
import httpx
import httpx2
import letta_client._base_client
import openai._base_client
import pytest

from kelpie_sim.libraries.clients import ARCHITECTURE, PLATFORM
from tests.sim.programs import World

SDKS = (letta_client._base_client, openai._base_client, anthropic._base_client)
CLIENT_SECONDS_MAX = 2e-3


def in_a_run(look):
    """Return what a function sees in a run."""

    async def main():
        return look()

    return World().run(main())


def context_of(client):
    """Return the TLS context of a client."""
    return client._transport._pool._ssl_context


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_clients_share_one_bare_context(library):
    """In a run no certificates are read: all clients get the same empty context, and are made in no time."""
    one, other = in_a_run(lambda: [context_of(library.AsyncClient()) for _ in range(2)])
    assert one is other
    assert [] == one.get_ca_certs()

    begun = time.process_time()
    in_a_run(lambda: [library.AsyncClient() for _ in range(50)])
    assert (time.process_time() - begun) / 50 < CLIENT_SECONDS_MAX


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_client_that_verifies_nothing(library):
    """In a run, too, a client checks names unless it was told to verify nothing."""
    clients = in_a_run(lambda: [library.AsyncClient(verify=verify) for verify in (True, False)])
    assert [True, False] == [context_of(client).check_hostname for client in clients]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_own_context_is_kept(library):
    """A context that a program made itself is the one that its client uses."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert own is in_a_run(lambda: context_of(library.AsyncClient(verify=own)))


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_outside_of_a_run_certificates_are_read(library):
    """After a run has adapted the library, a client outside of runs trusts whom it always trusted."""
    World().run(asyncio.sleep(0))
    assert ssl.CERT_REQUIRED == context_of(library.AsyncClient()).verify_mode
    assert context_of(library.AsyncClient()) is not context_of(library.AsyncClient())


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_proxies_of_this_machine_are_not_used(library, monkeypatch):
    """The environment names a proxy, and in a run no client goes there; outside it does."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert [] == in_a_run(lambda: list(library.AsyncClient()._mounts))
    assert ["http://"] == [pattern.pattern for pattern in library.AsyncClient()._mounts]


@pytest.mark.parametrize("base_client", SDKS, ids=lambda module: module.__name__.split(".")[0])
def test_platform_is_the_same_everywhere(base_client, monkeypatch):
    """An SDK tells its server of the same machine wherever the run is, whatever was true before."""
    World().run(asyncio.sleep(0))
    monkeypatch.setattr("platform.machine", lambda: "riscv")
    outside = dict(base_client.platform_headers("1.0", platform=None))
    inside = in_a_run(lambda: dict(base_client.platform_headers("1.0", platform=None)))
    assert (PLATFORM, ARCHITECTURE) == (inside["X-Stainless-OS"], inside["X-Stainless-Arch"])
    assert "riscv" in outside["X-Stainless-Arch"]
    assert PLATFORM == in_a_run(base_client.get_platform)
