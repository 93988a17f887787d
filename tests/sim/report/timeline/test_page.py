"""Pages that need no other file."""

import json
import re
from importlib.resources import files

import attrs
import pytest

from kelpie_sim.report.reading import CATEGORIES, OTHER
from kelpie_sim.report.timeline import page
from kelpie_sim.report.timeline.document import document_of
from tests.sim.report.sample import FAILED, PASSED, entry

CONTRAST_MIN = 4.5
PAGE = page.timeline_page(FAILED)


def test_page_holds_the_data():
    """The data within the page is the document of the run, with the command that runs it again."""
    (data,) = re.findall(r'<script type="application/json" id="run">(.*?)</script>', PAGE)
    assert json.loads(data) == json.loads(json.dumps(document_of(FAILED, "kelpie-sim replay mail 7")))


def test_page_loads_nothing():
    """No link and no source leads out of the page, and its own policy forbids it."""
    assert [] == re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:)[\w./]+", PAGE.split('id="run"')[0])
    assert "default-src &#x27;none&#x27;" in PAGE


def test_text_of_a_run_cannot_break_out():
    """What a program records stays data, whatever it looks like; halves of characters too."""
    evil = attrs.evolve(PASSED, scenario="<b>", entries=(entry(0, 0, "story", "</script><script>alert(1)<!-- \ud800"),))
    text = page.timeline_page(evil)
    (data,) = re.findall(r'id="run">(.*?)</script>', text)
    assert [] == re.findall("[<>&]", data)
    assert "<title>&lt;b&gt; with seed 7</title>" in text


def luminance(colour):
    """Return how bright a colour like #1d2126 is to the eye, from 0 to 1."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the contrast of two colours as accessibility guidelines reckon it, from 1 to 21."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_can_be_read(scheme):
    """In light and in dark, each colour that text has stands out from each ground that text stands on."""
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", page.asset("base.css").split("@media")[scheme]))
    texts = {*CATEGORIES.values(), OTHER, "ink", "ink-soft", "ink-faint", "accent", "bad", "good", "match"}
    faint = {
        (text, ground): round(ratio, 2)
        for text in texts
        for ground in ("paper", "raised")
        if (ratio := contrast(colours[text], colours[ground])) < CONTRAST_MIN
    }
    assert {} == faint


def test_all_assets_are_used():
    """Each script and each style beside the modules is part of some page."""
    beside = files("kelpie_sim.report.timeline").iterdir()
    found = {path.name for path in beside if path.name.endswith((".js", ".css", ".html"))}
    assert found == {*page.SCRIPTS, *page.STYLES, "timeline.html", "diff.css"}
