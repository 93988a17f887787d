"""Effects are wishes: values, equal by content, each of one of two kinds."""

from typing import get_args

from kelpie_core.model.tool import ToolCall
from kelpie_core.turn.effects import CallModel, Effect, RunTools, StoredEffect, WorldEffect


def test_effects_are_values() -> None:
    """Two effects that say the same are the same; a tool that may have been running already is another wish."""
    call = ToolCall(id="c1", name="f", arguments="{}")
    assert CallModel() == CallModel()
    assert RunTools(calls=(call,)) == RunTools(calls=(call,), resumed=False)
    assert RunTools(calls=(call,)) != RunTools(calls=(call,), resumed=True)


def test_every_effect_is_either_stored_or_done_after() -> None:
    """No effect is of both kinds, and none of neither."""
    stored, world = set(get_args(StoredEffect)), set(get_args(WorldEffect))
    assert (set(), set(get_args(Effect))) == (stored & world, stored | world)
