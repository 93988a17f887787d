"""What of an event loop is refused."""

import asyncio

import pytest

from kelpie_sim.errors import HostDead, Unsupported
from kelpie_sim.real_world import REFUSED_AT_ONCE, REFUSED_WHEN_AWAITED
from tests.sim.programs import World


@pytest.mark.parametrize("name", REFUSED_AT_ONCE)
def test_call_is_refused_by_name(name):
    """What would need a selector or a signal raises at once."""

    async def main():
        getattr(asyncio.get_running_loop(), name)(0, print)

    with pytest.raises(Unsupported, match=f"loop.{name} cannot be used"):
        World().run(main())


@pytest.mark.parametrize(
    "name", [*REFUSED_WHEN_AWAITED, "create_connection", "create_server", "getaddrinfo", "getnameinfo"]
)
def test_coroutine_is_refused_by_name(name):
    """What would need a socket, a pipe or a process raises when it is awaited."""

    async def main():
        await getattr(asyncio.get_running_loop(), name)(0, 0, 0)

    with pytest.raises(Unsupported, match=f"loop.{name} cannot be used"):
        World().run(main())


def test_every_refused_name_is_one_of_the_standard_loop():
    """A misspelt name would refuse nothing."""
    names = {*REFUSED_AT_ONCE, *REFUSED_WHEN_AWAITED}
    assert set() == names - set(dir(asyncio.AbstractEventLoop)) - set(dir(asyncio.SelectorEventLoop))


def test_simulated_network_answers():
    """Once a network is attached, the loop hands it its calls."""

    class Network:
        """Answers with what it was asked, and notes the end of the program."""

        ended_ns: object = None

        async def create_connection(self, *args, **kwargs):
            return ("create_connection", args, kwargs)

        async def create_datagram_endpoint(self, *args, **kwargs):
            return ("create_datagram_endpoint", args, kwargs)

        async def create_server(self, *args, **kwargs):
            return ("create_server", args, kwargs)

        async def getaddrinfo(self, *args, **kwargs):
            return ("getaddrinfo", args, kwargs)

        async def getnameinfo(self, *args, **kwargs):
            return ("getnameinfo", args, kwargs)

        async def start_tls(self, *args, **kwargs):
            return ("start_tls", args, kwargs)

        def program_ended(self):
            self.ended_ns = world.loop.time_ns

    names = (
        "create_connection", "create_datagram_endpoint", "create_server", "getaddrinfo", "getnameinfo", "start_tls",
    )  # fmt: skip

    async def main():
        loop = world.loop
        loop.network = network  # type: ignore[assignment]  # It answers with what it was asked.
        await asyncio.sleep(1)
        return [await getattr(loop, name)(1, port=2) for name in names]

    network, world = Network(), World()
    assert [(name, (1,), {"port": 2}) for name in names] == world.run(main())
    assert 10**9 == network.ended_ns


def test_job_on_a_crashing_host_ends_with_it():
    """A blocking job that cuts the power of its own host returns to nobody."""

    async def program():
        await asyncio.to_thread(host.crash)
        seen.append("went on")

    async def main():
        host.start(program)
        await asyncio.sleep(1)
        return host.alive

    world, seen = World(), list[object]()
    host = world.host("server")
    assert (False, [], ()) == (world.run(main()), seen, world.loop.lost_exceptions())


def test_selector_parts_do_nothing():
    """There is no selector to wake or to ask."""
    loop = World().loop
    loop._write_to_self()
    loop._process_events([])
    loop.close()
    assert 0 == loop.steps


def test_host_dead_is_no_result():
    """HostDead raised by a living host's job is an error of its step, and reported."""

    def job():
        raise HostDead("stray")

    async def main():
        asyncio.get_running_loop().run_in_executor(None, job)
        await asyncio.sleep(1)

    world = World()
    world.run(main())
    assert ["stray"] == [str(lost.exception) for lost in world.loop.lost_exceptions()]


def test_debug_mode_is_switched_on_and_off():
    """A loop is not in debug mode until a program says so."""
    loop = World().loop
    modes = [loop.get_debug()]
    for enabled in (True, False):
        loop.set_debug(enabled)
        modes.append(loop.get_debug())
    loop.close()
    assert [False, True, False] == modes


def test_failure_of_main_is_raised_and_not_lost():
    """What a main coroutine raises comes out of the run, and is not counted as lost."""

    async def main():
        raise ValueError("mine")

    world = World()
    with pytest.raises(ValueError, match="mine"):
        world.run(main())
    assert () == world.loop.lost_exceptions()
