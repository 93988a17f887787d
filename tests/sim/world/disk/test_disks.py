"""The disks of a world, and what happens to them with their hosts."""

import asyncio
import errno
import os
import pathlib
from typing import Any

from kelpie_sim.faults import FaultBoard
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.disk import OPERATIONS, PORT, Atlas, CrashKeeps, Disks
from kelpie_sim.world.disk import faults as f
from kelpie_sim.world.host import Host
from kelpie_sim.world.machine import OPERATIONS as HOST_OPERATIONS
from kelpie_sim.world.machine import PORT as HOST_PORT
from kelpie_sim.world.machine import DescriptorExhaustion
from tests.sim.programs import World
from tests.sim.world.disk.benches import NEW, OLD, keeping

NOTHING = keeping(CrashKeeps.NONE)


class Room:
    """A world with disks, and a host named "server"."""

    def __init__(self, *faults, atlas=None):
        self.world = World()
        known = {PORT: OPERATIONS, HOST_PORT: HOST_OPERATIONS}
        streams, trace = self.world.streams, self.world.trace
        self.board = FaultBoard(faults, known, streams, lambda: self.world.loop.time_ns, trace)
        self.disks = Disks(self.world.loop, streams, self.board, trace, atlas)
        self.host = self.world.host("server")
        self.disk = self.disks.disk(self.host, NOTHING)

    def run(self, program):
        """Run a program on the host, and ten seconds more; return what it told."""

        async def main():
            self.host.start(program)
            await asyncio.sleep(10)

        self.world.run(main())


def test_each_host_has_its_own():
    """A host has one disk, found again, and none that it never asked for."""
    room = Room()
    other = room.world.host("other")
    assert (room.disk, None) == (room.disks.disk(room.host), room.disks.find(other))
    assert ("other", False) == (room.disks.disk(other).name, room.disks.disk(other) is room.disk)
    room.world.loop.close()


def test_power_loss_and_end_of_process():
    """A power loss takes what was not synced; a process that ends by itself leaves it."""
    found = []
    for way in ("crash", "exit"):
        room = Room()

        async def program(room=room, way=way):
            room.disk.open("/a", create=True).write_at(0, OLD)
            if way == "exit":
                raise SystemExit(3)
            room.host.crash()

        room.run(program)
        found.append((room.disk.exists("/a"), room.disk.generation))
    assert [(False, 1), (True, 1)] == found


def test_reformat_of_the_host():
    """A host that is reformatted has an empty disk."""
    room = Room()

    async def program():
        file = room.disk.open("/a", create=True)
        file.write_at(0, OLD)
        file.sync()
        room.host.reformat()

    room.run(program)
    assert ("tmp",) == room.disk.list("/")


def test_crash_fault_takes_the_host_down():
    """A crash at an I/O ends the host in mid-step; what comes next sees what is left."""
    room = Room(f.DiskCrash(on=f.WRITE, after=1, max_triggers=1))
    told: list[Any] = []

    async def program():
        if room.host.incarnation == 1:
            file = room.disk.open("/a", create=True)
            file.write_at(0, OLD)
            file.sync()
            asyncio.get_running_loop().call_later(5, told.append, "timer of the dead")
            file.write_at(0, NEW)
            told.append("went on")
        told.append(room.disk.open("/a").read_at(0, 512))

    def later(host: Host) -> None:
        room.world.loop.call_later(1, host.restart)

    room.host.on_crash.append(later)
    room.run(program)
    assert ([OLD], 2) == (told, room.host.incarnation)


def test_crash_fault_spares_the_harness():
    """What the world does to a host's disk from outside is not cut short by a crash of the host."""
    room = Room(f.DiskCrash(probability=0.999_999))

    async def main():
        room.disk.open("/a", create=True).write_at(0, OLD)
        return room.disk.open("/a").read_at(0, 512)

    assert (OLD, 0) == (room.world.run(main()), room.board.report()[0].matched)


def test_slow_disk_takes_virtual_time():
    """Who awaits the disk goes on when it is done; a crash meanwhile ends the waiting for good."""
    room = Room(f.DiskLatency(on=f.SYNC, latency_ms=250, max_triggers=1))
    told: list[Any] = []

    async def program():
        room.disk.open("/a", create=True).sync()
        await room.disk.idle()
        told.append(room.world.loop.time_ns)

    room.run(program)
    assert [250_000_000] == told


def test_files_bear_the_clock_of_the_host():
    """A file is dated by its host's clock, however wrong that is."""
    room = Room()
    room.host.clock.jump(7)

    async def program():
        await asyncio.sleep(2)
        room.disk.open("/a", create=True)

    room.run(program)
    assert room.world.loop.wall_ns() - 8_000_000_000 + 7 == room.disk.stat("/a").changed_ns


def test_no_descriptor_left():
    """A host that has no descriptor left opens no file."""
    room = Room(DescriptorExhaustion(max_triggers=1))
    told: list[Any] = []

    async def program():
        try:
            room.disk.open("/a", create=True)
        except OSError as error:
            told.append(error.strerror)

    room.run(program)
    assert (["Too many open files"], False) == (told, room.disk.exists("/a"))


def test_any_scenario_has_disks_and_their_faults():
    """A world makes the disks at the first look, serves files on them, and knows the faults of the disk."""
    told: list[Any] = []

    async def program():
        pathlib.Path("/a").write_text("abc")
        try:
            pathlib.Path("/a").read_text()
        except OSError as error:
            told.append(error.strerror)
        told.append(pathlib.Path("/a").read_text())

    async def run(world):
        host = world.host("server")
        assert world.disk(host) is world.disks.disk(host)
        await host.start(program)

    fault = f.DiskReadFail(on=f.READ, max_triggers=1)
    outcome = simulate(Scenario(name="small", run=run, faults=lambda swarm: (fault,)), 1)
    assert (None, ["Input/output error", "abc"]) == (outcome.finding, told)
    assert [("DiskReadFail", 1)] == [(report.kind, report.fired) for report in outcome.faults]


def test_atlas_of_the_world():
    """Disks of one world share an account of what is hurt, given at the start or later."""
    room = Room(f.DiskLostWrite(probability=0.999_999))
    room.disks.bound(Atlas(groups=(("left", "right"),), copies_hurt_max=1))
    found = []
    for name in ("left", "right"):
        file = room.disks.disk(room.world.host(name)).open("/a", create=True)
        file.write_at(0, OLD)
        found.append(file.read_at(0, 512))
    room.world.loop.close()
    assert [bytes(512), OLD] == found


def test_job_in_a_thread_takes_the_time_of_its_disk():
    """A job that used a slow disk ends when the disk is done, with its result or its error; others end at once."""
    seen = []

    def write():
        with open("/a", "wb") as file:
            file.write(OLD)

    async def ran(job):
        try:
            result = await asyncio.to_thread(job)
        except OSError as error:
            result = error.errno
        return result, round(asyncio.get_running_loop().time() * 1_000)

    async def program():
        seen.append(await ran(lambda: os.remove("/b")))
        seen.extend(await asyncio.gather(ran(write), ran(lambda: 1)))

    async def run(world):
        world.disk(world.host("box"))
        world.host("box").start(program)
        await world.sleep(10)

    slow = f.DiskLatency(on=(f.WRITE, f.UNLINK), latency_ms=250)
    assert None is simulate(Scenario(name="slow", run=run, faults=lambda swarm: (slow,)), 1).finding
    assert [(errno.ENOENT, 250), (None, 500), (1, 250)] == seen
