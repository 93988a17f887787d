"""The timeline in a real browser: what a person does with it, and what they then see."""

import pytest

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.reading import category_of, read_run
from tests.browser.conftest import HUGE, Opener, Pages, Tab

# Generous: the machine may be busy. What is measured on a free one is a tenth of it.
OPEN_MS_MAX = {"big": 4_000, "huge": 10_000}
DRAW_MS_MAX = {"big": 500, "huge": 2_000}


def indices(outcome: Outcome, category: str) -> list[int]:
    """Return the entries of a category."""
    return [index for index, entry in enumerate(outcome.entries) if category_of(entry.kind) == category]


def press(tab: Tab, *keys: str) -> object:
    """Press keys one after the other and return what is selected then."""
    for key in keys:
        tab.page.keyboard.press(key)
    tab.settle()
    return tab.read("selected")


@pytest.mark.parametrize("name", ["big", "huge"])
def test_long_run_opens_quickly(tab: Opener, pages: Pages, name: str):
    """A run of ten thousand records is there at once, and one of a hundred thousand too."""
    opened = tab(name)
    count = len(getattr(pages, name).entries)
    assert {"big": 10_000, "huge": HUGE}[name] <= count
    assert count == opened.read("records")
    assert opened.page.evaluate("performance.getEntriesByType('navigation')[0].duration") < OPEN_MS_MAX[name]
    press(opened, "+", "ArrowLeft")
    assert opened.page.evaluate("timeline.drawMs") < DRAW_MS_MAX[name]


def test_each_host_has_its_lanes(tab: Opener, pages: Pages):
    """There is a head for the story, the world and each host, and below it lanes for tasks and operations."""
    lanes = tab().page.evaluate("timeline.lanes")
    hosts = [name or "the world" for name in read_run(pages.small).hosts]
    assert [f"head {name}" for name in ("Story", *hosts)] == [lane for lane in lanes if lane.startswith("head ")]
    assert ["client operations"] * 3 == [lane for lane in lanes if lane.startswith("client ")]
    assert "task 8:_crash" in lanes


def test_messages_are_arrows(tab: Opener, pages: Pages):
    """Every message has its arrow; those that were dropped are told apart."""
    opened, messages = tab(), read_run(pages.small).messages
    dropped = sum(message.fate == "dropped" for message in messages)
    assert (len(messages), len(messages), dropped) == (
        opened.read("messages"),
        opened.read("arrowsDrawn"),
        opened.read("dropped"),
    )
    opened.page.click("#kinds [data-kind=messages]")
    opened.settle()
    assert (0, 0) == (opened.read("messages"), opened.read("arrowsDrawn"))


def test_kinds_can_be_hidden(tab: Opener, pages: Pages):
    """What is hidden is neither drawn nor stepped to, and comes back."""
    opened, count = tab(), len(pages.small.entries)
    opened.page.click("#kinds [data-kind=steps]")
    assert count - len(indices(pages.small, "steps")) == opened.read("visible")
    assert opened.page.get_attribute("#kinds [data-kind=steps]", "aria-pressed") == "false"
    opened.page.click("#kinds [data-kind=steps]")
    assert count == opened.read("visible")


def test_one_host_can_be_looked_at(tab: Opener, pages: Pages):
    """With a host picked, its own records remain and the messages on their way to it."""
    opened, reading = tab(), read_run(pages.small)
    opened.page.select_option("#host", label="server-1")
    own = {index for index, host in enumerate(reading.entry_hosts) if host == "server-1"}
    sent = {message.sent for message in reading.messages if message.receiver == "server-1"}
    assert len(own | sent) == opened.read("visible")


def test_search_goes_to_the_next_and_back(tab: Opener, pages: Pages):
    """Enter goes from match to match, with Shift back, round at the ends; only matches can be left to see."""
    opened, faults = tab(), indices(pages.small, "faults")
    press(opened, "Home", "/")
    opened.page.fill("#search", "kind:fault NetworkPacketLoss")
    assert faults == opened.read("matches")
    assert faults[:2] == [press(opened, "Enter"), press(opened, "Enter")]
    assert [faults[0], faults[-1]] == [press(opened, "Shift+Enter"), press(opened, "Shift+Enter")]
    assert f"{len(faults)} of {len(faults)} found" == opened.page.inner_text("#found")
    opened.page.click("#only")
    assert len(faults) == opened.read("visible")
    opened.page.fill("#search", "there is no such thing")
    assert (0, "none found") == (opened.read("visible"), opened.page.inner_text("#found"))


def test_keys_step_through_the_records(tab: Opener, pages: Pages):
    """Right and left go to the next record and back, Home and End to the ends, brackets from fault to fault."""
    opened, faults = tab(), indices(pages.small, "faults")
    assert [0, 1, 2, 1] == [press(opened, key) for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft")]
    assert [*faults[:2], faults[0]] == [press(opened, key) for key in ("]", "]", "[")]
    assert len(pages.small.entries) - 1 == press(opened, "End")
    assert len(pages.small.entries) - 1 == press(opened, "ArrowRight")


def test_keys_step_through_one_task(tab: Opener, pages: Pages):
    """Down and up go along the records of the task of the selected one."""
    entries = pages.small.entries
    own = [index for index, entry in enumerate(entries) if entry.serial == 5 and entry.kind == "step"]
    opened = tab(place=f"#r={own[0]}&hide=births,messages,operations")
    assert [own[1], own[2], own[1]] == [press(opened, key) for key in ("ArrowDown", "ArrowDown", "ArrowUp")]


def test_failure_is_one_key_away(tab: Opener, pages: Pages):
    """The button and the key jump to the failing record, also when it was filtered away; the message is told there."""
    opened, failed = tab(), read_run(pages.small).failed
    assert "nothing is ever lost" in opened.page.inner_text("#finding")
    assert (0, failed) == (press(opened, "Home"), press(opened, "f"))
    press(opened, "Home")
    opened.page.click("#kinds [data-kind=steps]")
    opened.page.click("#to-failure")
    opened.settle()
    assert (failed, len(pages.small.entries)) == (opened.read("selected"), opened.read("visible"))
    assert "The run failed here" in opened.page.inner_text("#details")


def test_details_tell_all_of_a_record(tab: Opener, pages: Pages):
    """A message shows when it was sent and what became of it; its other end is a click away; text is only text."""
    opened, message = tab(), read_run(pages.small).messages[0]
    opened.page.evaluate(f"location.hash = 'r={message.sent}'")
    opened.wait_until(f"timeline.selected === {message.sent}")
    assert f"{message.sender}" in opened.page.inner_text("#details")
    opened.page.click(f"#details .go:text-is('#{message.ended}')")
    assert message.ended == opened.read("selected")
    invoked = read_run(pages.small).operations[0].invoked
    opened.page.evaluate(f"location.hash = 'r={invoked}'")
    opened.wait_until(f"timeline.selected === {invoked}")
    assert "<b>0</b> </script>" in opened.page.inner_text("#details")


def test_place_is_in_the_address(tab: Opener):
    """Who opens the address sees the same record, axis, stretch and filter."""
    first = tab()
    first.page.click("[data-axis=order]")
    first.page.click("#kinds [data-kind=births]")
    first.page.fill("#search", "server-1")
    first.page.click("#zoom-in")
    press(first, "n")
    first.wait_until("location.hash.startsWith(`#r=${timeline.selected}&`)")
    second = tab(place=str(first.page.evaluate("location.hash")))
    for question in ("selected", "axis", "visible", "matches", "view.map((x) => x.toPrecision(9))"):
        assert first.read(question) == second.read(question)


def test_wheel_and_drag_move_the_view(tab: Opener):
    """The wheel zooms where the pointer is, dragging moves along, and fit shows all again."""
    opened = tab()
    whole = opened.page.evaluate("timeline.view")
    opened.page.mouse.move(700, 500)
    opened.page.mouse.wheel(0, -600)
    opened.settle()
    zoomed = opened.page.evaluate("timeline.view")
    assert zoomed[1] - zoomed[0] < whole[1] - whole[0]
    opened.page.mouse.down()
    opened.page.mouse.move(600, 500, steps=3)
    opened.page.mouse.up()
    opened.settle()
    assert zoomed[0] < opened.page.evaluate("timeline.view")[0]
    opened.page.click("#fit")
    opened.settle()
    assert whole == opened.page.evaluate("timeline.view")


@pytest.mark.parametrize("axis", ["order", "time", "squeezed"])
def test_record_is_picked_where_it_is_drawn(tab: Opener, pages: Pages, axis: str):
    """On each axis a click on a fault's mark selects the fault, and pointing at it names it."""
    opened, fault = tab(), indices(pages.small, "faults")[1]
    opened.page.click(f"[data-axis={axis}]")
    opened.settle()
    at, box = opened.page.evaluate(f"timeline.place({fault})"), opened.page.locator("#over").bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    assert "NetworkPacketLoss" in opened.page.inner_text("#tip")
    opened.page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])
    assert fault == opened.read("selected")


def test_lanes_fold_and_unfold(tab: Opener, pages: Pages):
    """A host's lanes fold into its head; finished tasks share lanes until each is given its own."""
    opened, tasks = tab(), read_run(pages.small).tasks
    count = len(opened.page.evaluate("timeline.lanes"))
    opened.page.click("[aria-label='Lanes of server-0']")
    opened.settle()
    folded = opened.page.evaluate("timeline.lanes")
    assert "task 44:_answer" not in folded
    assert len(folded) < count
    opened.page.click("[aria-label='Lanes of server-0']")
    opened.page.click("#unfold")
    opened.settle()
    assert len(tasks) == sum(lane.startswith("task ") for lane in opened.page.evaluate("timeline.lanes"))


def test_dark_is_dark(tab: Opener):
    """Who has a dark system gets a dark page, the picture included."""
    pixel = "Array.from(document.getElementById('base').getContext('2d').getImageData(3, 200, 1, 1).data).slice(0, 3)"
    light, dark = (tab(scheme=scheme).page.evaluate(pixel) for scheme in ("light", "dark"))
    assert ([True] * 3, [True] * 3) == ([value > 200 for value in light], [value < 50 for value in dark])


def test_everything_has_a_name(tab: Opener):
    """Each control can be read out, and the keys and the legend open and close by key."""
    opened = tab()
    controls = "[...document.querySelectorAll('button, input, select')]"
    names = opened.page.evaluate(
        f"{controls}.map((x) => x.ariaLabel || x.innerText.trim() || x.labels?.[0]?.innerText)"
    )
    assert [] == [name for name in names if not name]
    opened.page.keyboard.press("?")
    assert opened.page.locator("#help").is_visible()
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#help").is_visible()
    assert "polite" == opened.page.get_attribute("#details", "aria-live")


def test_run_as_a_whole_is_told(tab: Opener, pages: Pages):
    """While nothing is selected the panel tells of the run: its faults, its digest, and how to have it again."""
    opened = tab()
    assert -1 == press(opened, "Escape")
    told = opened.page.inner_text("#details")
    assert [True] * 3 == [
        text in told for text in ("kelpie-sim replay relay 1", pages.small.digest, "NetworkPacketLoss")
    ]


def test_run_without_records_is_shown(tab: Opener):
    """A run that kept nothing has an empty picture and still tells how it ended."""
    opened = tab("empty")
    assert (0, -1) == (opened.read("records"), press(opened, "ArrowRight", "End", "f", "+", "1", "2"))
    assert "nothing is ever lost" in opened.page.inner_text("#finding")
