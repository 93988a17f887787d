"""Create, update, delete: what was told is read back, and each way to lie is found."""

from typing import Any

import pytest

from kelpie_core.errors import Refused
from kelpie_core.service.agents import Agents
from kelpie_core.service.blocks import Blocks
from kelpie_core.service.tools import Tools
from kelpie_sim.agents.cluster import Cluster
from kelpie_sim.agents.scenarios.resources import SCENARIOS, Resource
from tests.sim.agents.scenarios.planted import faulty, first_finding, never_hit
from tests.sim.agents.worlds import result_of

(CRUD,) = SCENARIOS
SERVICES: dict[str, Any] = {"agent": Agents, "block": Blocks, "tool": Tools}


def test_things_are_deleted_sometimes():
    """In some seed something is deleted."""
    assert set() == never_hit(CRUD)


def test_harm_is_done():
    """Faults fire in a good part of the seeds, and no seed finds anything."""
    outcomes = faulty(CRUD)
    assert len(outcomes) >= 5
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]


async def do_nothing(self, *arguments, **options):
    """Say that it is done."""


async def refuse(self, *arguments, **options):
    """Refuse."""
    raise Refused("no")


PLANTED = (
    ("update", do_nothing, "crud: a {} reads back otherwise than it was told"),
    ("delete", do_nothing, "crud: a {} reads back otherwise than it was told"),
    ("delete", refuse, "crud: deleting a {} that is there was refused"),
    ("create", refuse, "crud: creating a {} was refused"),
)


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize(("method", "planted", "words"), PLANTED, ids=[f"{p[0]}-{p[1].__name__}" for p in PLANTED])
def test_lie_is_found(kind, method, planted, words, monkeypatch):
    """A change that is not made, a delete that leaves the thing, a refusal of what is sound: each is found."""
    monkeypatch.setattr(SERVICES[kind], method, planted)
    assert words.format(kind) == first_finding(CRUD)


@pytest.mark.parametrize("kind", SERVICES)
def test_thing_that_nobody_created_is_found(kind, monkeypatch):
    """A creation that creates two is found in the list."""
    create = SERVICES[kind].create

    async def twice(self, draft):
        await create(self, draft.__class__(**{**_fields(draft), _NAMES[kind]: "another"}))
        return await create(self, draft)

    monkeypatch.setattr(SERVICES[kind], "create", twice)
    assert first_finding(CRUD).startswith("crud: ")


_NAMES = {"agent": "name", "block": "value", "tool": "name"}


def _fields(draft):
    return {name: getattr(draft, name) for name in ("name", "label", "value") if hasattr(draft, name)}


@pytest.mark.parametrize("kind", SERVICES)
def test_resource_is_what_it_says(kind):
    """Each kind is created, read, changed, listed and deleted by the same words."""
    resource = Resource(kind)

    async def program(world):
        server = Cluster(world).server
        key = await server.call(lambda kelpie: resource.create(kelpie, "one"))
        before = await server.call(lambda kelpie: resource.read(kelpie, key))
        await server.call(lambda kelpie: resource.change(kelpie, key, "two"))
        listed = await server.call(resource.listed)
        await server.call(lambda kelpie: resource.delete(kelpie, key))
        return before, listed == {key: "two"}, await server.call(resource.listed)

    assert ("one", True, {}) == result_of(program)
