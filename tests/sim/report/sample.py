"""Entries of a run, written out: what readers of traces are tested with."""

import attrs

from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.trace import Entry, Field

MS = 1_000_000


def entry(time_ms: int, serial: int, kind: str, *fields: Field, step: int = 1) -> Entry:
    """Return an entry at a millisecond."""
    return Entry(step=step, time_ns=time_ms * MS, serial=serial, kind=kind, fields=fields)


# A client asks server-1 twice; the second question is lost, and the server crashes.
ENTRIES = (
    entry(0, 0, "scenario", "mail", "{}", step=0),
    entry(0, 1, "born", "1:_main", step=0),
    entry(0, 1, "step"),
    entry(0, 1, "host start", "server-1", 1),
    entry(0, 2, "born", "server-1/main"),
    entry(0, 2, "step", step=2),
    entry(0, 3, "born", "listener", step=2),
    entry(1, 1, "op invoke", 0, "client-1", "ask", "{'n': 1}", step=3),
    entry(1, 1, "net send", 10, "client-1", "server-1", "data", 12, step=3),
    entry(3, 0, "net deliver", 10, step=4),
    entry(4, 1, "op ok", 0, "{'n': 2}", step=5),
    entry(5, 1, "op invoke", 1, "client-1", "ask", "{'n': 2}", step=6),
    entry(5, 1, "net send", 11, "client-1", "server-1", "data", 12, step=6),
    entry(6, 1, "fault", 0, "LetterLost", "send", step=7),
    entry(6, 1, "net drop", 11, "lost", step=7),
    entry(7, 1, "host crash", "server-1", 1, step=8),
    entry(7, 1, "story", "server-1 loses power", step=8),
    entry(9, 0, "step", step=9),
    entry(9, 0, "tape", b"\x00\xff", step=9),
)
FAILED = Outcome(
    scenario="mail",
    seed=7,
    digest="d",
    records=13,
    steps=9,
    virtual_ns=9 * MS,
    python="3.11.7",
    finding=Finding(
        kind=FindingKind.CORRECTNESS,
        signature="InvariantBroken",
        message="letters arrive: one of <2>",
        traceback="here",
    ),
    entries=ENTRIES,
)
PASSED = attrs.evolve(FAILED, finding=None)
