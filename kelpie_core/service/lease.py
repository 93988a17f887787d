"""One turn at a time per thread, across processes.

The lease stands in the thread's head. Its token grows with every grant and every commit of a turn checks it, so a
process that was presumed dead and wakes up again cannot write anything (fencing, as in Chubby's sequencers).
"""

import datetime as dt

import attrs

from kelpie_core.errors import LeaseLost
from kelpie_core.limits import LEASE_SECONDS
from kelpie_core.model.agent import AgentHead, Lease


def granted(head: AgentHead, holder: str, run_id: str, now: dt.datetime) -> AgentHead:
    """Return the head with a new lease for that run."""
    token = head.token_last + 1
    lease = Lease(holder=holder, token=token, run_id=run_id, expires_at=expiry(now))
    return attrs.evolve(head, token_last=token, lease=lease)


def renewed(head: AgentHead, lease: Lease, now: dt.datetime) -> AgentHead:
    """Return the head with the same lease for longer; raise LeaseLost."""
    check_lease(head, lease)
    return attrs.evolve(head, lease=attrs.evolve(lease, expires_at=expiry(now)))


def check_lease(head: AgentHead, lease: Lease) -> None:
    """Raise LeaseLost unless the head's lease is this one."""
    if head.lease is None or head.lease.token != lease.token:
        raise LeaseLost(lease.run_id)


def is_held(head: AgentHead, now: dt.datetime) -> bool:
    """Return whether somebody's turn holds the thread."""
    return head.lease is not None and head.lease.expires_at > now


def expiry(now: dt.datetime) -> dt.datetime:
    """Return when a lease that is granted now runs out."""
    return now + dt.timedelta(seconds=LEASE_SECONDS)
