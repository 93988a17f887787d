"""Real programs in the world, as scenarios: servers, clients, SDKs and libraries, unmodified.

Each checks what it got. They run on a client's host against a server's, over uvicorn with h11 and with httptools, and
by messages.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import aiosqlite
import anthropic
import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import httpx2
import letta_client
import openai
import structlog
import uvicorn
from starlette.applications import Starlette

from kelpie_core.kelpie import Kelpie
from kelpie_server.app import create_app
from kelpie_server.config import Config
from kelpie_sim.agents.cluster import Cluster, holder_of
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import World
from kelpie_sim.world.http import HttpService
from tests.stack.apps import WORDS, make_app


def silent(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say nothing."""
    raise structlog.DropEvent


# What the application breaks on purpose, uvicorn logs with its traceback; and Kelpie logs each request.
structlog.configure(processors=[silent])
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)

SERVERS = ("h11", "httptools", "message")
DATABASE = "/rows.db"
# What parses HTTP under the TLS of the world.
HTTP = {"tls": "h11"}
Program = Callable[[World, HttpService], Coroutine[object, object, None]]
Http = httpx.AsyncClient | httpx2.AsyncClient


def service_of(world: World, server: str, make: Callable[[], Starlette] = make_app) -> HttpService:
    """Return a service on a host of its own."""
    network, host = world.network, world.host("server")
    if server == "message":
        return HttpService(network, host, make, fidelity="message")
    if server == "tls":
        network.tls = "pass"
    return HttpService(network, host, make, fidelity="tcp", tls=server == "tls", http=HTTP.get(server, server))


async def served(world: World, service: HttpService, program: Program) -> None:
    """Run a program on a client's host against a service, from its start to its end in order."""
    service.boot()
    await service.ready()
    await world.host("client").start(partial(program, world, service))
    await service.stop()


# --- clients over HTTP


async def session(world: World, service: HttpService, *, twin: bool) -> None:
    """Ask for everything that the application has."""
    library: Any = httpx2 if twin else httpx
    async with service.client2() if twin else service.client() as http:
        await plain(world, http, library)
        for path in ("/events", "/sse"):
            world.check(await numbers(http, path, 5) == [0, 1, 2, 3, 4], f"{path}: the events do not read back")
            await leave(http, path)
        chunks = [len(chunk) async for chunk in big(http)]
        world.check(sum(chunks) == 10 * 65_536, "big: bytes are lost")


async def plain(world: World, http: Http, library: Any) -> None:
    """Ask for plain answers, good ones and bad ones."""
    greeting = {"greeting": "hello"}
    answer = await http.post("/echo", content=b"hi")
    world.check(answer.json() == {"body": "hi", **greeting}, "echo: not what was sent")
    answer = await http.post("/echo", content=pieces())
    world.check(answer.json() == {"body": "one two ", **greeting}, "echo: not what was sent in pieces")
    world.check((await http.get("/blocking")).text == "from a thread", "blocking: not the answer")
    world.check((await http.get("/nowhere")).status_code == 404, "nowhere: found")
    world.check((await http.get("/fail")).status_code == 500, "fail: no error")
    # The answer says "keep alive", then the server closes the connection: who asks at once may lose the race.
    await asyncio.sleep(0.1)
    world.check((await http.head("/blocking")).content == b"", "head: a body")
    try:
        await http.get("/half")
    except library.RemoteProtocolError as error:
        world.story(f"half: {error}")
    else:
        world.check(False, "half: told as whole")


async def pieces() -> AsyncIterator[bytes]:
    """Send a request piece by piece."""
    for word in (b"one ", b"two "):
        await asyncio.sleep(0.5)
        yield word


async def numbers(http: Http, path: str, n: int) -> list[int]:
    """Return the numbers that a stream of events has."""
    async with http.stream("GET", f"{path}?n={n}") as answer:
        return [int(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]


async def leave(http: Http, path: str) -> None:
    """Leave a stream in its middle."""
    async with http.stream("GET", f"{path}?n=1000") as answer:
        async for _ in answer.aiter_lines():
            break


async def big(http: Http) -> AsyncIterator[bytes]:
    """Yield the chunks of a long answer, taken slowly."""
    async with http.stream("GET", "/big?n=10") as answer:
        async for chunk in answer.aiter_bytes():
            await asyncio.sleep(0.001)
            yield chunk


# --- SDKs


async def kelpie(world: World, server: str) -> None:
    """Serve the production application of Kelpie to the SDK that people use."""
    cluster, host = Cluster(world, servers=0), world.host("server")
    app = partial(create_app, config=Config())
    make = partial(lambda: app(Kelpie(cluster.ports_of(host), holder=holder_of(host))))
    await served(world, service_of(world, server, make), letta)


async def letta(world: World, service: HttpService) -> None:
    """Make an agent, talk with it, plainly and in a stream, and read its history."""
    default = {} if service.fidelity == "tcp" else {"http_client": service.client()}
    async with letta_client.AsyncLetta(base_url=service.base_url, api_key="none", **default) as sdk:  # type: ignore[arg-type]
        agent = await sdk.agents.create(
            name="Ada", model="kelpie/echo", memory_blocks=[{"label": "human", "value": "Bo"}]
        )
        answer = await sdk.agents.messages.create(agent.id, messages=[{"role": "user", "content": "say hello"}])
        world.check(answer.messages[-1].content == "hello ", "letta: not the answer")  # type: ignore[union-attr]
        stream = await sdk.agents.messages.create(
            agent.id, messages=[{"role": "user", "content": "say once more"}], streaming=True
        )
        kinds = [event.message_type async for event in stream]
        world.check(kinds[-2:] == ["stop_reason", "usage_statistics"], f"letta: the stream ends with {kinds[-2:]}")
        history = [message.content async for message in sdk.agents.messages.list(agent.id, order="asc")]  # type: ignore[union-attr]
        world.check(history[-4:] == ["say hello", "hello ", "say once more", "once more "], f"letta: {history}")


async def open_ai(world: World, service: HttpService) -> None:
    """Ask a model through the SDK of OpenAI, plainly and in a stream."""
    default = {} if service.fidelity == "tcp" else {"http_client": service.client2()}
    async with openai.AsyncOpenAI(base_url=f"{service.base_url}/v1", api_key="none", **default) as sdk:  # type: ignore[arg-type]
        ask: Any = partial(sdk.chat.completions.create, model="m", messages=[{"role": "user", "content": "hi"}])
        answer = await ask()
        world.check(answer.choices[0].message.content == "".join(WORDS), "openai: not the answer")
        words = [chunk.choices[0].delta.content async for chunk in await ask(stream=True)]
        world.check(tuple(words) == WORDS, f"openai: the stream has {words}")


async def anthropic_(world: World, service: HttpService) -> None:
    """Ask a model through the SDK of Anthropic, plainly and in a stream."""
    default = {} if service.fidelity == "tcp" else {"http_client": service.client2()}
    async with anthropic.AsyncAnthropic(base_url=service.base_url, api_key="none", **default) as sdk:  # type: ignore[arg-type]
        ask: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        answer = await sdk.messages.create(**ask)
        world.check(answer.content[0].text == "".join(WORDS), "anthropic: not the answer")
        async with sdk.messages.stream(**ask) as stream:
            words = [word async for word in stream.text_stream]
        world.check(tuple(words) == WORDS, f"anthropic: the stream has {words}")


# --- programs without HTTP


async def echo_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send lines back until there are no more."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def streams(world: World) -> None:
    """Talk to a server of asyncio's, through asyncio's streams and through anyio's."""

    async def serve() -> None:
        async with await asyncio.start_server(echo_server, "0.0.0.0", 7) as server:
            await server.serve_forever()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("server", 7)
        for n in range(20):
            writer.write(b"%d\n" % n)
        writer.write_eof()
        world.check(await reader.read() == b"".join(b"%d\n" % n for n in range(20)), "streams: bytes are lost")
        writer.close()
        await writer.wait_closed()

    async def ask_by_anyio() -> None:
        async with await anyio.connect_tcp("server", 7) as stream:
            await stream.send(b"one\ntwo\n")
            got = b""
            while len(got) < 8:
                got += await stream.receive()
            world.check(got == b"one\ntwo\n", "anyio: bytes are lost")

    world.host("server").start(serve)
    await asyncio.sleep(0.1)
    await asyncio.gather(world.host("one").start(ask), world.host("two").start(ask_by_anyio))
    await asyncio.sleep(1)  # until the server has seen the ends


async def structured(world: World) -> None:
    """Use what anyio has: task groups, scopes, threads that call back, memory streams, locks, limits."""
    seen: list[object] = []

    async def child(number: int, task_status: Any = anyio.TASK_STATUS_IGNORED) -> int:
        task_status.started(number)
        await anyio.sleep(number / 100)
        seen.append(number)
        return number

    def blocking(number: int) -> None:
        seen.append(anyio.from_thread.run(child, number))
        seen.append(anyio.from_thread.run_sync(lambda: f"sync {number}"))

    async with anyio.create_task_group() as group:
        for number in range(4):
            await group.start(child, number)
            group.start_soon(anyio.to_thread.run_sync, blocking, 10 + number)
    with anyio.move_on_after(0.5) as scope:
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(cancelled, seen, number)
    world.check(scope.cancelled_caught, "anyio: the scope did not end")
    await through_a_channel(seen)
    world.story(repr(seen))
    world.check(len(seen) == 4 + 12 + 5 + 5, f"anyio: {len(seen)} things were seen")


async def cancelled(seen: list[object], number: int) -> None:
    """Wait in a scope of its own until it is cancelled."""
    try:
        with anyio.CancelScope():
            await anyio.sleep_forever()
    finally:
        seen.append(f"cancelled {number}")


async def through_a_channel(seen: list[object]) -> None:
    """Send numbers through a memory stream to two who take them in turn."""
    sender, receiver = anyio.create_memory_object_stream[int](1)
    lock = anyio.Lock()

    async def take(stream: Any) -> None:
        async with stream:
            async for number in stream:
                async with lock:
                    await anyio.sleep(0.001)
                    seen.append(f"taken {number}")

    async with anyio.create_task_group() as group:
        group.start_soon(take, receiver.clone())
        group.start_soon(take, receiver)
        async with sender:
            for number in range(5):
                await sender.send(number)


async def database(world: World) -> None:
    """Use a database in a file from several tasks, and find what was committed after a crash of its host."""
    host = world.host("database")
    acknowledged: list[int] = []
    await host.start(partial(insert, world, acknowledged))
    host.crash()
    await host.start(partial(look, world, acknowledged))


async def insert(world: World, acknowledged: list[int]) -> None:
    """Commit rows by a connection each, which wait for each other."""

    async def commit(number: int) -> None:
        async with aiosqlite.connect(DATABASE) as own:
            await own.execute("PRAGMA synchronous = FULL")
            await own.execute("INSERT INTO t VALUES (?)", (number,))
            await own.commit()
        acknowledged.append(number)

    async with aiosqlite.connect(DATABASE) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("CREATE TABLE t (x INTEGER)")
        await asyncio.gather(*(commit(number) for number in range(8)))
        try:
            await connection.execute("SELECT nothing FROM nowhere")
        except aiosqlite.OperationalError as error:
            world.story(str(error))
        else:
            world.check(False, "aiosqlite: no error")


async def look(world: World, acknowledged: list[int]) -> None:
    """Hold what is there against what was acknowledged."""
    async with aiosqlite.connect(DATABASE) as connection, connection.execute("SELECT x FROM t") as cursor:
        rows = [row[0] async for row in cursor]
    world.story(repr(rows))
    world.check(sorted(rows) == sorted(acknowledged) == list(range(8)), "aiosqlite: rows are lost")


def _over_http(name: str, program: Program, servers: tuple[str, ...] = SERVERS) -> list[Scenario]:
    async def run(world: World, server: str) -> None:
        await served(world, service_of(world, server), program)

    return [Scenario(name=f"{name}-{server}", run=partial(run, server=server)) for server in servers]


SCENARIOS = (
    *_over_http("httpx", partial(session, twin=False), (*SERVERS, "tls")),
    *_over_http("httpx2", partial(session, twin=True), (*SERVERS, "tls")),
    *(
        Scenario(name=f"letta-{server}", run=partial(kelpie, server=server), operations=OPERATIONS)
        for server in SERVERS
    ),
    *_over_http("openai", open_ai),
    *_over_http("anthropic", anthropic_),
    Scenario(name="streams", run=streams),
    Scenario(name="anyio", run=structured),
    Scenario(name="aiosqlite", run=database),
)
# Named so that it is imported: over TCP it is imported late.
UVICORN = uvicorn.__version__
