"""A run told in the terminal."""

import io

from starlette.responses import PlainTextResponse

from kelpie_sim.report.story import print_story, story_of
from kelpie_sim.scenario import Scenario
from kelpie_sim.simulation import simulate
from kelpie_sim.world.http import HttpService
from tests.sim.report.sample import FAILED, PASSED

FIRST_LINES = ("POST /things HTTP/1.1", "HTTP/1.1 200 OK")
STORY = """\
      0.000000 s  server-1         * start (life 1)
      0.001000 s  client-1         > ask {'n': 1}
      0.001000 s  client-1           -> server-1: data 12 B (2.0 ms)
      0.003000 s  server-1           <- client-1: data 12 B
      0.004000 s  client-1         > ask ok (3.0 ms) {'n': 2}
      0.005000 s  client-1         > ask {'n': 2}
      0.005000 s  client-1           -> server-1: data 12 B (lost)
      0.006000 s  world           !! LetterLost at send
      0.006000 s  client-1           -x server-1: data 12 B is dropped: lost
      0.007000 s  server-1         * crash (life 1)
      0.007000 s  world              server-1 loses power
      0.009000 s  world           ## correctness: letters arrive: one of <2>
"""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def test_story_is_a_line_for_each_thing_that_happened():
    """Messages with their way and time, operations with their answers, faults marked, the finding at the end."""
    stream = io.StringIO()
    print_story(story_of(FAILED), stream)
    assert STORY == stream.getvalue()


def test_story_can_be_narrowed():
    """Only some categories, only one host, only the last lines."""
    assert ["LetterLost at send"] == [line.text for line in story_of(PASSED, categories=("faults",))]
    assert ["start (life 1)", "<- client-1: data 12 B", "crash (life 1)"] == [
        line.text for line in story_of(PASSED, host="server-1")
    ]
    assert ["server-1 loses power"] == [line.text for line in story_of(PASSED, last=1)]


def test_steps_and_births_are_told_on_request():
    """Steps name their task, or the loop itself."""
    texts = [line.text for line in story_of(PASSED, categories=("steps", "births"))]
    assert texts == [
        "born 1:_main",
        "step 1:_main",
        "born server-1/main",
        "step server-1/main",
        "born listener",
        "step the loop",
    ]


def test_story_is_coloured_on_a_terminal(monkeypatch):
    """On a terminal faults are red, and nothing else is added."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_story(story_of(PASSED, categories=("faults",)), stream)
    assert stream.getvalue() == "\x1b[1;31m      0.006000 s  world           !! LetterLost at send\x1b[0m\n"


def test_story_shows_requests():
    """A request over HTTP that is too long for the trace is told by its first line."""

    async def scenario(world):
        service = HttpService(world.network, world.host("server"), lambda: PlainTextResponse("hi"))
        service.boot()
        await service.ready()
        async with service.client() as client:
            await client.post("/things", content=b"x" * 100)

    outcome = simulate(Scenario(name="http", run=scenario), 1, keep_trace=True)
    told = [str(line).partition(" B ")[2] for line in story_of(outcome, categories=("messages",))]
    assert [2, 2] == [sum(text.startswith(f"'{start}'") for text in told) for start in FIRST_LINES]
