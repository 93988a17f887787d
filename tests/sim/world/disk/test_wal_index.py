"""The memory that connections to a write-ahead log share."""

from kelpie_sim.world.disk.wal_index import SLOTS, WalIndex


def test_regions_are_shared_and_made_when_asked_for():
    """A region is made of zeros when somebody extends the index, and is the same memory for all."""
    index = WalIndex()
    assert None is index.region(0, 64, extend=False)
    regions = [index.region(number, 64, extend=True) for number in (1, 0, 1)]
    assert [bytes(64)] * 3 == [bytes(region or b"") for region in regions]
    assert (True, False) == (regions[0] is regions[2], regions[0] is regions[1])


def test_regions_go_with_the_last_user():
    """Whoever comes after the last user finds an empty index."""
    index = WalIndex()
    index.enter("a")
    index.enter("b")
    index.region(0, 64, extend=True)
    index.leave("a")
    kept = index.region(0, 64, extend=False) is not None
    index.leave("b")
    assert (True, None) == (kept, index.region(0, 64, extend=False))


def test_readers_share_a_slot():
    """Many share a slot, and nobody owns it meanwhile."""
    index = WalIndex()
    assert [True, True] == [index.lock(who, 3, 1, exclusive=False) for who in "ab"]
    assert not index.lock("a", 3, 1, exclusive=True)
    index.unlock("b", 3, 1)
    assert index.lock("a", 3, 1, exclusive=True)


def test_owner_shuts_others_out():
    """An owned slot is neither shared nor owned by others, until it is released."""
    index = WalIndex()
    assert index.lock("a", 0, 2, exclusive=True)
    refused = [index.lock("b", slot, 1, exclusive=exclusive) for slot in (0, 1) for exclusive in (False, True)]
    index.unlock("a", 0, 2)
    assert ([False] * 4, True) == (refused, index.lock("b", 1, 1, exclusive=False))


def test_slots_are_locked_all_or_none():
    """Where one of several slots is taken, none is locked."""
    index = WalIndex()
    index.lock("a", 2, 1, exclusive=True)
    assert not index.lock("b", 0, SLOTS, exclusive=True)
    assert index.lock("c", 0, 2, exclusive=True)


def test_who_leaves_releases_everything():
    """The locks of one who leaves are free."""
    index = WalIndex()
    for who in "ab":
        index.enter(who)
    index.lock("a", 0, 1, exclusive=True)
    index.lock("a", 1, 1, exclusive=False)
    index.leave("a")
    assert index.lock("b", 0, 2, exclusive=True)
