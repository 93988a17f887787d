"""Swapping attributes, and the names that modules imported."""

import sys
import types

from kelpie_sim.guards.patches import Patch, Patches


def original():
    """Be swapped."""
    return "original"


def replacement():
    """Take its place."""
    return "replacement"


def module(name, **attributes):
    """Return a new module, known to the interpreter."""
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


def test_attribute_and_aliases_are_swapped_and_restored(monkeypatch):
    """The named attribute and all other modules' names for it change together, and back."""
    owner, user = module("owner", call=original), module("user", alias=original, other=print)
    monkeypatch.setitem(sys.modules, "owner", owner)
    monkeypatch.setitem(sys.modules, "user", user)
    patches = Patches([Patch(owner=owner, name="call", replacement=replacement)])
    patches.apply()
    inside = owner.call, user.alias, user.other
    patches.undo()
    assert ((replacement, replacement, print), (original, original)) == (inside, (owner.call, user.alias))


def test_missing_attribute_is_left_out():
    """What this Python does not have needs no patch."""
    owner = module("owner")
    patches = Patches([Patch(owner=owner, name="call", replacement=replacement)])
    patches.apply()
    patches.undo()
    assert "call" not in vars(owner)


def test_class_attribute_is_swapped_in_the_class_only(monkeypatch):
    """A method is no import, so no module is searched for it."""

    class Owner:
        """Has a method."""

        call = original

    user = module("user", alias=original)
    monkeypatch.setitem(sys.modules, "user", user)
    patches = Patches([Patch(owner=Owner, name="call", replacement=replacement)])
    patches.apply()
    inside = Owner.call, user.alias
    patches.undo()
    assert ((replacement, original), original) == (inside, Owner.call)


def test_module_that_replaces_another_is_searched(monkeypatch):
    """A module that comes when another has gone is searched, and so is a new one of an old name."""
    owner = module("owner", call=original)
    patches = Patches([Patch(owner=owner, name="call", replacement=replacement)])
    for name in ("first", "second", "second"):
        user = module(name, alias=original)
        monkeypatch.delitem(sys.modules, "first", raising=False)
        monkeypatch.delitem(sys.modules, "second", raising=False)
        monkeypatch.setitem(sys.modules, name, user)
        patches.apply()
        inside = user.alias
        patches.undo()
        assert (replacement, original) == (inside, user.alias)


def test_spared_module_is_left_alone(monkeypatch):
    """Who is spared keeps the original."""
    owner, user = module("owner", call=original), module("user", alias=original)
    monkeypatch.setitem(sys.modules, "user", user)
    patches = Patches([Patch(owner=owner, name="call", replacement=replacement)], spared=("user",))
    patches.apply()
    inside = owner.call, user.alias
    patches.undo()
    assert (replacement, original) == inside
