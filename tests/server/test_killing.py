"""The real server, killed by the system under a real load: what it acknowledged is there, and nothing is stuck."""

from tests.server.killing import killed_again_and_again

KILLS = 5


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    """After each kill the server takes up what was at work, accepts the next message, and has all that it confirmed."""
    found, ledger = killed_again_and_again(tmp_path, KILLS)
    assert [()] * KILLS == [lost.lines for lost in found]
    assert 0 < min(len(ledger.agents), len(ledger.imported), len(ledger.blocks), sum(map(len, ledger.said.values())))
