"""The lease: tokens that only grow, and a holder that is found out."""

import datetime as dt

import attrs
import pytest

from kelpie_core.errors import LeaseLost
from kelpie_core.limits import LEASE_SECONDS
from kelpie_core.model.agent import AgentHead, Lease
from kelpie_core.service.lease import check_lease, expiry, granted, is_held, renewed
from tests.twins import NOON

HEAD = AgentHead(agent_id="a", seq_next=5, token_last=7)
LEASE = Lease(holder="h", token=8, run_id="r", expires_at=NOON + dt.timedelta(seconds=LEASE_SECONDS))
HELD = attrs.evolve(HEAD, token_last=8, lease=LEASE)
LATER = NOON + dt.timedelta(seconds=20)


def test_grant_takes_the_next_token() -> None:
    """A new lease has a token that was never given before, whoever had the last one."""
    assert HELD == granted(HEAD, "h", "r", NOON)
    again = granted(HELD, "other", "r2", NOON)
    assert (9, 9, "other", "r2") == (
        again.token_last,
        again.lease and again.lease.token,
        again.lease and again.lease.holder,
        again.lease and again.lease.run_id,
    )


def test_renewal_moves_only_the_end() -> None:
    """The same lease lasts longer."""
    assert attrs.evolve(HELD, lease=attrs.evolve(LEASE, expires_at=expiry(LATER))) == renewed(HELD, LEASE, LATER)


@pytest.mark.parametrize("head", [HEAD, granted(HELD, "h", "r", NOON)], ids=["ended", "granted anew"])
def test_lost_lease_is_found_out(head: AgentHead) -> None:
    """A lease that ended or was granted anew, even to the same holder, neither renews nor writes."""
    for attempt in (lambda: check_lease(head, LEASE), lambda: renewed(head, LEASE, NOON)):
        with pytest.raises(LeaseLost, match="run r is driven by another process now"):
            attempt()


def test_own_lease_is_good_even_when_late() -> None:
    """As long as nobody else was given one, a lease may be late."""
    check_lease(attrs.evolve(HELD, lease=attrs.evolve(LEASE, expires_at=NOON)), LEASE)


def test_agent_is_held_until_the_lease_ends() -> None:
    """At the very end of a lease it is free."""
    end = LEASE.expires_at
    moments = (NOON, end - dt.timedelta(microseconds=1), end)
    assert [True, True, False] == [is_held(HELD, moment) for moment in moments]
    assert not is_held(HEAD, NOON)
