"""A real browser for the pages, without a plugin: started once per module, so that other tests find no loop running.

Where the machine has no Chromium the tests are skipped, unless the environment says KELPIE_BROWSER=required.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.diff import closest
from kelpie_sim.report.timeline.diff_page import diff_page
from kelpie_sim.report.timeline.page import timeline_page
from kelpie_sim.simulation import simulate
from tests.browser.relay import relay

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HUGE = 100_000


@attrs.frozen
class Pages:
    """The pages that are looked at, and the runs they show."""

    folder: Path
    small: Outcome
    big: Outcome
    huge: Outcome

    def write(self, name: str, text: str) -> None:
        """Write a page."""
        (self.folder / f"{name}.html").write_text(text, encoding="utf-8")


@attrs.define
class Tab:
    """An open page, and what it said and asked for since it was opened."""

    page: Page
    errors: list[str] = attrs.field(factory=list)
    requests: list[str] = attrs.field(factory=list)

    def read(self, expression: str) -> object:
        """Return what the page's own account says: an expression on `timeline`."""
        return self.page.evaluate(f"timeline.{expression}")

    def settle(self) -> None:
        """Wait until all that has changed is drawn."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression holds; the page's policy lets no test evaluate one within it."""
        look = f"() => {condition} ? done() : requestAnimationFrame(look)"
        self.page.evaluate(f"new Promise((done) => {{ const look = {look}; look(); }})")
        self.settle()


Opener = Callable[..., Tab]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Return the pages; the runs are made here, as no simulation runs while a browser is driven."""
    small, big = (simulate(relay(rounds), 1, keep_trace=True) for rounds in (20, 200))
    made = Pages(folder=tmp_path_factory.mktemp("pages"), small=small, big=big, huge=_repeated(big))
    for name in ("small", "big", "huge"):
        made.write(name, timeline_page(getattr(made, name)))
    made.write("empty", timeline_page(attrs.evolve(small, entries=())))
    diff = closest(made.small, [simulate(relay(20, fails=False), seed, keep_trace=True) for seed in (1, 2)])
    assert diff is not None
    made.write("diff", diff_page(diff))
    return made


def _repeated(outcome: Outcome) -> Outcome:
    """Return a run that goes on in the same way, with so many entries as no test has time to make."""
    entries = outcome.entries
    rounds = -(-HUGE // len(entries))
    last = entries[-1]
    return attrs.evolve(
        outcome,
        entries=tuple(
            attrs.evolve(entry, step=entry.step + n * last.step, time_ns=entry.time_ns + n * last.time_ns)
            for n in range(rounds)
            for entry in entries
        ),
    )


@pytest.fixture(scope="module")
def browser(pages: Pages) -> Iterator[Browser]:
    """Return a browser with a profile of its own; skip or fail where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        (pytest.fail if os.environ.get("KELPIE_BROWSER") == "required" else pytest.skip)("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser, pages: Pages) -> Iterator[Opener]:
    """Return what opens a page by name; at the end none of them may have complained or asked for another file."""
    tabs: list[Tab] = []

    def open_page(name: str = "small", place: str = "", *, scheme: str = "light") -> Tab:
        page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        tab = Tab(page)
        tabs.append(tab)
        page.on("pageerror", lambda error: tab.errors.append(str(error)))
        page.on("console", lambda message: tab.errors.append(message.text))
        page.on("request", lambda request: _note(tab, request))
        page.goto(f"{(pages.folder / name).as_uri()}.html{place}")
        tab.settle()
        return tab

    yield open_page
    for each in tabs:
        each.page.close()
    assert [[] for _ in tabs] == [each.errors for each in tabs]
    assert [1 for _ in tabs] == [len(each.requests) for each in tabs]


def _note(tab: Tab, request: Request) -> None:
    tab.requests.append(request.url)
