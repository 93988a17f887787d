"""The page of the API in a real browser, served by the real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from kelpie_server.operations import OPERATIONS
from tests.server.server_process import ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Return a server."""
    process = ServerProcess(tmp_path)
    yield process
    assert 0 == process.stop(), process.log


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_shows_every_operation(browser: Browser, server: ServerProcess, path: str) -> None:
    """The page lists all operations, opens one with its shapes, and filters; it asks only this server."""
    page, errors, asked = browser.new_page(), list[str](), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url + path)
    page.wait_for_selector("#operations details")
    assert len(OPERATIONS) == page.locator("#operations details").count()
    created = page.locator("#operations details", has_text="Create an agent").first
    created.locator("summary").click()
    created.locator("a", has_text="AgentFields").first.click()  # there once the element has opened
    page.wait_for_selector("#AgentFields[open] table")
    assert "memory_blocks" in page.locator("#AgentFields").inner_text()
    page.fill("#filter", "blocks attach")
    assert 1 == page.locator("#operations details:visible").count()
    page.close()
    assert ([], {server.url + path, f"{server.url}/openapi.json"}) == (errors, set(asked))
