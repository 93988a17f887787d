"""Who asks."""

import attrs
import pytest

from kelpie_core.ids import ORGANIZATION_DEFAULT, USER_DEFAULT
from kelpie_core.model.actor import Actor


def test_actor_is_a_value() -> None:
    """Actors are equal by content, and the default one is the default user of the default organization."""
    assert Actor(user_id=USER_DEFAULT, organization_id=ORGANIZATION_DEFAULT) == Actor()
    assert Actor(user_id="user-other") != Actor()


def test_actor_cannot_change() -> None:
    """Nobody becomes somebody else."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Actor().user_id = "user-other"  # type: ignore[misc]
