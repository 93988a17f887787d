"""A sweep."""

from kelpie_core.model.sweep import Sweep
from kelpie_core.records import SWEEPS
from tests.twins import NOON


def test_sweep_comes_back_equal() -> None:
    """What is stored is read back equal."""
    sweep = Sweep(id="sweep-1", agent_ids=("agent-1", "agent-2"), due_at=NOON)
    assert sweep == SWEEPS.decode(SWEEPS.encode(sweep))
