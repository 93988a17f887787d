"""HTTP services: from start to end at both fidelities, by one interface."""

import asyncio
import ssl
from functools import partial

import httpx
import httpx2
import pytest

from kelpie_sim.errors import SimulationError
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.http import FIDELITIES, HttpService

both = pytest.mark.parametrize("fidelity", FIDELITIES)
libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


class App:
    """An application that counts its lives, and answers with the number of its own."""

    lives = 0
    ended = 0

    def __init__(self, starts=True):
        App.lives += 1
        self.life = App.lives
        self.starts = starts

    async def __call__(self, scope, receive, send):
        """Answer, or live."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": f"lifespan.startup.{'complete' if self.starts else 'failed'}"})
            await receive()
            App.ended += 1
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % self.life})


@pytest.fixture(autouse=True)
def no_lives_yet():
    """Count lives anew for each test."""
    App.lives = App.ended = 0


def in_world(program, fidelity, make=App, **options):
    """Run a program with a service of a world, and return its result."""
    results = []

    async def scenario(world):
        service = HttpService(world.network, world.host("server"), make, fidelity=fidelity, **options)
        results.append(await program(world, service))

    outcome = simulate(Scenario(name="http", run=scenario), 1)
    assert None is outcome.finding
    return results[0]


@both
def test_service_serves_from_boot_to_stop(fidelity):
    """A service takes requests once it is ready, shuts its application down, and refuses from then on."""

    async def program(world, service):
        service.boot()
        assert not service.is_up
        await service.ready()
        async with service.client() as client:
            answer = (await client.get("/")).text
            await service.stop()
            with pytest.raises(httpx.ConnectError):
                await client.get("/")
        return answer, service.is_up, App.ended

    assert ("1", False, 1) == in_world(program, fidelity)


@both
def test_both_twins_are_clients(fidelity):
    """Clients of httpx and of httpx2 get the same, with the options that they were given."""

    async def program(world, service):
        service.boot()
        await service.ready()
        async with service.client(timeout=1.0, headers={"a": "b"}) as one, service.client2(timeout=1.0) as two:
            assert "b" == one.headers["a"]
            answers = [(await client.get("/")).text for client in (one, two)]
            for client, error in ((one, httpx.ReadTimeout), (two, httpx2.ReadTimeout)):
                with pytest.raises(error):
                    await client.get("/slow")
        return answers

    assert ["1", "1"] == in_world(program, fidelity)


@both
def test_restarted_host_serves_a_new_application(fidelity):
    """After a power loss the application is made anew, and nothing of the old one was shut down."""

    async def program(world, service):
        service.boot()
        await service.ready()
        service.host.crash()
        down = service.is_up
        service.host.restart()
        await service.ready()
        async with service.client() as client:
            return down, (await client.get("/")).text, App.ended

    assert (False, "2", 0) == in_world(program, fidelity)


@both
def test_application_that_does_not_start_ends_its_host(fidelity):
    """A failed startup is the end of the server's process, as uvicorn has it."""

    async def program(world, service):
        service.boot()
        await asyncio.sleep(1)
        return service.is_up, service.host.alive, service.host.exit_code

    assert (False, False, 3) == in_world(program, fidelity, lambda: App(starts=False))


@both
def test_stop_needs_a_service(fidelity):
    """Stopping what does not run is a mistake of the scenario."""

    async def program(world, service):
        with pytest.raises(SimulationError, match="'server'"):
            await service.stop()

    in_world(program, fidelity)


@both
def test_stop_ends_with_the_host(fidelity):
    """Who waits for an orderly end is told of a crash too."""

    async def program(world, service):
        service.boot()
        await service.ready()
        async with service.client() as client:
            asked = asyncio.ensure_future(client.get("/slow"))
            await asyncio.sleep(1)
            world.loop.call_later(2, service.host.crash)
            await service.stop()
            asked.cancel()
        return round(world.loop.time())

    assert 3 == in_world(program, fidelity)


@both
def test_grace_period_ends(fidelity):
    """What is under way longer than the grace period of a shutdown is cancelled, and its client cut off."""

    async def program(world, service):
        service.boot()
        await service.ready()
        async with service.client(timeout=None) as client:
            asked = asyncio.ensure_future(client.get("/slow"))
            await asyncio.sleep(1)
            await service.stop()
            stopped_s = round(world.loop.time())
            answer = await asked
        return stopped_s, answer.status_code

    assert (3, 500) == in_world(program, fidelity, timeout_graceful_shutdown=2)


@both
def test_process_that_ends_closes_its_connections(fidelity):
    """When a server's process ends in the middle of a request, its client is told by the system at once."""

    async def program(world, service):
        service.boot()
        await service.ready()
        async with service.client() as client:
            world.loop.call_later(1, service.host.exit, SystemExit(1))
            with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
                await client.get("/slow")
        return round(world.loop.time())

    assert 1 == in_world(program, fidelity)


def in_tls_world(program, fidelity, library, make=lambda: scheme_app):
    """Run a program with a TLS service that is up and a client of a library, and return its result."""

    async def with_client(world, service):
        world.network.tls = "pass"
        service.boot()
        await service.ready()
        async with service.client() if library is httpx else service.client2() as client:
            return await program(world, client)

    return in_world(with_client, fidelity, make, tls=True)


async def scheme_app(scope, receive, send):
    """Answer with the scheme under which it was asked."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@both
@libraries
def test_service_with_tls(fidelity, library):
    """A service with TLS is found under https, by both twins, also on a connection that is kept."""

    async def program(world, client):
        answers = [await client.get("/") for _ in range(2)]
        return [(answer.text, answer.url.scheme) for answer in answers]

    assert [("https", "https")] * 2 == in_tls_world(program, fidelity, library)


@libraries
def test_wrong_name_is_no_connection(library):
    """A client that wants another server than it got cannot connect, because of the certificate."""

    async def program(world, client):
        with pytest.raises(library.ConnectError, match=r"not valid for 'bank\.example\.com'") as caught:
            await client.get("/", extensions={"sni_hostname": "bank.example.com"})
        return rooted(caught.value)

    assert ssl.SSLCertVerificationError is in_tls_world(program, "tcp", library)


def rooted(error):
    """Return the type of what an error came from in the first place."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return type(error)


@libraries
def test_https_at_a_plain_service(library):
    """Who speaks TLS to a service without it cannot connect."""

    async def program(world, service):
        world.network.tls = "pass"
        service.boot()
        await service.ready()
        async with library.AsyncClient() as client:
            with pytest.raises(library.ConnectError):
                await client.get(f"https://{service.host.name}:{service.port}/")

    in_world(program, "tcp")


@libraries
def test_server_of_asyncio_with_tls(library):
    """A server that asyncio makes with a context is asked under https."""
    results = []

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        writer.close()

    async def serve():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        await (await asyncio.start_server(answer, "0.0.0.0", 443, ssl=context)).serve_forever()

    async def scenario(world):
        world.network.tls = "pass"
        world.network.alias("api.example.com", "server")
        world.host("server").start(serve)
        await asyncio.sleep(1)
        async with library.AsyncClient() as client:
            results.append((await client.get("https://api.example.com/")).text)

    assert None is simulate(Scenario(name="tls", run=scenario), 1).finding
    assert ["hi"] == results


def test_tls_is_refused_by_name():
    """A client of a network that does not pass TLS is refused by the call that would encrypt."""

    async def scenario(world):
        world.host("server").start(partial(asyncio.start_server, print, "0.0.0.0", 443))
        await asyncio.sleep(1)
        async with httpx.AsyncClient() as client:
            await client.get("https://server/")

    finding = simulate(Scenario(name="tls", run=scenario), 1).finding
    assert finding is not None
    assert "ssl.SSLContext.wrap_bio cannot be used inside a simulation" in finding.message


def test_base_url_is_name_and_port():
    """A service is found by its host's name and its port."""

    async def program(world, service):
        return service.base_url

    assert "http://server:81" == in_world(program, "tcp", port=81)
