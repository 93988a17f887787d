"""Values per life of a host, and hashes by number."""

import asyncio

from kelpie_sim.libraries.local import HostLocal, hash_by_serial
from tests.sim.programs import World


class Numbered:
    """Something that hashes by number."""

    __hash__ = hash_by_serial


def test_each_life_of_a_host_has_its_own_value():
    """Two hosts, two lives of one host, and the harness each have a value of their own."""
    local: HostLocal[list[str]] = HostLocal(list)
    world = World()
    host, other = world.host("server"), world.host("other")

    async def note(what):
        local.get().append(what)
        return list(local.get())

    async def main():
        seen = [
            await note("harness"),
            await host.start(lambda: note("first")),
            await other.start(lambda: note("other")),
        ]
        host.crash()
        return [*seen, await host.start(lambda: note("second")), await note("again")]

    assert [["harness"], ["first"], ["other"], ["second"], ["harness", "again"]] == world.run(main())


def test_value_can_be_set():
    """A value that is set is what the same host gets."""
    local = HostLocal(lambda: "unset")
    local.set("set")
    assert "set" == local.get()


def test_next_run_starts_anew():
    """At the start of a run all values of earlier runs are forgotten."""
    local: HostLocal[list[int]] = HostLocal(list)

    async def main():
        local.get().append(1)
        await asyncio.sleep(0)
        return list(local.get())

    assert [[1], [1]] == [World().run(main()) for _ in range(2)]


def test_hash_is_a_number_of_the_run():
    """In a run things hash by the order of their first hash, and keep that; equal runs give equal numbers."""

    async def main():
        things = [Numbered() for _ in range(3)]
        first = [hash(thing) for thing in reversed(things)]
        return first, [hash(thing) for thing in things]

    (first, again), second_run = World().run(main()), World().run(main())
    assert sorted(first) == first
    assert first[::-1] == again
    assert (first, again) == second_run


def test_hash_outside_of_a_run_is_the_address():
    """Without a run things hash as they always do."""
    thing = Numbered()
    assert object.__hash__(thing) == hash(thing)
