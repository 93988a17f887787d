"""What survives a power loss."""

from typing import Any

from kelpie_sim.seed import Streams
from kelpie_sim.world.disk.changes import FileNode, NameChange, Truncate, Write
from kelpie_sim.world.disk.crash import CrashKeeps, survive, tear, tearable


def crashed(keeps, seed, *, sectors=4, writes=2):
    """Return the durable content, as a letter per sector, of a file whose writes were pending at a crash."""
    node = FileNode(1, 512, 0)
    pending = []
    for number in range(writes):
        data = bytes([ord("a") + number]) * 512 * sectors
        node.live.write(number * len(data), data)
        pending.append((number, Write(node, number * len(data), data)))
    survive(pending, keeps, Streams(seed).stream("crash"))
    content = node.durable.read(0, 9_999)
    return "".join(chr(content[at] or ord("0")) for at in range(0, len(content), 512))


def test_all_and_none():
    """Everything is kept, or nothing."""
    assert ("aaaabbbb", "") == (crashed(CrashKeeps.ALL, 1), crashed(CrashKeeps.NONE, 1))


def test_prefix_may_tear_its_last_write():
    """Writes are kept in order, the last one up to some sector: every such state is reached, and no other."""
    found = {crashed(CrashKeeps.PREFIX, seed) for seed in range(300)}
    assert {"aaaabbbb"[:count] for count in range(9)} == found


def test_sectors_are_kept_or_lost_each_by_itself():
    """Over the seeds every subset of the sectors is found, with or without the size that the file had."""
    found = {crashed(CrashKeeps.SECTORS, seed, sectors=2, writes=1) for seed in range(300)}
    assert {"", "00", "a", "a0", "0a", "aa"} == found


def test_names_are_kept_in_order():
    """When sectors are lost at random, of the names the first ones are kept, never a later one alone."""
    found = set()
    for seed in range(100):
        paths: dict[str, Any] = {}
        node = FileNode(1, 512, 0)
        pending = [(number, NameChange(paths, path, node)) for number, path in enumerate(("/a", "/b"))]
        survive(pending, CrashKeeps.SECTORS, Streams(seed).stream("crash"))
        found.add(tuple(paths))
    assert {(), ("/a",), ("/a", "/b")} == found


def test_truncate_is_kept_or_lost():
    """A pending truncate survives by the seed."""
    found = set()
    for seed in range(50):
        node = FileNode(1, 512, 0)
        node.durable.write(0, b"x" * 10)
        survive([(1, Truncate(node, 4))], CrashKeeps.SECTORS, Streams(seed).stream("crash"))
        found.add(len(node.durable))
    assert {4, 10} == found


def test_tear_leaves_a_write_half_done():
    """Some sectors of the torn write are there, and at least one is not; what came before it is whole."""
    found = set()
    for seed in range(100):
        node = FileNode(1, 512, 0)
        pending = [(1, Write(node, 0, b"a" * 512)), (2, Write(node, 512, b"b" * 1536))]
        assert [1] == tearable(pending)
        tear(pending, Streams(seed).stream("crash"))
        found.add(len(node.durable))
    assert {1024, 1536} == found
