"""Locks on a file as SQLite takes them."""

from kelpie_sim.world.disk.locks import EXCLUSIVE, NONE, PENDING, RESERVED, SHARED, FileLocks


def test_many_read():
    """Any number of holders may read, and nobody means to write."""
    locks = FileLocks()
    assert ([True, True], False) == ([locks.lock(holder, SHARED) for holder in "ab"], locks.reserved())


def test_one_means_to_write():
    """One reader may reserve; a second is refused, new readers are not."""
    locks = FileLocks()
    granted = [locks.lock("a", SHARED), locks.lock("b", SHARED), locks.lock("a", RESERVED)]
    assert ([True] * 3, False, True, True) == (
        granted, locks.lock("b", RESERVED), locks.lock("c", SHARED), locks.reserved(),
    )  # fmt: skip


def test_writer_waits_for_readers_and_lets_no_new_ones_in():
    """A writer is refused while another reads, keeps them from becoming more, and is alone in the end."""
    locks = FileLocks()
    for holder in "ab":
        locks.lock(holder, SHARED)
    locks.lock("a", RESERVED)
    first = (locks.lock("a", EXCLUSIVE), locks.lock("c", SHARED))
    locks.unlock("b", NONE)
    assert ((False, False), True, False) == (first, locks.lock("a", EXCLUSIVE), locks.lock("b", SHARED))


def test_unlock_lowers():
    """A writer that goes back to reading lets others read, and is granted what it holds already."""
    locks = FileLocks()
    for level in (SHARED, RESERVED, PENDING, EXCLUSIVE):
        locks.lock("a", level)
    locks.unlock("a", SHARED)
    assert (True, True, False) == (locks.lock("b", SHARED), locks.lock("a", SHARED), locks.reserved())
