"""The diff of two runs as a page."""

import re

import attrs

from kelpie_sim.report.diff import RunDiff
from kelpie_sim.report.timeline.diff_page import diff_page
from tests.sim.report.sample import ENTRIES, FAILED, PASSED, entry

OTHER = attrs.evolve(PASSED, entries=(*ENTRIES[:13], entry(6, 0, "net deliver", 11), entry(6, 1, "step")))
PAGE = diff_page(RunDiff(failing=FAILED, passing=OTHER, index=12), context=2)


def section(name):
    """Return the texts of the lines in a section, each with its classes."""
    (inside,) = re.findall(rf'<section[^>]*aria-label="{name}".*?</section>', PAGE, re.DOTALL)
    return [
        (classes, re.sub(r"<[^>]+>", "", text))
        for classes, text in re.findall(r'<li class="([^"]*)">(.*?)</li>', inside)
    ]


def test_page_has_what_both_share_and_both_columns():
    """Before the parting one list, after it two; the first difference and what only one run has are marked."""
    assert section("The same in both") == [
        ("operations", "0.005000client-1ask {&#x27;n&#x27;: 2}"),
        ("messages", "0.005000client-1-&gt; server-1: data 12 B (lost)"),
    ]
    assert section("failing")[0] == ("faults alone first", "0.006000world✱LetterLost at send")
    assert section("passing") == [
        ("messages alone first", "0.006000server-1✱&lt;- client-1: data 12 B"),
        ("steps quiet", "0.006000worldstep 1:_main"),
    ]


def test_page_tells_how_each_run_ended():
    """The finding stands below the failing run, escaped."""
    assert '<p class="end">letters arrive: one of &lt;2&gt;</p>' in PAGE
    assert '<p class="end">The run went well.</p>' in PAGE
