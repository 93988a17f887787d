"""The whole stack: what it means to reach is reached, and an app that lies is found through all its layers."""

from collections import Counter

from kelpie_core.service.messages import Messages
from kelpie_server import app, errors, sse
from kelpie_sim.agents.scenarios.whole_stack import SCENARIOS
from tests.sim.agents.scenarios.planted import faulty, first_finding, never_hit

(WHOLE_STACK,) = SCENARIOS


def test_what_must_happen_sometimes_does():
    """Everything happens that the scenario says must happen sometimes."""
    assert set() == never_hit(WHOLE_STACK)


def test_harm_is_done_at_both_fidelities():
    """Faults of the network and of the store fire over TCP and by messages, and no seed finds anything."""
    outcomes = faulty(WHOLE_STACK, 30)
    assert [None] * len(outcomes) == [outcome.finding for outcome in outcomes]
    harmed = Counter(
        (report.kind.startswith(("Network", "Dns")), outcome.options["tcp"])
        for outcome in outcomes
        for report in outcome.faults
        if report.fired
    )
    assert {(True, True), (True, False), (False, True), (False, False)} == set(harmed)


def test_stream_that_hides_its_end_is_found(monkeypatch):
    """A stream that does not say why it stopped is found."""
    frame_of = sse.frame_of
    monkeypatch.setattr(sse, "frame_of", lambda event: b"" if b"stop_reason" in frame_of(event) else frame_of(event))
    assert "stack: a stream did not say once why it stopped" == first_finding(WHOLE_STACK)


def test_list_that_lacks_messages_is_found(monkeypatch):
    """A list that is not the history is found."""
    listed = Messages.list

    async def short(self, agent_id, page):
        return (await listed(self, agent_id, page))[:-1]

    monkeypatch.setattr(Messages, "list", short)
    assert first_finding(WHOLE_STACK)


def test_refusal_of_what_is_sound_is_found(monkeypatch):
    """An app that blames its client for what the store did is found."""
    answer_of = errors.answer_of

    def blaming(error, **given):
        answer = answer_of(error, **given)
        answer.status_code = min(answer.status_code, 400)
        return answer

    monkeypatch.setattr(app, "answer_of", blaming)
    assert first_finding(WHOLE_STACK)
