"""The page that shows the API."""

import re

from kelpie_server.docs_page import HEADERS, PAGE


def test_the_page_is_whole_in_itself():
    """The page loads nothing from anywhere: no address, no file, and its policy forbids it."""
    assert [] == re.findall(r"https?://|\bsrc=|@import|url\(|<link", PAGE)
    assert HEADERS["content-security-policy"].startswith("default-src 'none'; connect-src 'self'")


def test_the_page_is_small():
    """The page is read at a glance by a browser: a few kilobytes."""
    assert len(PAGE) < 8_000


def test_nothing_of_the_document_becomes_markup():
    """Texts of the document are shown as texts."""
    assert [] == re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", PAGE)
